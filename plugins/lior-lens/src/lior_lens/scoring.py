"""How near a corrected picture is to the wanted one: edges, lines, gradients, SSIM and colours, from 0 to 1.

The weights are those of the competition that the original was made for; what it scored by is not public.
Directions are shared between neighbouring bins, so the score does not depend on the bins' edges.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from lior.errors import DataError
from lior_lens.warp import reduced

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = {"edge": 0.40, "line": 0.22, "grad": 0.18, "ssim": 0.15, "mae": 0.05}
_SCALES = (1.0, 0.5)
_BINS = 36
_CANNY = 20, 51
Floats = NDArray[np.float32]


@attrs.frozen(kw_only=True)
class Limits:
    """Limits beyond which a picture scores 0."""

    regional: float = 0.45
    """Mean difference over any 64 x 64 pixels."""
    edge: float = 0.03
    """Least share of edges that agree."""
    flat: float = 0.002
    """Standard deviation below which a picture of something is empty."""


@attrs.frozen(kw_only=True)
class Score:
    """The score of a picture."""

    total: float
    parts: dict[str, float]
    failed: str = ""
    """Why it is worth nothing, if it is."""

    def table(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"total": self.total, **self.parts, "failed": self.failed or None}


def score(pred: NDArray[np.generic], target: NDArray[np.generic], limits: Limits | None = None) -> Score:
    """Score a picture ``[H, W, 3]`` of uint8, or of floats in [0, 1]; values beyond are cut off."""
    limits = limits or Limits()
    if pred.shape != target.shape:
        return Score(
            total=0.0, parts=dict.fromkeys(WEIGHTS, 0.0), failed=f"shape {pred.shape} is not {target.shape}"
        )
    a, b = _unit(pred), _unit(target)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Score(total=0.0, parts=dict.fromkeys(WEIGHTS, 0.0), failed="values that are not finite")
    first, second = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (a, b))
    parts = {
        "edge": _mean_over_scales(_edges, first, second),
        "line": _mean_over_scales(_lines, first, second),
        "grad": _mean_over_scales(_gradients, first, second),
        "ssim": ssim(first, second),
        "mae": 1 - float(np.abs(a - b).mean()),
    }
    total = float(np.clip(sum(WEIGHTS[name] * value for name, value in parts.items()), 0, 1))
    failed = ""
    difference = cv2.boxFilter(np.abs(a - b).mean(-1), -1, (64, 64), borderType=cv2.BORDER_REFLECT)
    if difference.max() > limits.regional:
        failed = f"a region differs by {difference.max():.2f}"
    elif parts["edge"] < limits.edge:
        failed = f"{100 * parts['edge']:.0f} % of the edges agree"
    elif second.std() > 0.02 and first.std() < limits.flat:
        failed = "empty"
    return Score(total=0.0 if failed else total, parts=parts, failed=failed)


def _unit(picture: NDArray[np.generic]) -> Floats:
    """Floats in [0, 1]; the type says what a value means, never the values."""
    if picture.dtype in (np.uint8, np.uint16):
        return picture.astype(np.float32) / np.float32(255 if picture.dtype == np.uint8 else 65535)
    return np.clip(picture.astype(np.float32), 0, 1)


def _mean_over_scales(part: Any, a: Any, b: Any) -> float:
    values = []
    for scale in _SCALES:
        if scale != 1:
            a, b = (reduced(x, scale) for x in (a, b))
        values.append(part(a, b, scale))
    return float(np.mean(values))


def _bytes(grey: Floats) -> NDArray[np.uint8]:
    return (grey * 255).round().astype(np.uint8)


def _edges(a: Floats, b: Floats, _: float) -> float:
    """Harmonic mean of the shares of each picture's edges that lie within a pixel of the other's."""
    found = [cv2.Canny(_bytes(each), *_CANNY) > 0 for each in (a, b)]
    if not found[0].any() or not found[1].any():
        return float(found[0].any() == found[1].any())
    wide = [cv2.dilate(each.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for each in found]
    precision = (found[0] & wide[1]).sum() / found[0].sum()
    recall = (found[1] & wide[0]).sum() / found[1].sum()
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def _gradients(a: Floats, b: Floats, _: float) -> float:
    """Likeness of the histograms of gradients' directions, weighed by their size."""
    return _alike(*(_directions(each) for each in (a, b)))


def _directions(grey: Floats) -> Floats:
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)  # noise has a direction too, but no say
    gx, gy = (
        cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, borderType=cv2.BORDER_REPLICATE)
        for order in ((1, 0), (0, 1))
    )
    size = np.hypot(gx, gy)
    keep = size >= np.quantile(size, 0.1)
    return _share(np.arctan2(gy[keep], gx[keep]), np.maximum(size[keep] - 0.02, 0))


def _lines(a: Floats, b: Floats, scale: float) -> float:
    """Likeness of the histograms of straight pieces' directions, weighed by their length."""
    return _alike(*(_segments(each, scale) for each in (a, b)))


def _segments(grey: Floats, scale: float) -> Floats:
    edges = cv2.Canny(_bytes(grey), *_CANNY)
    least, gap = max(4, round(12 * scale)), max(1, round(6 * scale))
    found = cv2.HoughLinesP(edges, 1, np.pi / 180, 24, minLineLength=least, maxLineGap=gap)
    if found is None or not len(found):
        return np.zeros(_BINS, np.float32)
    d = found.reshape(-1, 4)[:, 2:].astype(np.float32) - found.reshape(-1, 4)[:, :2]
    histogram = _share(np.arctan2(d[:, 1], d[:, 0]), np.hypot(d[:, 0], d[:, 1]))
    around = np.concatenate([histogram[-6:], histogram, histogram[:6]])[None]
    return cv2.GaussianBlur(around, (0, 0), 1.25)[0, 6:-6]


def _share(angle: Floats, weight: Floats) -> Floats:
    """Histogram of directions modulo 180°, each shared by the two nearest centres, the first at 0°."""
    place = angle / np.pi * _BINS % _BINS
    lower = np.floor(place)
    share = place - lower
    index = lower.astype(int) % _BINS
    return (
        np.bincount(index, weight * (1 - share), _BINS)
        + np.bincount((index + 1) % _BINS, weight * share, _BINS)
    ).astype(np.float32)


def _alike(a: Floats, b: Floats) -> float:
    """Mean of cosine and Bhattacharyya's coefficient of two histograms; two empty ones are alike."""
    if a.sum() <= 0 or b.sum() <= 0:
        return float((a.sum() <= 0) == (b.sum() <= 0))
    p, q = a / a.sum(), b / b.sum()
    cosine = float(p @ q / np.sqrt((p @ p) * (q @ q)))
    return min(1.0, (cosine + float(np.sqrt(p * q).sum())) / 2)


def ssim(a: Floats, b: Floats) -> float:
    """Mean structural similarity with a uniform 7 x 7 window and unbiased variances (Wang et al. 2004)."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    window = min(7, *x.shape)
    window -= 1 - window % 2

    def mean(z: Any) -> Any:
        inner = window // 2
        found = cv2.boxFilter(z, -1, (window, window), borderType=cv2.BORDER_REFLECT)
        return found[inner : z.shape[0] - inner, inner : z.shape[1] - inner]

    unbiased = window**2 / max(window**2 - 1, 1)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (
        unbiased * (mean(p * q) - m * n) for p, q, m, n in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
    )
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(value.mean())


def score_files(pred: Path, target: Path) -> Score:
    """Score a file against another; a file that cannot be read is worth nothing."""
    from lior_lens import images

    try:
        return score(images.read(pred).upright(), images.read(target).upright())
    except DataError as error:
        return Score(total=0.0, parts=dict.fromkeys(WEIGHTS, 0.0), failed=str(error))


def proxy(pred: Tensor, target: Tensor) -> dict[str, float]:
    """For ``proxy.module``: the mean score of a batch ``[B, 3, H, W]``."""
    pairs = zip(pred.permute(0, 2, 3, 1).numpy(), target.permute(0, 2, 3, 1).numpy(), strict=True)
    found = [score(a, b) for a, b in pairs]
    parts = {f"score_{name}": float(np.mean([each.parts[name] for each in found])) for name in WEIGHTS}
    return {"score": float(np.mean([each.total for each in found]))} | parts
