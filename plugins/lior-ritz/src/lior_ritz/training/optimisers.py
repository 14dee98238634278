"""Optimisers whose whole state is tensors and numbers, so that training can be stopped and gone on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lior_ritz.config import RefineConfig, TrainingConfig
from lior_ritz.network.layers import Params
from lior_ritz.training.document import Plateau

_SCALE = 1e4
"""The loss is scaled up for L-BFGS: torch's leaves curvature out whose product is below 1e-10."""
_EVALUATIONS = 25
"""Most evaluations of one line search."""


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
        """What the plateau schedule watches."""
        return self._plateau.average

    def step(self, value: float) -> tuple[float, bool]:
        """Move along the parameters' gradients; returns their norm, and whether the rate was lowered after
        it."""
        norm = float(
            torch.nn.utils.get_total_norm([p.grad for p in self._params.values() if p.grad is not None])
        )
        if self._config.grad_clip:
            torch.nn.utils.clip_grad_norm_(list(self._params.values()), self._config.grad_clip)
        for group in self._optimiser.param_groups:
            group["lr"] = self.lr
        self._optimiser.step()
        self._done += 1
        plateau = self._config.lr_schedule.enabled and self._config.lr_schedule.type == "plateau"
        return norm, plateau and self._plateau.step(value)

    def tensors(self) -> Params:
        """Moments, by parameter."""
        state = self._optimiser.state
        return {
            f"{name}.{key}": state[p][key].detach().clone()
            for name, p in self._params.items()
            for key in ("step", "exp_avg", "exp_avg_sq")
            if p in state
        }

    def numbers(self) -> dict[str, Any]:
        """The rest of the state, ready for JSON."""
        plateau = self._plateau.numbers()
        return {
            "done": self._done,
            "plateau": plateau | {"best": None if self._plateau.best == math.inf else self._plateau.best},
        }

    def restore(self, tensors: Params, numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`."""
        self._done = numbers["done"]
        best = numbers["plateau"]["best"]
        self._plateau.restore({**numbers["plateau"], "best": math.inf if best is None else best})
        for name, p in self._params.items():
            if f"{name}.step" in tensors:
                self._optimiser.state[p] = {
                    key: tensors[f"{name}.{key}"].clone() for key in ("step", "exp_avg", "exp_avg_sq")
                }


class QuasiNewton:
    """L-BFGS with a line search, an iteration at a time (J. Nocedal and S. Wright, *Numerical
    Optimization*, §7.2).

    ``torch.optim.LBFGS`` evaluates where it stands before every call; the value that its line search ended on
    is that already, and is kept.
    """

    _LISTS = ("old_dirs", "old_stps", "ro")

    def __init__(self, params: Params, config: RefineConfig) -> None:
        self._params = list(params.values())
        self._config = config
        self._kept: tuple[list[Tensor], Tensor] | None = None
        self.restart()

    def restart(self) -> None:
        """Forget the curvature: the function has changed."""
        self._optimiser = torch.optim.LBFGS(
            self._params, lr=1, max_iter=1, history_size=self._config.history, line_search_fn="strong_wolfe",
            max_eval=_EVALUATIONS, tolerance_grad=0, tolerance_change=0,
        )  # fmt: skip
        self._kept = None

    @property
    def valued(self) -> bool:
        """Whether the loss at the present parameters is known."""
        return self._kept is not None and all(map(torch.equal, self._kept[0], self._params))

    @property
    def iterations(self) -> int:
        """Since the last restart."""
        return int(self._state().get("n_iter", 0))

    def step(self, evaluate: Callable[[], Tensor]) -> tuple[float, bool]:
        """One iteration.

        Parameters
        ----------
        evaluate
            Works out the loss where the parameters are, and their gradients.

        Returns
        -------
        norm
            Of the gradient at the new place.
        moved
            Whether it differs from the old one.
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
        state = self._state()
        if not state:
            return {}
        found = {name: torch.stack(list(state[name])) for name in self._LISTS if state.get(name)}
        found |= {name: state[name] for name in ("d", "prev_flat_grad")}
        return {name: tensor.detach().clone() for name, tensor in found.items()}

    def numbers(self) -> dict[str, Any]:
        """The rest of the state, ready for JSON."""
        state = self._state()
        return {name: float(state[name]) for name in ("prev_loss", "t", "H_diag") if name in state} | {
            name: state[name] for name in ("func_evals", "n_iter") if name in state
        }

    def restore(self, tensors: Params, numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`."""
        self.restart()
        if not tensors:
            return
        state = self._optimiser.state[self._params[0]]
        for name in self._LISTS:
            # Apart, as they were: products round by how their operands are aligned.
            state[name] = [row.clone() for row in tensors[name]] if name in tensors else []
        for name in ("d", "prev_flat_grad"):
            state[name] = tensors[name].clone()
        state.update(numbers)

    def _state(self) -> dict[str, Any]:
        return self._optimiser.state.get(self._params[0], {})
