"""What a sample of the validation text costs, by position and by class of token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor

from lior.errors import RunError
from lior.model.evaluation import byte_lengths
from lior.model.language_model import rows_at_once
from lior.plots.classes import CLASSES, classes_of
from lior.plots.panels import Bars, Curve, LeftOut, Lines
from lior.runs.inspection import spread
from lior.runs.stored import Loaded

_STRETCH, _BLOCK, _BINS = 128, 1024, 24
_FEWEST = 3
"""Points that make a curve."""
_FEWEST_TOKENS = 10
"""Tokens that make an average."""

Tick = Callable[[int, int], None]
"""Called before the first block and after every one with (tokens done, tokens)."""


@attrs.frozen(kw_only=True)
class Scored:
    """Tokens of the validation text and their cost; tensors ``(N,)``."""

    place: Tensor
    """How many tokens of the validation text come before."""
    depth: Tensor
    """How many tokens of its document come before."""
    nats: Tensor
    """``-log p``, float64."""
    bytes: Tensor
    kind: Tensor
    """Class of the token."""
    total: int
    """Tokens of the validation text."""


def score(loaded: Loaded, count: int, tick: Tick) -> Scored:
    """Score about ``count`` tokens of the validation text, in stretches spread all over it.

    Raises
    ------
    LeftOut
        When the run has no validation text.
    """
    try:
        corpus, lo, hi = loaded.validation()
    except RunError:
        raise LeftOut("the run has no validation text of its own") from None
    length = min(_STRETCH, count)
    places = spread(-(-(hi - lo) // length), count // length)
    begins = (lo + places * length).tolist()
    step = max(rows_at_once(_BLOCK, len(loaded.model.alphabet)) // length, 1)
    nats, positions = [], []
    tick(0, len(begins) * length)
    for i in range(0, len(begins), step):
        text, at = corpus.chunks(begins[i : i + step], length, hi, context=loaded.model.context)
        nats.append(-loaded.model.score(text, at).double())
        positions += [torch.arange(b, min(b + length, hi)) for b in begins[i : i + step]]
        tick(min((i + step) * length, len(begins) * length), len(begins) * length)
    where = torch.cat(positions).to(corpus.tokens.device)
    tokens = corpus.tokens[where].long()
    return Scored(
        place=where - lo, depth=corpus.depth(where), nats=torch.cat(nats), total=hi - lo,
        bytes=byte_lengths(tokens, loaded.model.tokenizer), kind=classes_of(tokens, loaded.model.tokenizer),
    )  # fmt: skip


def panels(scored: Scored) -> list[Lines | Bars]:
    """Cost along the validation text, by depth in the document where that varies, and by class."""
    along = _along(scored)
    deep = _by_depth(scored)
    return [along, *([deep] if len(deep.curves[0].x) >= _FEWEST else []), _by_class(scored)]


def _along(scored: Scored) -> Lines:
    bins = min(_BINS, max(len(scored.place) // _FEWEST_TOKENS, 1))
    group = scored.place * bins // scored.total
    middles = [(i + 0.5) * scored.total / bins for i in range(bins)]
    return Lines(
        title="along the validation text",
        x_label="tokens since its beginning",
        y_label="bits per byte",
        curves=[_curve(scored, group, middles)],
        levels={"all of it": _bits(scored.nats, scored.bytes)[0]},
    )


def _by_depth(scored: Scored) -> Lines:
    group = (scored.depth + 1).double().log2().floor().long()
    middles = [1.0, *(1.5 * 2**i for i in range(1, int(group.max()) + 1))]
    return Lines(
        title="by depth in the document",
        x_label="token of the document, counted from 1",
        y_label="bits per byte",
        curves=[_curve(scored, group, middles)],
        log_x=True,
    )


def _by_class(scored: Scored) -> Bars:
    counts = torch.bincount(scored.kind, minlength=len(CLASSES)).tolist()
    least = min(_FEWEST_TOKENS, max(counts))
    present = [i for i, count in enumerate(counts) if count >= least]
    own = [scored.kind == i for i in present]
    shares = [
        (
            float(scored.bytes[rows].sum() / scored.bytes.sum()),
            float(scored.nats[rows].sum() / scored.nats.sum()),
        )
        for rows in own
    ]
    bits = [_bits(scored.nats[rows], scored.bytes[rows])[0] for rows in own]
    return Bars(
        title=f"by class of the token, where there are {least} or more",
        x_label="bits per byte",
        names=[CLASSES[i] for i in present],
        values=bits,
        notes=[
            f"{b:.2f}  ({m:.1%} of bytes, {c:.1%} of bits)" for b, (m, c) in zip(bits, shares, strict=True)
        ],
    )


def _curve(scored: Scored, group: Tensor, middles: Sequence[float]) -> Curve:
    """Bits per byte of each group that has tokens enough for an average."""
    counts = torch.bincount(group, minlength=len(middles))
    found = [
        (middles[i], *_bits(scored.nats[group == i], scored.bytes[group == i]))
        for i in (counts >= min(_FEWEST_TOKENS, int(counts.max()))).nonzero()[:, 0].tolist()
    ]
    x, y, error = zip(*found, strict=True)
    return Curve(name="validation text", x=x, y=y, error=error)


def _bits(nats: Tensor, size: Tensor) -> tuple[float, float]:
    """Bits per byte and its standard error, that of a ratio of means (W. Cochran, *Sampling Techniques*)."""
    total = float(size.sum())
    ratio = float(nats.sum()) / total
    residual = float((nats - ratio * size).square().sum())
    error = math.sqrt(residual * len(nats) / max(len(nats) - 1, 1)) / total
    return ratio / math.log(2), error / math.log(2)
