"""Resilience from the curvature of a conformal metric, ``R_sc = √(|R|/n² + ε)``."""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.geometry.metric import square_distances
from lior.interfaces import MetricForm, PrincipalPlanes, ResiliencePullback, State
from lior.tensors import tree_sum
from lior_plugins import conformal
from lior_plugins.rsources.coordinates import Mapped, mapped

MAX_LOG_FACTOR = 3.0
"""Bound of ``|φ|``: lengths change by at most a factor ``e³``."""
MAX_LOG_WIDTH = 3.0
"""Bound of ``|log_width|``."""
_NO_SPREAD = 1e-24
"""Mean squared distance of the centres below which they count as one point."""


@attrs.frozen(kw_only=True)
class Curvature:
    """Curvature of ``e^{2φ(x)} ĝ``, with ``φ`` a learned mixture over centres of the memory.

    The width of the bumps is ``s = exp(log_width) σ J^{−1/n}``, about the distance of neighbouring centres.
    ``σ`` is the root mean square distance of the ``J`` centres from their mean under the current metric. In
    this unit, a constant factor of the metric leaves ``R_sc √g`` unchanged (for ``ε → 0``).

    ``R_sc`` has the unit 1/length and is of order ``√(2|φ|)/s``, so that the cost
    of a distance ``s`` is of order ``√(2|φ|)``.

    State: ``amplitudes (J,)`` and ``log_width`` are learned; ``centres (J, n)`` and
    ``observed``, the number of observations, are statistics. Before the first
    one all centres are the origin and ``σ`` counts as 1.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("amplitudes", "log_width")

    centres: int = option(64, help="number of centres", low=1)
    eps: float = option(1e-8, help="added to the squared resilience", low=1e-30)

    def init(self, n: int, *, generator: Generator) -> State:
        """Return random amplitudes of both signs, with ``Σ|a_j|`` about 0.4 of its bound."""
        device = generator.device
        scale = 0.5 * MAX_LOG_FACTOR / self.centres
        return {
            "amplitudes": scale * torch.randn(self.centres, generator=generator, device=device),
            "log_width": torch.zeros((), device=device),
            "centres": torch.zeros(self.centres, n, device=device),
            "observed": torch.zeros((), dtype=torch.int64, device=device),
        }

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Place the centres on points of ``z (N, n)``, at first by farthest-point sampling.

        Later each centre moves to the point nearest to it, because its amplitude was learned there. ``N =
        0`` changes nothing, ``total`` is not used.
        """
        points = mapped(z, form)
        if points.z.shape[0] == 0:
            return state
        if state["observed"] == 0:
            chosen = _farthest_points(points.y, self.centres)
        else:
            chosen = square_distances(mapped(state["centres"], form).y, points.y).argmin(dim=1)
        centres = points.z[chosen].to(state["centres"])
        return {**state, "centres": centres, "observed": state["observed"] + 1}

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """Return ``R_sc`` at ``z (..., n)``, at least ``√ε``, shape ``(...)``, in units of 1/length."""
        field = _field(state, mapped(state["centres"], form))
        r = conformal.resilience(mapped(z, form).y, field, z.shape[-1], self.eps)
        return r.reshape(z.shape[:-1])

    def planes(self, state: State, z: Tensor, form: MetricForm) -> PrincipalPlanes:
        """Return the curvature operator at ``z (N, n)``, by its principal planes."""
        points, centres = mapped(z, form), mapped(state["centres"], form)
        return conformal.principal_planes(points.y, _field(state, centres), points.root)

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Return derivatives of ``sum(dr * R_sc)``; exact except at points where ``R`` is 0."""
        points, centres = mapped(z, form), mapped(state["centres"], form)
        field = _field(state, centres)
        dy, dfield = conformal.resilience_pullback(points.y, field, z.shape[-1], self.eps, dr.reshape(-1))
        dlog_width = dfield.width * field.width
        # σ is a length of the centres, so log s follows log σ.
        deviations, variance = _spread(centres.y)
        pull = torch.where(variance > _NO_SPREAD, dlog_width / (variance * deviations.shape[0]), 0.0)
        dcentres = dfield.centres + pull * deviations
        return ResiliencePullback(
            params={"amplitudes": dfield.amplitudes, "log_width": dlog_width},
            z=(dy @ points.root).reshape(z.shape),
            root=dy.mT @ points.z + dcentres.mT @ centres.z,
        )

    def project(self, state: State) -> State:
        """Scale the amplitudes so that ``|φ| <= 3``, clamp ``log_width`` to ``±3``."""
        return {
            **state,
            "amplitudes": conformal.bound_amplitudes(state["amplitudes"], MAX_LOG_FACTOR),
            "log_width": state["log_width"].clamp(-MAX_LOG_WIDTH, MAX_LOG_WIDTH),
        }


def _field(state: State, centres: Mapped) -> conformal.Mixture:
    _, variance = _spread(centres.y)
    spread = torch.where(variance > _NO_SPREAD, variance, torch.ones_like(variance)).sqrt()
    count, n = centres.z.shape
    width = state["log_width"].exp() * spread * count ** (-1 / n)
    return conformal.Mixture(centres.y, state["amplitudes"], width)


def _spread(y: Tensor) -> tuple[Tensor, Tensor]:
    """Return deviations ``(J, m)`` from the mean and the mean of their squared lengths."""
    deviations = y - y.mean(dim=0)
    return deviations, tree_sum(deviations.square()) / len(deviations)


def _farthest_points(y: Tensor, count: int) -> Tensor:
    """Return indices of ``count`` rows of ``y (N, m)``: the most central one, then always the farthest.

    Every row is then nearer to a chosen one than the chosen ones are to each
    other (T. F. Gonzalez, *Theor. Comput. Sci.* 38 (1985) 293). With fewer than
    ``count`` distinct rows some are chosen again.
    """
    chosen = y.new_empty(count, dtype=torch.int64)
    chosen[0] = (y - y.mean(dim=0)).square().sum(-1).argmin()
    nearest = y.new_full((y.shape[0],), torch.inf)
    for i in range(1, count):
        # A slice, because an index of shape () would be fetched from the device.
        square = (y - y.index_select(0, chosen[i - 1 : i])).square().sum(-1)
        nearest = torch.minimum(nearest, square)
        chosen[i] = nearest.argmax()
    return chosen
