"""Text of any origin on a terminal."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator


def printable(pieces: Iterable[bytes]) -> Iterator[str]:
    """Decode as it comes; what could steer the terminal becomes a replacement character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield "".join(
            c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}"
            for c in decoder.decode(piece)
        )
    yield decoder.decode(b"", final=True)
