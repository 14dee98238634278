"""What an index holds, to compare two of them."""

from __future__ import annotations

from lior import Index
from lior.testing.retrievers import content


def same(a: Index, b: Index) -> bool:
    """Whether two indexes have the same passages, counts and confirmed questions."""
    return everything(a) == everything(b)


def everything(index: Index) -> tuple[object, ...]:
    """All of it, in an order that the content decides."""
    passages = [index.passage(row) for row in range(len(index))]
    asked = index.inverted.database.rows("SELECT * FROM questions ORDER BY document, passage, question")
    return content(index.inverted), passages, asked
