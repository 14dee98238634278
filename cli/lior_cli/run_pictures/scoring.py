"""The cost of a sample of the validation text, by position and by class of token."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import attrs
import torch
from torch import Tensor

from lior.data.corpus import byte_lengths
from lior.errors import RunError
from lior.interfaces import Tokenizer
from lior.model.mixer import rows_at_once
from lior.plots.panels import BarChart, Curve, LeftOut, LineChart
from lior.runs.checkpoint import Checkpoint
from lior.runs.inspection import spread

CLASSES = ("lower case", "upper case", "digit", "space", "newline", "punctuation", "other")
"""Classes of tokens; ``other`` are control characters and all bytes beyond ASCII."""

Progress = Callable[[int, int], None]
"""Function to call before the first block and after each block with (tokens done, tokens)."""

_CHUNK, _BLOCK, _BINS = 128, 1024, 24
_LEAST_POINTS = 3
"""Minimum number of points of a curve that is shown."""
_LEAST_TOKENS = 10
"""Minimum number of tokens of an average, unless all have fewer."""


def class_of(data: bytes) -> int:
    """Return the class of a token with the bytes ``data``, an index into :data:`CLASSES`.

    It is the class of the first byte that is neither space nor newline, if there is one.

    >>> [CLASSES[class_of(data)] for data in (b"a", b" The", b" ", b"\\n ", b"!", b"\\xc3", b"")]
    ['lower case', 'upper case', 'space', 'newline', 'punctuation', 'other', 'other']
    """
    inner = data.strip(b" \t\r\n")
    if not inner:
        return 6 if not data else 4 if {*data} & {*b"\r\n"} else 3
    first = chr(inner[0])
    if not (first.isascii() and first.isprintable()):
        return 6
    return 0 if first.islower() else 1 if first.isupper() else 2 if first.isdigit() else 5


def classes_of(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return the class of each of ``tokens (N,)``, int64 ``(N,)``."""
    present, index = torch.unique(tokens, return_inverse=True)
    found = [class_of(tokenizer.decode([token])) for token in present.tolist()]
    return torch.tensor(found, dtype=torch.int64, device=tokens.device)[index]


@attrs.frozen(kw_only=True)
class ScoredTokens:
    """Tokens of the validation text and their cost; tensors ``(N,)``."""

    place: Tensor
    """Number of tokens of the validation text before each."""
    depth: Tensor
    """Number of tokens of its document before each."""
    nats: Tensor
    """``-log p``, float64."""
    bytes: Tensor
    kind: Tensor
    """Class of each."""
    total: int
    """Tokens of the validation text."""

    def bits_per_byte(self, rows: Tensor | slice = slice(None)) -> tuple[float, float]:
        """Return bits per byte and their standard error, for a ratio of means (W. Cochran, *Sampling
        Techniques*), of the tokens ``rows``."""
        nats, size = self.nats[rows], self.bytes[rows]
        total = float(size.sum())
        ratio = float(nats.sum()) / total
        residual = float((nats - ratio * size).square().sum())
        error = math.sqrt(residual * len(nats) / max(len(nats) - 1, 1)) / total
        return ratio / math.log(2), error / math.log(2)


def score(loaded: Checkpoint, count: int, progress: Progress) -> ScoredTokens:
    """Score about ``count`` tokens of the validation text, in chunks spread over all of it.

    Raises
    ------
    LeftOut
        When the run has no validation text.
    """
    try:
        corpus, lo, hi = loaded.validation()
    except RunError:
        raise LeftOut("the run has no validation text of its own") from None
    length = min(_CHUNK, count)
    places = spread(-(-(hi - lo) // length), count // length)
    begins = (lo + places * length).tolist()
    step = max(rows_at_once(_BLOCK, len(loaded.model.alphabet)) // length, 1)
    nats, positions = [], []
    progress(0, len(begins) * length)
    for i in range(0, len(begins), step):
        text, at = corpus.chunks(begins[i : i + step], length, hi, context=loaded.model.context)
        nats.append(-loaded.model.score(text, at).double())
        positions += [torch.arange(b, min(b + length, hi)) for b in begins[i : i + step]]
        progress(min((i + step) * length, len(begins) * length), len(begins) * length)
    where = torch.cat(positions).to(corpus.tokens.device)
    tokens = corpus.tokens[where].long()
    return ScoredTokens(
        place=where - lo,
        depth=corpus.depth(where),
        nats=torch.cat(nats),
        total=hi - lo,
        bytes=byte_lengths(tokens, loaded.model.tokenizer),
        kind=classes_of(tokens, loaded.model.tokenizer),
    )


def panels(scored: ScoredTokens) -> Iterator[LineChart | BarChart]:
    """Yield the cost along the validation text, by depth in the document if it varies, and by class."""
    bins = min(_BINS, max(len(scored.place) // _LEAST_TOKENS, 1))
    along = _curve(
        scored, scored.place * bins // scored.total, [(i + 0.5) * scored.total / bins for i in range(bins)]
    )
    yield LineChart(
        title="along the validation text",
        x_label="tokens since its beginning",
        y_label="bits per byte",
        curves=[along],
        levels={"all of it": scored.bits_per_byte()[0]},
    )
    group = (scored.depth + 1).double().log2().floor().long()
    by_depth = _curve(scored, group, [1.0, *(1.5 * 2**i for i in range(1, int(group.max()) + 1))])
    if len(by_depth.x) >= _LEAST_POINTS:
        yield LineChart(
            title="by depth in the document",
            x_label="token of the document, counted from 1",
            y_label="bits per byte",
            curves=[by_depth],
            log_x=True,
        )
    yield _by_class(scored)


def _curve(scored: ScoredTokens, group: Tensor, middles: Sequence[float]) -> Curve:
    """Return bits per byte of each group, at the middle of its positions."""
    counts = torch.bincount(group, minlength=len(middles))
    large = (counts >= min(_LEAST_TOKENS, int(counts.max()))).nonzero()[:, 0].tolist()
    found = [(middles[i], *scored.bits_per_byte(group == i)) for i in large]
    x, y, error = zip(*found, strict=True)
    return Curve(name="validation text", x=x, y=y, error=error)


def _by_class(scored: ScoredTokens) -> BarChart:
    counts = torch.bincount(scored.kind, minlength=len(CLASSES)).tolist()
    least = min(_LEAST_TOKENS, max(counts))
    present = [i for i, count in enumerate(counts) if count >= least]
    values, notes = [], []
    for rows in (scored.kind == i for i in present):
        values.append(scored.bits_per_byte(rows)[0])
        of_bytes = float(scored.bytes[rows].sum() / scored.bytes.sum())
        of_bits = float(scored.nats[rows].sum() / scored.nats.sum())
        notes.append(f"({of_bytes:.1%} of bytes, {of_bits:.1%} of bits)")
    return BarChart(
        title=f"by class of the token, where there are {least} or more",
        x_label="bits per byte",
        names=[CLASSES[i] for i in present],
        values=values,
        notes=notes,
    )
