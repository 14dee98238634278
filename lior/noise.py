"""Text with errors: how much a model loses when what it reads is not clean.

Only the bytes that the noise left alone are scored, so that a figure says how
well clean text is predicted from a damaged past.
"""

from __future__ import annotations

import attrs
import torch
from torch import Generator, Tensor

from lior.corpus import Corpus
from lior.errors import UsageError

KINDS = ("letters", "edits", "digits")
"""Lower-case letters replaced; letters inserted and bytes deleted; digits replaced."""

_BYTES = 256


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
    if len(corpus.tokens) and int(corpus.tokens.max()) >= _BYTES:
        raise UsageError("noise is made of bytes, and this run's tokens are not bytes; use tokenizer bytes")
    draw = torch.rand(len(tokens), generator=generator, device=tokens.device)
    if kind == "edits":
        return _edited(corpus, lo, hi, draw, share / 2, generator)
    first, last = (97, 122) if kind == "letters" else (48, 57)
    hit = (tokens >= first) & (tokens <= last) & (draw < share)
    other = torch.randint(first, last + 1, (len(tokens),), generator=generator, device=tokens.device)
    noisy = torch.where(hit, other, tokens).to(corpus.tokens.dtype)
    changed = torch.cat([corpus.tokens[:lo], noisy, corpus.tokens[hi:]])
    return attrs.evolve(corpus, tokens=changed), hi, ~hit


def _edited(
    corpus: Corpus, lo: int, hi: int, draw: Tensor, share: float, generator: Generator
) -> tuple[Corpus, int, Tensor]:
    """Bytes deleted where ``draw`` is low, letters inserted where it is high."""
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
    return attrs.evolve(corpus, tokens=changed, starts=starts), lo + len(noisy), ~inserted
