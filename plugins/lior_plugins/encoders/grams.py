"""Coordinates from tokens, runs of them, and words: ``z = Σ_l M_l[x_{t-1-l}] + Σ_p T_p[h_p(context)]``.

With one vector per token alone, costs of contexts that differ in two places are about the sum of the costs
for one. A vector per run of tokens adds their joint effect: that *all* of ``the`` is there.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor
from torch.nn.functional import embedding_bag

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import State
from lior_plugins.counting import addresses
from lior_plugins.encoders.lags import Lags

_WORDS = ("word", "word-1")
_APOSTROPHE = 39


@attrs.frozen(kw_only=True)
class Grams(Lags):
    """A table of vectors per lag, and a hashed one per pattern (the hashing trick, Weinberger et al.,
    2009).

    State: ``table (lags * (vocab + 1), n)`` as of :class:`Lags`, and ``grams
    (P * 2^bits, n)``, which begins as normal noise of standard deviation
    ``gram_scale``; both learned. Words are runs of letters among the last
    ``lags`` bytes; in larger alphabets than bytes only bytes are letters.
    """

    learned: ClassVar[tuple[str, ...]] = ("table", "grams")

    patterns: tuple[str, ...] = option(
        ("1-2", "2-3", "3-4", "1-3", "2-4", "1-4", "word", "word-1", "word word-1"),
        help="runs such as 1-3, other lags such as 1,3, without case ~1-3, word (so far), word-1 (the last)",
    )
    bits: int = option(12, help="2^bits vectors for the values of a pattern", low=1, high=20)
    gram_scale: float = option(0.1, help="initial standard deviation of a pattern's entries", low=0)

    def __attrs_post_init__(self) -> None:
        if not self.patterns:
            raise UsageError("encoder.patterns = []: encoder grams needs one; without any it is encoder lags")
        for pattern in self.patterns:
            for part in addresses.parse(pattern):
                if part.field and part.field not in _WORDS:
                    raise UsageError(
                        f"pattern {pattern!r} of encoder grams: {part.field!r} is a field of sdm alone; "
                        f"allowed here are {' and '.join(_WORDS)}, and lags such as 1-3"
                    )
                if part.lag > self.lags:
                    raise UsageError(
                        f"pattern {pattern!r} of encoder grams: lag {part.lag} is beyond the {self.lags} "
                        f"tokens that it sees; set encoder.lags to {part.lag} or more"
                    )

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return a fresh tables for token ids ``0 .. vocab``."""
        tables = super().init(vocab, generator=generator)
        rows = len(self.patterns) << self.bits
        noise = torch.randn(rows, self.n, generator=generator, device=generator.device)
        return tables | {"grams": noise * self.gram_scale}

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, lags)``, in the tables' dtype."""
        rows = len(self.patterns) << self.bits
        if len(state["grams"]) != rows:
            raise UsageError(f"grams of {len(state['grams'])} rows; these patterns and bits have {rows}")
        z = super().encode(state, contexts)
        return z + embedding_bag(self._rows(contexts), state["grams"], mode="sum")

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` with respect to the tables."""
        grams = torch.zeros_like(state["grams"])
        for rows in self._rows(contexts).unbind(1):
            grams.index_add_(0, rows, dz)
        return super().pullback(state, contexts, dz) | {"grams": grams}

    def _rows(self, contexts: Tensor) -> Tensor:
        """Return the row of each pattern, int64 ``(B, P)``."""
        words = _words(contexts)
        rows = []
        for number, pattern in enumerate(self.patterns):
            h = contexts.new_full((len(contexts),), number)
            for part in addresses.parse(pattern):
                if part.field:
                    seen = words[_WORDS.index(part.field)]
                else:
                    seen = contexts[:, part.lag - 1]
                    seen = addresses.fold(seen) if part.folded else seen
                h = addresses.mix(h, seen + 1)
            rows.append((h & ((1 << self.bits) - 1)) + (number << self.bits))
        return torch.stack(rows, 1)


def _words(contexts: Tensor) -> tuple[Tensor, Tensor]:
    """Return hashes of the word so far and of the word before it, int64 ``(B,)`` each; 0 for none."""
    folded = addresses.fold(contexts)
    letter = ((folded >= 97) & (folded <= 122)) | (folded == _APOSTROPHE) | ((folded > 127) & (folded < 256))
    first = last = torch.zeros_like(contexts[:, 0])
    # One step for each lag: on a GPU a sum along such short rows takes longer than all of these.
    so_far = torch.ones_like(letter[:, 0])
    begun, over = ~so_far, ~so_far
    for token, here in zip((folded + 1).unbind(1), letter.unbind(1), strict=True):
        so_far = so_far & here
        over = over | (begun & ~here)
        before = here & ~so_far & ~over
        begun = begun | before
        first = torch.where(so_far, addresses.mix(first, token), first)
        last = torch.where(before, addresses.mix(last, token), last)
    return first, last
