"""Trust in edges: a small network estimates from its features whether an edge is straight in the world.

For each edge it returns the probability that the edge is straight, the noise of its bow, and the weight of
its vote; without it, :mod:`lior_lens.lines` uses constants. It is trained on the posterior itself: the
probability of the true strength after all votes. It runs on NumPy alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lior.errors import RunError
from lior.runs import bundle
from lior_lens import meeting
from lior_lens.arcs import Arcs
from lior_lens.geometry import Floats, Lens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lior_lens.arcs import Arcs

SHIPPED = Path(__file__).parent / "weights" / "trust"
FORMAT = bundle.Format(program="lior-lens", version=1)
CURVED, TEMPER = 0.5, 0.3
"""Without a network: share of edges that are bowed in the world, and weight of an edge, for neighbouring ones
belong to the same thing and err together."""
BENT = 0.05
FEATURES = 15
MEASURES, OUTPUTS = 2, 3
"""Measures of an edge, its bow and its miss (:meth:`lior_lens.arcs.Arcs.measured_over`), and outputs for each
of them."""
LOOSEST = 4.0
"""Logarithm of the largest noise multiplier."""


@attrs.frozen(kw_only=True, eq=False)
class Votes:
    """How each edge's votes are counted, ``[2, arcs]`` each: that of its bow, and that of its miss."""

    straight: Floats
    """Probability that it is straight in the world, and parallel to its family."""
    weight: Floats
    """The weight of its evidence, at most 1."""
    noisier: Floats
    """Noise multiplier."""
    bent: float
    """Probability that all edges of a direction are bowed alike in the world."""

    @classmethod
    def constant(cls, count: int) -> Votes:
        """The same for all, by their bows alone: the classical plumb line."""
        one = np.ones((MEASURES, count))
        weight = np.array([[TEMPER], [0.0]]) * one
        return cls(straight=(1 - CURVED) * one, weight=weight, noisier=one, bent=BENT)


def features(found: Arcs) -> Floats:
    """``[arcs, 15]``: looks, place, bow and family of each edge; of a mirrored picture the same.

    The last column is 1 for an edge without a family.
    """
    p, noise, looks, length, family = found.points, found.noise, found.looks, found.length, found.family
    chord = p[:, -1] - p[:, 0]
    miss = np.abs(meeting.misses(p[..., 0], p[..., 1], family))
    relatives = np.where(family >= 0, np.bincount(family + 1, minlength=2)[family + 1], 0)
    middle = p.mean(1)
    radius = np.hypot(middle[:, 0], middle[:, 1])
    normal = np.stack([-chord[:, 1], chord[:, 0]], -1) / np.maximum(length, 1e-9)[:, None]
    offset = np.abs((middle * normal).sum(-1))  # how far from the centre the line passes: there lenses act
    bow = np.abs(found.bows(Lens()))
    upright = np.abs(chord[:, 1]) / np.maximum(length, 1e-9)
    columns = [
        np.log(length + 1e-6) + 1.5,
        np.log(noise / found.pixel + 1e-6) + 1,
        looks[:, 0] * 4 - 1,
        looks[:, 1] - 1,
        np.log(looks[:, 2] + 1) - 3,
        np.log(looks[:, 3]),
        radius - 0.5,
        3 * offset - 1,
        np.log(bow / np.maximum(length, 1e-9) + 1e-4) / 2 + 2.5,
        np.cos(2 * np.pi * upright),
        np.full(len(length), np.log(len(length) + 1) / 2 - 1.5),
        np.log(relatives + 1) / 2 - 1,
        np.log(miss + 1e-4) / 2 + 2.5,
        family == 0,
        family < 0,
    ]
    return np.stack(columns, -1)


@attrs.frozen(kw_only=True, eq=False)
class Trust:
    """The network: a layer per edge, the mean over all edges, and a layer of both."""

    weights: Mapping[str, Floats]
    regrouped: Trust | None = None
    """That of edges whose families were sought anew (:attr:`lior_lens.arcs.Arcs.regrouped`)."""

    def experts(self, found: Arcs) -> list[tuple[Arcs, Votes]]:
        """The edges as each network looks at them, with its votes."""
        own = [(found, self.votes(found))]
        return own if self.regrouped is None else own + self.regrouped.experts(found.regrouped)

    def votes(self, found: Arcs) -> Votes:
        """How the edges' votes are counted."""
        if not len(found):
            return Votes.constant(0)
        w = self.weights
        x = features(found)
        h = np.maximum(x @ w["one.weight"].T + w["one.bias"], 0)
        mean = h.mean(0, keepdims=True)
        h = np.maximum(h @ w["two.weight"].T + mean @ w["all.weight"].T + w["two.bias"], 0)
        out = (h @ w["last.weight"].T + w["last.bias"]).T.reshape(MEASURES, OUTPUTS, len(x))
        weight = _sigmoid(out[:, 1])
        weight[1] *= 1 - x[:, -1]
        return Votes(
            straight=_sigmoid(out[:, 0]),
            weight=weight,
            noisier=np.exp(np.clip(out[:, 2], -1, LOOSEST)),
            bent=float(_sigmoid(w["bent"])) if "bent" in w else BENT,
        )

    @classmethod
    def open(cls, path: Path = SHIPPED) -> Trust:
        """The network at a path, or the shipped one; raises ``RunError`` when it is damaged or missing."""
        from safetensors.numpy import load_file

        files = bundle.read_manifest(path, format=FORMAT)["files"]

        def read(file: str) -> dict[str, Floats]:
            if file in files:
                bundle.verify(path / file, files[file])
                weights = {name: value.astype(np.float64) for name, value in load_file(path / file).items()}
                if weights.get("one.weight", np.empty(0)).shape[-1:] == (FEATURES,):
                    return weights
            raise RunError(f"{path}: not a network of edges of this version")

        regrouped = cls(weights=read("regrouped.safetensors"))
        return cls(weights=read("model.safetensors"), regrouped=regrouped)


def find_shipped() -> Trust | None:
    """The network that comes with the package; ``None`` in an installation without it."""
    return Trust.open() if (SHIPPED / bundle.MANIFEST).is_file() else None


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
