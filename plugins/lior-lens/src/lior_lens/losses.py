"""The loss: endpoint errors if the true lens is known, picture losses if only a target is, and regularity.

All terms are computed in float32. Terms with weight 0 are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from lior.config import option
from lior.errors import UsageError

REGULAR = ("flow_tv_weight", "flow_mag_weight", "flow_curv_weight", "jacobian_weight")
"""Weights that stage 1, without a flow, must leave at 0."""
_LUMA = (0.299, 0.587, 0.114)
_ROUNDED = 1e-3
"""Rounding of the absolute value of colour differences, Charbonnier's eps."""
_MARGIN = 0.15
"""Smallest determinant without a penalty (chosen by hand)."""
_SCALES = (1.0, 0.5)
"""Sizes at which pictures are compared."""


@attrs.frozen(kw_only=True)
class LossConfig:
    """The weights of the loss."""

    epe_weight: float = option(
        20.0, help="of the endpoint error in half-diagonals, where the lens is known", low=0
    )
    doubt_weight: float = option(0.05, help="of how well the expected error fits the true one", low=0)
    pixel_weight: float = option(0.0, help="of differences of colours", low=0)
    ssim_weight: float = option(0.0, help="of 1 - SSIM", low=0)
    edge_weight: float = option(0.0, help="of differences of gradients' sizes", low=0)
    grad_orient_weight: float = option(0.0, help="of differences of gradients' directions", low=0)
    line_weight: float = option(0.0, help="of differences of the histograms of directions", low=0)
    flow_tv_weight: float = option(0.0, help="of the flow's total variation", low=0)
    flow_mag_weight: float = option(0.0, help="of the flow's size", low=0)
    flow_curv_weight: float = option(0.0, help="of the flow's second differences", low=0)
    jacobian_weight: float = option(0.0, help="of places where the map is squeezed", low=0)

    @property
    def compares_pictures(self) -> bool:
        """Whether corrected pictures are needed."""
        return any(getattr(self, f"{name}_weight") for name in _PICTURES)


# --- pictures: [B, 3, H, W] in [0, 1]; mask [B, 1, H, W] is 1 where the correction shows the photograph ---


def pixel(pred: Tensor, target: Tensor) -> Tensor:
    """Mean of ``sqrt(d² + eps²) - eps``, an absolute difference that is smooth at 0 (Charbonnier)."""
    return ((pred - target).square() + _ROUNDED * _ROUNDED).sqrt().mean() - _ROUNDED


def ssim(pred: Tensor, target: Tensor, *, window: int = 11) -> Tensor:
    """``1 - SSIM`` with a uniform window within the picture (Wang et al. 2004), at least 0."""
    window = min(window, *pred.shape[-2:])

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, window, 1)

    a, b = mean(pred), mean(target)
    # variances of differences to the means are at least 0 but for rounding
    aa, bb = (mean(x * x) - m * m for x, m in ((pred, a), (target, b)))
    ab = mean(pred * target) - a * b
    c1, c2 = 0.01**2, 0.03**2
    value = (
        (2 * a * b + c1) * (2 * ab + c2) / ((a * a + b * b + c1) * (aa.clamp(min=0) + bb.clamp(min=0) + c2))
    )
    return (1 - value.mean()).clamp(min=0)


def sobel(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients along x and y of every channel, of the same size, per pixel."""
    channels = picture.shape[1]
    kernel = (
        torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=picture.dtype, device=picture.device) / 8
    )
    both = torch.stack([kernel, kernel.T])[:, None].repeat(channels, 1, 1, 1)
    found = functional.conv2d(functional.pad(picture, (1, 1, 1, 1), "replicate"), both, groups=channels)
    return found[:, 0::2], found[:, 1::2]


def _size(gx: Tensor, gy: Tensor) -> Tensor:
    return (gx * gx + gy * gy + 1e-8).sqrt()


def edge(pred: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the gradients' sizes."""
    return (_size(*sobel(pred)) - _size(*sobel(target))).abs().mean()


def orientation(pred: Tensor, target: Tensor) -> Tensor:
    """``1 - cos`` of the angle between gradients, weighed by the target's, at most 5 times its mean."""
    (px, py), (tx, ty) = sobel(pred), sobel(target)
    strength = _size(tx, ty)
    weight = (strength / strength.mean().clamp(min=1e-6)).clamp(max=5)
    cosine = (px * tx + py * ty) / (_size(px, py) * strength)
    flat = strength < 1e-3  # what has no direction has no wrong one
    return (weight * (1 - cosine)).masked_fill(flat, 0).mean()


def directions(pred: Tensor, target: Tensor, *, bins: int = 36) -> Tensor:
    """``1 - cos`` between histograms of the directions, modulo 180°, of the target's edges."""
    luma = torch.tensor(_LUMA, dtype=pred.dtype, device=pred.device)[None, :, None, None]
    (px, py), (tx, ty) = (sobel((each * luma).sum(1, keepdim=True)) for each in (pred, target))
    strength = _size(tx, ty).flatten(1)
    level = strength.kthvalue(max(1, int(0.7 * strength.shape[1])), 1, keepdim=True).values
    mask = torch.sigmoid((strength - level) / 0.006)
    first, second = (_histogram(gx.flatten(1), gy.flatten(1), mask, bins) for gx, gy in ((px, py), (tx, ty)))
    return (1 - functional.cosine_similarity(first, second, dim=1)).mean()


def _histogram(gx: Tensor, gy: Tensor, mask: Tensor, bins: int) -> Tensor:
    """Weights of directions ``[B, bins]``, each shared between the two nearest centres."""
    # atan2 has no gradient at 0, and flat places have no weight
    safe = (gx.abs() + gy.abs()) > 1e-6
    angle = torch.atan2(torch.where(safe, gy, 0), torch.where(safe, gx, 1))
    place = angle / math.pi * bins % bins
    lower = place.floor()
    share = place - lower
    weight = _size(gx, gy) * mask
    index = lower.long() % bins
    empty = torch.zeros(len(gx), bins, dtype=gx.dtype, device=gx.device)
    return empty.scatter_add(1, index, weight * (1 - share)).scatter_add(
        1, (index + 1) % bins, weight * share
    )


_PICTURES: dict[str, Callable[..., Tensor]] = {
    "pixel": pixel,
    "ssim": ssim,
    "edge": edge,
    "grad_orient": orientation,
    "line": directions,
}


def multiscale(loss: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Tensor:
    """Mean of a loss over sizes of the pictures."""
    total = pred.new_zeros(())
    for scale in _SCALES:
        if scale == 1:
            total = total + loss(pred, target)
            continue
        size = [max(8, round(side * scale)) for side in pred.shape[-2:]]
        both = (
            functional.interpolate(each, size, mode="bilinear", antialias=True) for each in (pred, target)
        )
        total = total + loss(*both)
    return total / len(_SCALES)


# --- flows: [B, 2, rows, columns] in half-diagonals ---


def variation(flow: Tensor) -> Tensor:
    """Mean size of the differences between neighbouring nodes."""
    return _size(*flow.diff(dim=3).unbind(1)).mean() + _size(*flow.diff(dim=2).unbind(1)).mean() - 2e-4


def magnitude(flow: Tensor) -> Tensor:
    """Mean length."""
    return _size(*flow.unbind(1)).mean() - 1e-4


def curvature(flow: Tensor) -> Tensor:
    """Mean size of second differences."""
    return variation(torch.cat([flow.diff(dim=3)[:, :, :-1], flow.diff(dim=2)[..., :-1]], 0))


def squeeze(gx: Tensor, gy: Tensor, *, spacing: tuple[float, float]) -> Tensor:
    """Mean of ``0.15 - det J`` where positive, of a map ``[B, rows, columns]`` with that spacing."""
    return (_MARGIN - determinant(gx, gy, spacing)).clamp(min=0).mean()


def determinant(gx: Tensor, gy: Tensor, spacing: tuple[float, float]) -> Tensor:
    """``det J`` by differences, ``[B, rows - 1, columns - 1]``."""
    xx, yx = (g.diff(dim=2)[:, :-1] / spacing[0] for g in (gx, gy))
    xy, yy = (g.diff(dim=1)[:, :, :-1] / spacing[1] for g in (gx, gy))
    return xx * yy - xy * yx


# --- the sum ---


def composite(config: LossConfig, terms: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its parts.

    Parameters
    ----------
    terms
        What there is: ``error`` ``[B]`` (endpoint error in half-diagonals) and ``doubt`` ``[B]``; ``pred``
        and ``target`` pictures; ``flow``; ``map``: gx, gy and their spacing.

    Returns
    -------
    total, parts
        Of every part with a weight its value, and ``<name>_weighted``.
    """
    values: dict[str, Tensor] = {}
    if "error" in terms:
        error = terms["error"]
        values["epe"] = error.mean()
        if config.doubt_weight:
            doubt = terms["doubt"]
            # the likelihood of a Laplace density; the error itself learns nothing from it
            values["doubt"] = (error.detach() / doubt.exp() + doubt).mean()
    if "pred" in terms:
        for name, loss in _PICTURES.items():
            if getattr(config, f"{name}_weight"):
                values[name] = multiscale(loss, terms["pred"], terms["target"])
    flow = terms.get("flow")
    if flow is not None:
        for name, of_flow in (("flow_tv", variation), ("flow_mag", magnitude), ("flow_curv", curvature)):
            if getattr(config, f"{name}_weight"):
                values[name] = of_flow(flow)
    if "map" in terms and config.jacobian_weight:
        gx, gy, spacing = terms["map"]
        values["jacobian"] = squeeze(gx, gy, spacing=spacing)
    weighted = {
        f"{name}_weighted": getattr(config, f"{name}_weight") * value for name, value in values.items()
    }
    if not weighted:
        raise UsageError("every loss has the weight 0; give one of them a weight")
    return torch.stack(list(weighted.values())).sum(), values | weighted
