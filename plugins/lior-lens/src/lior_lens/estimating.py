"""From a photograph to its correction: the sources of the lens, their order, and when nothing is done.

A given lens, or lensfun's profile for the EXIF, is used unchanged. Otherwise the lens is estimated from the
lines of the photograph, with the network's estimate as an optional prior. A photograph is left alone if the
estimate is not sure. Every correction is made safe: without the flow, then nearer to the identity, in the end
the identity itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from lior_lens import lines
from lior_lens.arcs import Arcs, find_arcs
from lior_lens.geometry import Lens, Size
from lior_lens.lines import Belief, Verdict
from lior_lens.trust import Trust
from lior_lens.warp import Correction, Flow, in_frame, safety

if TYPE_CHECKING:
    from lior_lens.runs import LensModel

_SMALLEST = 32
"""Pictures with a shorter side are left alone."""
_STEPS = 12
_DOUBTED, _LEAST = 2.0, 0.02
"""Factor of the network's expected error (on photographs of its training it was off by 1.35 of its spread),
and the least spread that it is believed."""
_TO_STRENGTH = 2.6
"""Corner's displacement for a mean endpoint error of 1: the mean of r³ over a 3:2 picture is 0.385."""


@attrs.frozen(kw_only=True, eq=False)
class Estimate:
    """The lens to correct a photograph by, and why."""

    lens: Lens
    how: str
    """``given``, ``profile``, ``lines``, ``network``, ``both``, ``camera`` or ``none``."""
    words: str
    sure: bool = True
    """Whether it is better than nothing."""
    flow: Flow | None = None
    verdict: Verdict | None = None
    arcs: Arcs | None = None
    """The edges that were judged."""
    photographs: int = 1
    """How many were judged together."""
    share: float = 1.0
    """The share of the lens that is corrected (:attr:`lior_lens.lines.Verdict.share`)."""
    birge: float = 1.0
    """The Birge ratio of the photographs alone (:func:`lior_lens.profiles.birge`)."""

    @property
    def careful(self) -> Lens:
        """What is corrected."""
        return self.lens.blended(self.share)


@attrs.frozen(kw_only=True, eq=False)
class Safe:
    """A correction that may be used."""

    correction: Correction
    how: str
    """``as it is``, ``without flow``, ``weakened to N %`` or ``identity``."""


def estimate(
    picture: NDArray[np.uint8], model: LensModel | None = None, trust: Trust | None = None
) -> Estimate:
    """Judge an upright picture ``[height, width, 3]`` by its lines and, where there is one, by a network."""
    if min(picture.shape[:2]) < _SMALLEST:
        small = "x".join(map(str, picture.shape[1::-1]))
        return Estimate(lens=Lens(), how="none", words=f"{small} pixels are too few to judge", sure=False)
    found = find_arcs(picture)
    belief, _, flow = (None, None, None) if model is None else propose(picture, model)
    verdict = lines.judge(found, belief, trust=trust)
    flow = flow if verdict.sure else None
    how = "lines" if model is None else ("both" if len(found) else "network")
    return Estimate(
        lens=verdict.lens,
        how=how,
        words=verdict.words,
        sure=verdict.sure,
        flow=flow,
        verdict=verdict,
        arcs=found,
        share=verdict.share,
    )


def propose(picture: NDArray[np.uint8], model: LensModel) -> tuple[Belief, Lens, Flow | None]:
    """The network's lens of a picture of any size, and the belief that comes of it."""
    import torch

    from lior_lens import data
    from lior_lens.network import lens_of

    size = Size(width=picture.shape[1], height=picture.shape[0])
    shown = data.sized((size.width, size.height), model.config.data.long_side)
    small = cv2.resize(picture, (shown.width, shown.height), interpolation=cv2.INTER_AREA)
    found = model.predict(torch.from_numpy(data.batched([small])))
    lens = lens_of(found.params[0])
    flow = None if found.flow is None else Flow.bounded(found.flow[0].double().numpy(), size)
    error = float(found.doubt[0].exp())
    belief = Belief(strength=lines.strength_of(lens), spread=max(_LEAST, _DOUBTED * _TO_STRENGTH * error))
    return belief, lens, flow


def safe(lens: Lens, size: Size, *, flow: Flow | None = None, frame: str = "crop") -> Safe:
    """The first that is safe and fits the frame: all of it, without the flow, weaker, the identity."""
    tries: list[tuple[str, Lens, Flow | None]] = [("as it is", lens, flow)]
    if flow is not None:
        tries.append(("without flow", lens, None))
    low, high = 0.0, 1.0
    for how, each, residual in tries:
        made = _frame(each, size, residual, frame)
        if made is not None:
            return Safe(correction=made, how=how)
    best: Correction | None = None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        made = _frame(lens.blended(middle), size, None, frame)
        if made is None:
            high = middle
        else:
            low, best = middle, made
    if best is None or round(100 * low) == 0:
        return Safe(correction=Correction(lens=Lens(), size=size), how="identity")
    return Safe(correction=best, how=f"weakened to {100 * low:.0f} %")


def _frame(lens: Lens, size: Size, flow: Flow | None, frame: str) -> Correction | None:
    from lior.errors import UsageError

    corner = 1.0 + (flow.largest if flow is not None else 0.0)
    if lens.least_slope(corner) <= 0.02:
        return None
    try:
        made = in_frame(Correction(lens=lens, size=size, flow=flow), frame)
    except UsageError:
        return None
    found = safety(made)
    return made if found.safe and (frame != "crop" or found.outside == 0) else None


def mean_shift(correction: Correction, *, width: int = 640) -> float:
    """How far the points of a picture move on average beyond a zoom, in pixels at that width."""
    size = correction.size
    x, y = size.grid(33, 33)
    gx, gy = correction.forward(x, y)
    # the zoom that explains most of it
    zoom = float((gx * x + gy * y).sum() / (x * x + y * y).sum())
    distance = np.hypot(gx - zoom * x, gy - zoom * y).mean()
    return float(distance * size.half_diagonal * width / size.width)
