"""What an index holds, to compare two of them."""

from __future__ import annotations

from lior_ask import Index
from lior_ask.testing import content


def same(a: Index, b: Index) -> bool:
    """Whether two indexes have the same passages, counts and confirmed questions."""
    return everything(a) == everything(b)


def everything(index: Index) -> tuple[object, ...]:
    """All of it, in an order that the content decides."""
    passages = [index.passage(row) for row in range(len(index))]
    rows = index.inverted.database.rows
    asked = rows("SELECT * FROM questions ORDER BY document, passage, question")
    readings = rows("SELECT keys FROM documents JOIN readings USING (id) ORDER BY name")
    return content(index.inverted), passages, asked, readings, rows("SELECT count(*) FROM readings")
