"""Text with errors: to learn how such text is read, and to measure what it costs.

Only the tokens that the noise left alone are learned from and scored: the
question is how well clean text is predicted from a damaged past.
"""

from __future__ import annotations

import attrs
import torch
from torch import Generator, Tensor

from lior.data.corpus import Corpus
from lior.errors import UsageError

KINDS = ("letters", "edits", "digits")
"""Lower-case letters replaced; letters inserted and bytes deleted; digits replaced."""

_BYTES = 256
_RANGES = {"letters": (97, 122), "digits": (48, 57)}

_STRETCH = 2048
_DAMAGED, _EDITED = 0.5, 0.2
"""Shares of the stretches to learn from that are damaged, and that are so by insertions and deletions."""
_REPLACED_SHARE, _EDITED_SHARE = 0.1, 0.05


def corrupt(
    corpus: Corpus, lo: int, hi: int, *, kind: str, share: float, generator: Generator
) -> tuple[Corpus, int, Tensor]:
    """``corpus`` with noise in ``lo .. hi - 1``.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    share
        Share of the lower-case letters, or digits, replaced by random ones; for ``edits`` half of it is the
        share of bytes deleted, and as many letters are inserted.

    Returns
    -------
    tuple of Corpus, int and Tensor
        The corpus, where the part ends in it, and which of its tokens are as they were, boolean.

    Raises
    ------
    UsageError
        When the tokens are not bytes.
    """
    tokens = corpus.tokens[lo:hi].long()
    if not _are_bytes(corpus):
        raise UsageError("noise is made of bytes, and this run's tokens are not bytes; use tokenizer bytes")
    draw = torch.rand(len(tokens), generator=generator, device=tokens.device)
    kept = torch.ones_like(draw, dtype=torch.bool)
    if kind == "edits":
        return _edited(corpus, lo, hi, draw, share / 2, kept, generator)
    changed, kept = _replaced(corpus, lo, hi, _RANGES[kind], draw < share, generator)
    return changed, hi, kept


def damage(corpus: Corpus, lo: int, hi: int, *, generator: Generator) -> tuple[Corpus, int, Tensor]:
    """``corpus`` with about half of ``lo .. hi - 1`` damaged, to learn from, in stretches of 2,048 tokens.

    Most of these have a tenth of their lower-case letters and digits replaced, some have a fortieth of their
    bytes deleted and as many letters inserted. Where tokens are not bytes, a tenth of them becomes others of
    the text.

    Returns
    -------
    tuple of Corpus, int and Tensor
        As of :func:`corrupt`.
    """
    device = corpus.tokens.device
    pick = torch.rand(-(-(hi - lo) // _STRETCH), generator=generator, device=device)
    pick = pick.repeat_interleave(_STRETCH)[: hi - lo]
    draw = torch.rand(hi - lo, generator=generator, device=device)
    edited = (pick < _EDITED) & _are_bytes(corpus)
    hit = (pick < _DAMAGED) & (draw < _REPLACED_SHARE) & ~edited
    corpus, kept = substitute(corpus, lo, hi, hit, generator=generator)
    return _edited(corpus, lo, hi, draw.where(edited, 0.5), _EDITED_SHARE / 2, kept, generator)


def substitute(
    corpus: Corpus, lo: int, hi: int, hit: Tensor, *, generator: Generator
) -> tuple[Corpus, Tensor]:
    """``corpus`` with other tokens at the places of ``lo .. hi - 1`` that are ``hit``, boolean.

    Letters stand for lower-case letters, digits for digits, and other bytes stay; where tokens are not bytes,
    others of the text stand for all.

    Returns
    -------
    tuple of Corpus and Tensor
        The corpus, and which of the tokens are as they were.
    """
    if not _are_bytes(corpus):
        other = torch.randint(hi, (hi - lo,), generator=generator, device=corpus.tokens.device)
        return _exchanged(corpus, lo, hi, hit, corpus.tokens[other]), ~hit
    corpus, letters = _replaced(corpus, lo, hi, _RANGES["letters"], hit, generator)
    corpus, digits = _replaced(corpus, lo, hi, _RANGES["digits"], hit, generator)
    return corpus, letters & digits


def _are_bytes(corpus: Corpus) -> bool:
    return not len(corpus.tokens) or int(corpus.tokens.max()) < _BYTES


def _exchanged(corpus: Corpus, lo: int, hi: int, hit: Tensor, other: Tensor) -> Corpus:
    noisy = torch.where(hit, other, corpus.tokens[lo:hi]).to(corpus.tokens.dtype)
    return attrs.evolve(corpus, tokens=torch.cat([corpus.tokens[:lo], noisy, corpus.tokens[hi:]]))


def _replaced(
    corpus: Corpus, lo: int, hi: int, span: tuple[int, int], hit: Tensor, generator: Generator
) -> tuple[Corpus, Tensor]:
    """Random bytes of ``span`` for those in it that are ``hit``; and which tokens are as they were."""
    tokens = corpus.tokens[lo:hi]
    hit = hit & (tokens >= span[0]) & (tokens <= span[1])
    other = torch.randint(span[0], span[1] + 1, (len(tokens),), generator=generator, device=tokens.device)
    return _exchanged(corpus, lo, hi, hit, other), ~hit


def _edited(
    corpus: Corpus, lo: int, hi: int, draw: Tensor, share: float, kept: Tensor, generator: Generator
) -> tuple[Corpus, int, Tensor]:
    """Bytes deleted where ``draw`` is low, letters inserted where it is high; ``kept`` follows them."""
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
    return attrs.evolve(corpus, tokens=changed, starts=starts), lo + len(noisy), kept[rows] & ~inserted
