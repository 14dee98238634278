"""Text with errors, to learn to read such text and to measure its cost.

Only tokens that the noise left unchanged are learned and scored: noise tests the prediction of clean text
from a damaged context.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.data.corpus import Corpus
from lior.errors import UsageError

KINDS = ("letters", "edits", "digits")
"""Kinds of noise: lower-case letters replaced; letters inserted and bytes deleted; digits replaced."""

_BYTES = 256
_RANGES = {"letters": (97, 122), "digits": (48, 57)}

_CHUNK = 2048
_DAMAGED, _EDITED = 0.5, 0.2
"""Shares of the chunks of :func:`damage` with errors, and with insertions and deletions."""
_REPLACED_SHARE, _EDITED_SHARE = 0.1, 0.05


class NoisyText(NamedTuple):
    """A corpus with noise in a part of it."""

    corpus: Corpus
    end: int
    """End of the part in the corpus."""
    kept: Tensor | None
    """Mask of the part's unchanged tokens, boolean; ``None`` for a text without noise."""


def corrupt(corpus: Corpus, lo: int, hi: int, *, kind: str, share: float, generator: Generator) -> NoisyText:
    """Return ``corpus`` with noise in ``lo .. hi - 1``.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    share
        Share of the lower-case letters, or digits, replaced by random ones. For ``edits`` half of it is the
        share of bytes deleted, and as many letters are inserted.

    Raises
    ------
    UsageError
        When the tokens are not bytes.
    """
    tokens = corpus.tokens[lo:hi].long()
    if not _are_bytes(corpus):
        raise UsageError(
            "noise replaces bytes, and the tokens of this run are not bytes; use tokenizer bytes"
        )
    draw = torch.rand(len(tokens), generator=generator, device=tokens.device)
    kept = torch.ones_like(draw, dtype=torch.bool)
    if kind == "edits":
        return _edit(corpus, lo, hi, draw, share / 2, kept, generator)
    changed, kept = _replace(corpus, lo, hi, _RANGES[kind], draw < share, generator)
    return NoisyText(changed, hi, kept)


def damage(corpus: Corpus, lo: int, hi: int, *, generator: Generator) -> NoisyText:
    """Return ``corpus`` with errors in about half of ``lo .. hi - 1``, to learn from, in chunks of 2,048
    tokens.

    Most of these have a tenth of their lower-case letters and digits replaced. Some have a fortieth of
    their bytes deleted and as many letters inserted. If tokens are not bytes, a tenth of them is replaced
    by tokens from elsewhere in the text.
    """
    device = corpus.tokens.device
    pick = torch.rand(-(-(hi - lo) // _CHUNK), generator=generator, device=device)
    pick = pick.repeat_interleave(_CHUNK)[: hi - lo]
    draw = torch.rand(hi - lo, generator=generator, device=device)
    edited = (pick < _EDITED) & _are_bytes(corpus)
    hit = (pick < _DAMAGED) & (draw < _REPLACED_SHARE) & ~edited
    corpus, kept = substitute(corpus, lo, hi, hit, generator=generator)
    return _edit(corpus, lo, hi, draw.where(edited, 0.5), _EDITED_SHARE / 2, kept, generator)


def substitute(
    corpus: Corpus, lo: int, hi: int, hit: Tensor, *, generator: Generator
) -> tuple[Corpus, Tensor]:
    """Replace tokens of ``corpus`` at the places ``hit`` of ``lo .. hi - 1``, boolean ``(hi - lo,)``.

    Lower-case letters are replaced by such letters, digits by digits; other bytes stay. Tokens that are not
    bytes are replaced by tokens from elsewhere in the text.

    Returns
    -------
    tuple of Corpus and Tensor
        The corpus, and a mask of the unchanged tokens.
    """
    if not _are_bytes(corpus):
        other = torch.randint(hi, (hi - lo,), generator=generator, device=corpus.tokens.device)
        return _exchange(corpus, lo, hi, hit, corpus.tokens[other]), ~hit
    corpus, letters = _replace(corpus, lo, hi, _RANGES["letters"], hit, generator)
    corpus, digits = _replace(corpus, lo, hi, _RANGES["digits"], hit, generator)
    return corpus, letters & digits


def _are_bytes(corpus: Corpus) -> bool:
    return not len(corpus.tokens) or int(corpus.tokens.max()) < _BYTES


def _exchange(corpus: Corpus, lo: int, hi: int, hit: Tensor, other: Tensor) -> Corpus:
    noisy = torch.where(hit, other, corpus.tokens[lo:hi]).to(corpus.tokens.dtype)
    return attrs.evolve(corpus, tokens=torch.cat([corpus.tokens[:lo], noisy, corpus.tokens[hi:]]))


def _replace(
    corpus: Corpus, lo: int, hi: int, span: tuple[int, int], hit: Tensor, generator: Generator
) -> tuple[Corpus, Tensor]:
    """Replace bytes of ``span`` at ``hit`` by random bytes of it; returns also a mask of unchanged tokens."""
    tokens = corpus.tokens[lo:hi]
    hit = hit & (tokens >= span[0]) & (tokens <= span[1])
    other = torch.randint(span[0], span[1] + 1, (len(tokens),), generator=generator, device=tokens.device)
    return _exchange(corpus, lo, hi, hit, other), ~hit


def _edit(
    corpus: Corpus, lo: int, hi: int, draw: Tensor, share: float, kept: Tensor, generator: Generator
) -> NoisyText:
    """Delete bytes where ``draw`` is low, insert letters where it is high; ``kept`` masks other changes."""
    tokens = corpus.tokens[lo:hi]
    copies = torch.ones_like(draw, dtype=torch.int64)
    copies[draw < share] = 0
    copies[draw > 1 - share] = 2
    rows = torch.repeat_interleave(copies)
    inserted = torch.zeros(len(rows), dtype=torch.bool, device=tokens.device)
    inserted[1:] = rows[1:] == rows[:-1]
    letters = torch.randint(97, 123, (len(rows),), generator=generator, device=tokens.device)
    noisy = torch.where(inserted, letters, tokens[rows].long()).to(tokens.dtype)
    begins = torch.cat([copies.new_zeros(1), copies.cumsum(0)])
    starts = corpus.starts.clone()
    inside = (starts >= lo) & (starts <= hi)
    starts[inside] = lo + begins[starts[inside] - lo]
    starts[starts > hi] += len(noisy) - (hi - lo)
    changed = torch.cat([corpus.tokens[:lo], noisy, corpus.tokens[hi:]])
    corpus = attrs.evolve(corpus, tokens=changed, starts=starts)
    return NoisyText(corpus, lo + len(noisy), kept[rows] & ~inserted)
