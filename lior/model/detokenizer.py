"""From drawn tokens to text, piece by piece."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence

from lior.interfaces import Tokenizer


class Detokenizer:
    """Decodes one token after the other: whole characters, and a stop text ends the text.

    Bytes that are not UTF-8 become U+FFFD. What could be the beginning of a stop text is held back until
    more tokens tell.

    Parameters
    ----------
    tokenizer
        Its :meth:`~lior.interfaces.Tokenizer.decode` gives the bytes of a token.
    stops
        Texts at which the text ends: at the one that is complete first, whatever the tokens are.
    keep_stop
        Whether the stop text is a part of the text, which then ends behind it.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), *, keep_stop: bool = False) -> None:
        self._decode, self._stops, self._keep = tokenizer.decode, [stop for stop in stops if stop], keep_stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._seen = ""
        """The end of what was told, of the length that a stop text may begin in."""
        self.told = 0
        """Characters returned so far."""
        self.stopped = False
        """Whether a stop text came."""

    @property
    def position(self) -> int:
        """The character at which the text of the next token begins."""
        return self.told + len(self._held)

    def add(self, token: int) -> str:
        """The text that is certain with one more token; empty once :attr:`stopped`."""
        return "" if self.stopped else self._more(self._decoder.decode(self._decode([token])), last=False)

    def end(self) -> str:
        """What is left when no token follows."""
        return "" if self.stopped else self._more(self._decoder.decode(b"", final=True), last=True)

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of all ``tokens``, a piece for each and one for the end, until a stop text came."""
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
        """Characters at the end of ``held`` that may begin a stop text."""
        sizes = (
            size
            for stop in self._stops
            for size in range(min(len(stop) - 1, len(held)), 0, -1)
            if held.endswith(stop[:size])
        )
        return max(sizes, default=0)
