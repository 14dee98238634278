"""From drawn tokens to text, piece by piece."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence

from lior.interfaces import Tokenizer


class Detokenizer:
    """A decoder of one token after the other: whole characters, and a stop text ends the text.

    Bytes that are not UTF-8 become U+FFFD. A possible beginning of a stop text is held back until more
    tokens decide.

    Parameters
    ----------
    tokenizer
        Its :meth:`~lior.interfaces.Tokenizer.decode` gives the bytes of a token.
    stops
        Texts at which the text ends: the one that is complete first counts, whatever the tokens are.
    keep_stop
        Whether the text includes the stop text at its end.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), *, keep_stop: bool = False) -> None:
        self._decode, self._stops, self._keep = tokenizer.decode, [stop for stop in stops if stop], keep_stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._seen = ""
        """The end of the returned text, as long as a stop text may begin in it."""
        self.told = 0
        """Number of characters returned so far."""
        self.stopped = False
        """Whether a stop text occurred."""

    @property
    def position(self) -> int:
        """The character at which the text of the next token begins."""
        return self.told + len(self._held)

    def add(self, token: int) -> str:
        """Add a token; returns the text that is certain now, empty once :attr:`stopped`."""
        return "" if self.stopped else self._more(self._decoder.decode(self._decode([token])), last=False)

    def end(self) -> str:
        """Return the remaining text when no token follows."""
        return "" if self.stopped else self._more(self._decoder.decode(b"", final=True), last=True)

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of all ``tokens``, a piece for each and one for the end, until a stop text."""
        for token in tokens:
            yield self.add(token)
            if self.stopped:
                return
        yield self.end()

    def _more(self, text: str, *, last: bool) -> str:
        held = self._held + text
        before = self._seen if self._keep else ""
        found = [(at + len(stop), at) for stop in self._stops if (at := (before + held).find(stop)) >= 0]
        if found:
            end, at = min(found)
            self.stopped = True
            held = held[: (end if self._keep else at) - len(before)]
        safe = len(held) if last or self.stopped or self._keep else len(held) - self._may_begin(held)
        told, self._held = held[:safe], held[safe:]
        longest = max(map(len, self._stops), default=1) - 1
        self._seen = (self._seen + told)[-longest:] if longest else ""
        self.told += len(told)
        return told

    def _may_begin(self, held: str) -> int:
        """Return the number of characters at the end of ``held`` that may begin a stop text."""
        sizes = (
            size
            for stop in self._stops
            for size in range(min(len(stop) - 1, len(held)), 0, -1)
            if held.endswith(stop[:size])
        )
        return max(sizes, default=0)
