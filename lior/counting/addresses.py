"""Address patterns: which coordinates of a context select a hard location.

In Jaeckel's selected-coordinate design of sparse distributed memory
(L. A. Jaeckel, RIACS TR 89.28, 1989) every pattern looks at a few coordinates
of the context and ignores the rest. A pattern is written as a string of
fields separated by spaces:

``3``, ``2-4``, ``1,3-5``
    the tokens at these lags (1 is the most recent);
``word``, ``word-1``, ``word-2``
    the letters of the current word so far; the previous word; the one before;
``column``
    tokens since the last line feed, at most 63.

The order-``m`` pattern is ``1-m``; ``order 0`` is the empty string. Words are
case-folded runs of ASCII letters, apostrophes and bytes above 127. All fields
are functions of the last :data:`REACH` tokens of the document.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from lior.errors import UsageError
from lior.interfaces import Text

REACH = 128
"""Tokens before a position that a field may depend on."""

ADDRESS_BITS = 41
MAX_PATTERNS = 64

_LONGEST_WORD = 32
_LONGEST_GAP = 15
_LONGEST_LINE = 63
_LINE_FEED = 10
_MULTIPLIER = 6364136223846793005  # Knuth, MMIX
_INCREMENT = 1442695040888963407


def mix(h: Tensor, value: Tensor | int) -> Tensor:
    """Fold ``value`` into the 64-bit hash ``h`` (multiplicative, with a shift so that low bits matter)."""
    h = (h ^ value) * _MULTIPLIER + _INCREMENT
    return h ^ (h >> 29)


def parse(pattern: str) -> tuple[tuple[str, int], ...]:
    """Fields of ``pattern`` as ``("lag", k)``, ``("word", j)`` and ``("column", 0)``.

    Raises
    ------
    UsageError
        When a field is not of the grammar above.
    """
    fields: list[tuple[str, int]] = []
    for part in pattern.split():
        if part == "column":
            fields.append(("column", 0))
        elif part in ("word", "word-1", "word-2"):
            fields.append(("word", int(part[5:] or 0)))
        else:
            fields.extend(("lag", k) for k in _lags(part, pattern))
    return tuple(fields)


def _lags(part: str, pattern: str) -> list[int]:
    lags: list[int] = []
    for span in part.split(","):
        first, dash, last = span.partition("-")
        ends = first, last if dash else first
        if not all(end.isdecimal() for end in ends):
            raise UsageError(
                f"address pattern {pattern!r}: {part!r} is neither lags such as 1,3-5 "
                "nor one of word, word-1, word-2, column"
            )
        low, high = map(int, ends)
        if not 1 <= low <= high <= REACH:
            raise UsageError(f"address pattern {pattern!r}: {span!r} is not within 1-{REACH}, ascending")
        lags.extend(range(low, high + 1))
    return lags


class Fields:
    """The fields of every position of a text, computed once each."""

    def __init__(self, text: Text):
        self.text = text
        self._lags: dict[int, Tensor] = {}
        self._words: tuple[Tensor, Tensor, Tensor] | None = None

    def get(self, kind: str, index: int) -> Tensor:
        """Field values, int64 ``(T,)``; 0 means "not there"."""
        if kind == "lag":
            return self._lag(index)
        if kind == "word":
            if self._words is None:
                self._words = _words(self.text)
            return self._words[index]
        return _columns(self.text)

    def _lag(self, k: int) -> Tensor:
        if k not in self._lags:
            tokens, depth = self.text.tokens, self.text.depth
            shifted = pad(tokens[: max(len(tokens) - k, 0)] + 1, (min(k, len(tokens)), 0))
            self._lags[k] = shifted * (depth >= k)
        return self._lags[k]


def _last_index_before(mask: Tensor) -> Tensor:
    """For each position the last earlier index at which ``mask`` holds, -1 if none."""
    index = torch.arange(len(mask), device=mask.device)
    return pad(torch.where(mask, index, -1).cummax(0).values[:-1], (1, 0), value=-1)


def _words(text: Text) -> tuple[Tensor, Tensor, Tensor]:
    """Hashes of the current word's prefix, of the previous word and of the one before that."""
    tokens, depth, _ = text
    here = torch.arange(len(tokens), device=tokens.device)
    upper = (tokens >= 65) & (tokens <= 90)
    folded = tokens + 32 * upper
    letter = upper | ((tokens >= 97) & (tokens <= 122)) | (tokens == 39) | (tokens > 127)
    run = torch.minimum(here - 1 - _last_index_before(~letter), depth).clamp(max=_LONGEST_WORD)
    prefix = torch.zeros_like(tokens)
    for k in range(1, _LONGEST_WORD + 1):  # over lags, each step on all positions
        shifted = pad(folded[: max(len(tokens) - k, 0)] + 1, (min(k, len(tokens)), 0))
        prefix = torch.where(run >= k, mix(prefix, shifted), prefix)
    # The position just after the previous word: where its full hash stands.
    start = here - run
    after = _last_index_before(letter)[start.clamp(min=0)] + 1
    known = (after > 0) & (start - after <= _LONGEST_GAP) & (here - after < depth)
    after = torch.where(known, after, 0)
    previous = prefix[after] * known
    return prefix, previous, previous[after] * known


def _columns(text: Text) -> Tensor:
    here = torch.arange(len(text.tokens), device=text.tokens.device)
    since = here - 1 - _last_index_before(text.tokens == _LINE_FEED)
    return torch.minimum(since, text.depth).clamp(max=_LONGEST_LINE) + 1


def addresses(text: Text, patterns: tuple[str, ...], positions: Tensor | slice) -> Tensor:
    """Addresses of the contexts at ``positions``, int64 ``(S, B)``.

    The number of the pattern stands above :data:`ADDRESS_BITS` bits of hash, so
    that addresses of different patterns never collide and those of one
    pattern collide with probability ``2^-41`` a pair.
    """
    fields = Fields(text)
    chains: dict[tuple[tuple[str, int], ...], Tensor] = {}
    rows = []
    for number, pattern in enumerate(patterns):
        h = _chain(fields, parse(pattern), chains)[positions]
        hashed = (mix(h, number) >> (63 - ADDRESS_BITS)) & ((1 << ADDRESS_BITS) - 1)
        rows.append(hashed | (number << ADDRESS_BITS))
    return torch.stack(rows)


def _chain(
    fields: Fields, path: tuple[tuple[str, int], ...], done: dict[tuple[tuple[str, int], ...], Tensor]
) -> Tensor:
    """Hash of ``path``; prefixes are shared, so that order m costs one step after order m - 1."""
    if path not in done:
        if not path:
            done[path] = torch.full_like(fields.text.tokens, _INCREMENT)
        else:
            kind, index = path[-1]
            tag = (index + 1) * 1000003 + (0 if kind == "lag" else 7919 * len(kind))
            done[path] = mix(_chain(fields, path[:-1], done), fields.get(kind, index) + tag)
    return done[path]
