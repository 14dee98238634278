"""Optimisers whose whole state is tensors and numbers, so that training can be stopped and gone on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from lior_ritz.config import RefineConfig, ScheduleConfig, TrainingConfig
from lior_ritz.network.layers import Params

_SCALE = 1e4
"""The loss is scaled up for L-BFGS: torch's leaves curvature out whose product is below 1e-10."""
_EVALUATIONS = 25
"""Most evaluations of one line search."""


@attrs.define
class Plateau:
    """Lowers the learning rate when the average of a monitor stops falling.

    As ``torch.optim.lr_scheduler.ReduceLROnPlateau``, but a relative threshold is a share of the monitor's
    size: energies may be negative, and there that class takes what gets worse for an improvement.
    """

    config: ScheduleConfig
    lr: float
    average: float | None = None
    best: float = math.inf
    bad: int = 0
    cooling: int = 0

    def step(self, value: float) -> bool:
        """Take in a value; returns whether the rate was lowered."""
        c, alpha = self.config, self.config.monitor_ema_alpha
        self.average = value if self.average is None else alpha * value + (1 - alpha) * self.average
        margin = c.threshold * (abs(self.best) if c.threshold_mode == "rel" else 1.0)
        if self.best == math.inf or self.average < self.best - margin:
            self.best, self.bad = self.average, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad <= c.patience:
            return False
        self.bad, self.cooling = 0, c.cooldown
        lower = max(self.lr * c.factor, c.min_lr)
        if self.lr - lower <= c.eps:
            return False
        self.lr = lower
        return True

    def numbers(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        found = attrs.asdict(self, filter=lambda field, _: field.name != "config")
        return found | {"best": None if self.best == math.inf else self.best}

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`numbers`."""
        self.lr, self.average = numbers["lr"], numbers["average"]
        self.best = math.inf if numbers["best"] is None else numbers["best"]
        self.bad, self.cooling = numbers["bad"], numbers["cooling"]


def _tensors(optimiser: torch.optim.Optimizer) -> Params:
    """The tensors of a state, by the place of the parameter and their name; lists of them are stacked."""
    found: Params = {}
    for place, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                found[f"{place}.{name}"] = value.detach().clone()
            elif isinstance(value, list) and value and all(isinstance(row, Tensor) for row in value):
                found[f"{place}.{name}.rows"] = torch.stack(value).detach()
    return found


def _numbers(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """The plain numbers of a state, by the same names."""
    return {
        f"{place}.{name}": value
        for place, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, int | float)
    }


def _restore(optimiser: torch.optim.Optimizer, tensors: Params, numbers: Mapping[str, Any]) -> None:
    """Undo both."""
    params = optimiser.param_groups[0]["params"]
    for key, value in (tensors | dict(numbers)).items():
        place, _, name = key.partition(".")
        # Rows apart, as they were: products round by how their operands are aligned.
        rows = isinstance(value, Tensor) and name.endswith(".rows")
        state = optimiser.state[params[int(place)]]
        state[name.removesuffix(".rows")] = [row.clone() for row in value] if rows else value


class FirstOrder:
    """Adam with a learning rate that follows a schedule."""

    def __init__(self, params: Params, config: TrainingConfig) -> None:
        self._params, self._config = params, config
        self._optimiser = torch.optim.Adam(list(params.values()), foreach=True)
        self._plateau = Plateau(config.lr_schedule, config.lr)
        self._done = 0

    @property
    def lr(self) -> float:
        """The rate of the next step."""
        schedule = self._config.lr_schedule
        if not schedule.enabled:
            return self._config.lr
        if schedule.type == "plateau":
            return self._plateau.lr
        share = self._done / max(self._config.steps, 1)
        least = min(schedule.min_lr, self._config.lr)
        return least + (self._config.lr - least) * (1 + math.cos(math.pi * share)) / 2

    @property
    def monitor(self) -> float | None:
        """The quantity that the plateau schedule monitors."""
        return self._plateau.average

    def step(self, value: float) -> tuple[float, bool]:
        """Move along the parameters' gradients; returns their norm, and whether the rate was lowered after
        it."""
        params = list(self._params.values())
        limit = self._config.grad_clip or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(params, limit))
        for group in self._optimiser.param_groups:
            group["lr"] = self.lr
        self._optimiser.step()
        self._done += 1
        plateau = self._config.lr_schedule.enabled and self._config.lr_schedule.type == "plateau"
        return norm, plateau and self._plateau.step(value)

    def tensors(self) -> Params:
        """Moments."""
        return _tensors(self._optimiser)

    def numbers(self) -> dict[str, Any]:
        """The rest of the state, ready for JSON."""
        return {"done": self._done, "plateau": self._plateau.numbers()}

    def restore(self, tensors: Params, numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`."""
        self._done = numbers["done"]
        self._plateau.restore(numbers["plateau"])
        _restore(self._optimiser, tensors, {})


class QuasiNewton:
    """L-BFGS with a line search, an iteration at a time (J. Nocedal and S. Wright, *Numerical
    Optimization*, §7.2).

    ``torch.optim.LBFGS`` evaluates where it stands before every call; the value that its line search ended on
    is that already, and is kept.
    """

    def __init__(self, params: Params, config: RefineConfig) -> None:
        self._params = list(params.values())
        self._config = config
        self._kept: tuple[list[Tensor], Tensor] | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the curvature: the function has changed."""
        self._optimiser = torch.optim.LBFGS(
            self._params,
            lr=1,
            max_iter=1,
            history_size=self._config.history,
            line_search_fn="strong_wolfe",
            max_eval=_EVALUATIONS,
            tolerance_grad=0,
            tolerance_change=0,
        )
        self._kept = None

    @property
    def valued(self) -> bool:
        """Whether the loss at the present parameters is known."""
        return self._kept is not None and all(map(torch.equal, self._kept[0], self._params))

    @property
    def iterations(self) -> int:
        """Since the last restart."""
        return int(self._optimiser.state.get(self._params[0], {}).get("n_iter", 0))

    def step(self, evaluate: Callable[[], Tensor]) -> tuple[float, bool]:
        """One iteration.

        Returns ``norm``: of the gradient at the new place; ``moved``: whether it differs from the old one.

        ``evaluate``: works out the loss where the parameters are, and their gradients.
        """
        before = [p.detach().clone() for p in self._params]

        def closure() -> Tensor:
            if self._kept is not None and self.valued:
                return self._kept[1]  # the gradients are still there
            value = evaluate().detach() * _SCALE
            for p in self._params:
                if p.grad is not None:
                    p.grad *= _SCALE
            self._kept = [p.detach().clone() for p in self._params], value
            return value

        self._optimiser.step(closure)
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in self._params if p.grad is not None))
        return norm / _SCALE, not all(map(torch.equal, before, self._params))

    def tensors(self) -> Params:
        """The curvature pairs and the last direction."""
        return _tensors(self._optimiser)

    def numbers(self) -> dict[str, Any]:
        """The rest of the state, ready for JSON."""
        return _numbers(self._optimiser)

    def restore(self, tensors: Params, numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`."""
        self.restart()
        _restore(self._optimiser, tensors, numbers)
        if tensors:
            for name in ("old_dirs", "old_stps", "ro"):  # which may have been empty
                self._optimiser.state[self._params[0]].setdefault(name, [])
