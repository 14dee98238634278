"""Photographs of one camera, lens and focal length are judged together: they were taken through one lens.

A single photograph is judged by the few lines it has, and views of one camera differ by several points. All
lines of a group together give one posterior (:func:`lior_lens.lines.judge_all`), and every photograph of it
is corrected by the same lens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lior_lens import lines, profiles
from lior_lens.estimating import Estimate
from lior_lens.trust import Trust

if TYPE_CHECKING:
    from lior_lens.correcting import Judged

MOST = 32
"""Photographs that are judged together: those of a group with the most edges."""
SHARED = 0.3
"""Share of the mean spread of one photograph that a group has in common: its photographs show similar things,
and a misfit of the lens model is the same in all of them."""


def pool(judged: Sequence[Judged], trust: Trust | None = None, *, by_size: bool = False) -> list[Judged]:
    """Return the photographs in their order; those of one camera's group share one :class:`Estimate`.

    Only photographs that their lines judged take part, and whose EXIF names camera and focal length. With
    ``by_size`` others take part too: those with equal EXIF, or none, and as many pixels along each side,
    unless they differ by more than :data:`lior_lens.profiles.DIFFERENT` times what their spreads allow.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    names: dict[tuple[Any, ...], str] = {}
    for place, each in enumerate(judged):
        if each.estimate.arcs is None:
            continue
        exif = profiles.exif_of(each.found.path)
        known = "model" in exif and exif.get("focal")  # a lens without contacts has 0
        if known or by_size:
            sides = () if known else tuple(sorted((each.size.width, each.size.height)))
            key = (*profiles.camera(exif, each.size), sides)
            groups.setdefault(key, []).append(place)
            names[key] = profiles.named(exif) if exif else f"{sides[1]} x {sides[0]} pixels"
    out = list(judged)
    for key, places in groups.items():
        if len(places) > 1:
            said = together([judged[place].estimate for place in places], names[key], trust)
            for place in places:
                alone = judged[place].estimate
                out[place] = attrs.evolve(judged[place], estimate=_doubted(alone, said) if key[-1] else said)
    return out


def _doubted(alone: Estimate, said: Estimate) -> Estimate:
    """Return what a group has in common, or the photograph's own estimate if a size joined several lenses."""
    if said.birge <= profiles.DIFFERENT:
        return said
    apart = f"lenses of photographs of its size differ by {said.birge:.1f} times what their spreads allow"
    return attrs.evolve(alone, words=f"{alone.words}; judged alone: {apart}")


def together(alone: Sequence[Estimate], camera: str, trust: Trust | None = None) -> Estimate:
    """Return the posterior of the lens that took several photographs."""
    found = [each.arcs for each in alone if each.arcs is not None]
    verdict = lines.judge_all(sorted(found, key=len, reverse=True)[:MOST], trust=trust)
    verdicts = [one.verdict for one in alone if one.verdict is not None]
    spreads = [one.spread for one in verdicts]
    known = np.mean(np.power(spreads, -2.0))
    verdict = attrs.evolve(verdict, spread=float(np.hypot(verdict.spread, SHARED * known**-0.5)))
    return Estimate(
        lens=verdict.lens,
        how="camera",
        sure=verdict.sure,
        verdict=verdict,
        photographs=len(alone),
        share=verdict.share,
        birge=profiles.birge([one.strength for one in verdicts], spreads),
        words=f"{verdict.words}; {len(alone)} photographs of {camera} together",
    )
