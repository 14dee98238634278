"""References for the score of a model: the unigram and an interpolated n-gram of order 4.

The n-gram is modified Kneser–Ney (S. F. Chen and J. Goodman, *An empirical study of smoothing techniques for
language modeling*, 1999): counts for the longest contexts, continuation counts for shorter ones, discounts
estimated from the counts of counts. Both are trained on the same text as the model, with the same share for
tokens that are not in it.
"""

from __future__ import annotations

import math
from itertools import pairwise

import attrs
import torch
from torch import Tensor

from lior.data.corpus import Corpus, gather_contexts
from lior.interfaces import Text
from lior.model import kneser_ney
from lior.model.kneser_ney import TOKEN_BITS, CountTable

ORDER = 4

_BLOCK = 65536


@attrs.frozen
class Baseline:
    """Nats per token of the references on the validation text."""

    unigram: float
    order4: float

    def bits(self, tokens_per_byte: float) -> dict[str, float]:
        """Return both in bits per byte, by name."""
        scale = tokens_per_byte / math.log(2)
        return {"unigram": self.unigram * scale, "order4": self.order4 * scale}


def measure(corpus: Corpus, train: int, end: int, *, vocab: int) -> Baseline:
    """Train the references on the first ``train`` tokens and score the others up to ``end``."""
    return Baseline(*nats_per_token(corpus, train, end, vocab=vocab, order=ORDER))


@torch.no_grad()
def nats_per_token(corpus: Corpus, train: int, end: int, *, vocab: int, order: int) -> tuple[float, float]:
    """Return nats per token of ``train .. end - 1`` under the unigram and the n-gram of the tokens before
    ``train``.

    Parameters
    ----------
    order
        Maximum context of the n-gram in tokens, at least 1.
    """
    tables = _tables(corpus, train, order)
    discounts = [kneser_ney.estimated_discounts(table.counts) for table in tables]
    seen = torch.bincount(corpus.tokens[:train].long(), minlength=vocab)
    alphabet = seen.nonzero()[:, 0]
    unseen = vocab - len(alphabet)
    share = float(kneser_ney.unseen_share(seen))
    nats = torch.zeros(2, dtype=torch.float64, device=alphabet.device)
    for begin in range(train, end, _BLOCK):
        text, start = corpus.text(begin, min(begin + _BLOCK, end), context=order)
        target = text.tokens[start:].long()
        p = torch.full((len(target),), 1.0 / len(alphabet), dtype=torch.float64, device=target.device)
        for where, table, taken in zip(_contexts(text, start, order), tables, discounts, strict=True):
            p = kneser_ney.smooth(table, taken, where, target, p)
        both = torch.stack([seen[target].double() / train, p])
        hit = torch.where(seen[target] > 0, (1 - share) * both, share / max(unseen, 1))
        nats -= hit.log().sum(1)
    unigram_nats, ngram_nats = (nats / max(end - train, 1)).tolist()
    return unigram_nats, ngram_nats


def _contexts(text: Text, start: int, order: int) -> list[Tensor]:
    """Return a 46-bit hash of the last ``0 .. order`` tokens before each position from ``start`` on."""
    places = torch.arange(start, len(text.tokens), device=text.tokens.device)
    lags = gather_contexts(text.tokens, places, text.depth[places], order, 1 << TOKEN_BITS)
    found = [torch.zeros_like(places)]
    for token in lags.unbind(1):
        h = (found[-1] + token + 1) * -7046029254386353131  # 2^64 / the golden ratio, as a signed number
        found.append((h ^ (h >> 29)) & ((1 << 46) - 1))
    return found


def _tables(corpus: Corpus, train: int, order: int) -> list[CountTable]:
    """Return the counters of each length of context: counts of the longest, continuation counts of others."""
    keys: list[list[Tensor]] = []
    for begin in range(0, train, _BLOCK):
        text, start = corpus.text(begin, min(begin + _BLOCK, train), context=order)
        keys.append([where << TOKEN_BITS | text.tokens[start:] for where in _contexts(text, start, order)])
    orders = [torch.cat(column) for column in zip(*keys, strict=True)]
    lower = [kneser_ney.continuations(a, b) for a, b in pairwise(orders)]
    return [*lower, kneser_ney.tally(orders[-1])]
