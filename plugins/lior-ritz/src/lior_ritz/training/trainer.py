"""The training loop: phases of steps, checked now and then on nodes of their own.

The loss is a sum over nodes, and a network can lower it by being wrong between them. Two things keep
it honest. Every step checks an identity that exact integrals fulfil, and is undone if the states do not.
Every few steps the states are evaluated on finer rules, which decide which step is the best. If the training
nodes disagree with them, more nodes are used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.tensors import sub
from lior_ritz.config import RitzConfig
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Params
from lior_ritz.network.states import Nodes
from lior_ritz.problem import Problem
from lior_ritz.problem.extent import estimate
from lior_ritz.training import assembly
from lior_ritz.training.objective import UNKNOWN, Loss, is_sound
from lior_ritz.training.optimisers import FirstOrder, QuasiNewton
from lior_ritz.training.standing import Best, Phase, Progress, phases, score
from lior_ritz.verification.evaluation import Evaluation, first_size, largest_training, refuse_few

_CEILING = 1e12
"""The loss where it cannot be worked out or is not believed: above every other."""
_REFUSED = 0.1
"""Share of a window's evaluations that may be refused before the nodes are blamed."""
_FEW = 10
"""Refusals that are no reason to look before a window's end."""


class Trainer:
    """One network being trained on one problem."""

    def __init__(self, config: RitzConfig, problem: Problem) -> None:
        """Begin; raises ``UsageError`` when the configuration asks for what cannot be."""
        self.config, self.problem = config, problem
        self.extent = estimate(problem, config.solver.K)
        self.ansatz: Ansatz = assembly.ansatz(config, problem, self.extent)
        self.objective = assembly.objective(config, self.ansatz)
        self.evaluator = assembly.evaluator(config, self.ansatz, self.extent)
        self.phases = phases(config)
        self.generator = Generator().manual_seed(config.training.seed)
        params = self.ansatz.initialise(self.generator, assembly.dtype(config))
        self.params: Params = {
            name: value.to(assembly.device(config)).requires_grad_() for name, value in params.items()
        }
        self.progress = Progress(nq=config.domain.axis_nodes)
        self.random = assembly.is_random(config)
        self.best: Best | None = None
        self._loss: Loss | None = None
        self._stuck = False
        self._again = False
        """Whether the next evaluation of the loss repeats one that was counted before a stop."""
        self._nodes: Nodes | None = None
        self.optimiser = self._begin_phase()

    # --- what a caller drives ---

    @property
    def phase(self) -> Phase | None:
        """The present phase; ``None`` when all are over."""
        return self.phases[self.progress.phase] if self.progress.phase < len(self.phases) else None

    @property
    def evaluated(self) -> bool:
        """Whether an independent evaluation is due."""
        phase, state = self.phase, self.progress
        if phase is None:
            return False
        regular = state.phase_step % self.config.training.guard.every == 0 or state.phase_step >= phase.steps
        return regular or self._stuck or state.refused > max(_FEW, _REFUSED * state.tried)

    def step(self) -> dict[str, Any]:
        """Do one step; returns its numbers for the telemetry."""
        begin = time.perf_counter()
        state, phase = self.progress, self.phase
        assert phase is not None
        if isinstance(self.optimiser, FirstOrder):
            numbers = self._first_order(self.optimiser)
        else:
            numbers = self._quasi_newton(self.optimiser)
        state.step += 1
        state.phase_step += 1
        numbers |= {"step": state.step, "phase_step": state.phase_step, "phase": phase.name}
        return numbers | {"dt_sec": round(time.perf_counter() - begin, 6)}

    def check(self) -> dict[str, Any]:
        """Evaluate on independent nodes, and draw the consequences; returns its numbers for the telemetry."""
        state, found = self.progress, self.evaluate()
        mismatch = self._mismatch(found)
        state.evaluations += 1
        if self.best is None or score(found, self.config) < score(self.best.evaluation, self.config):
            self._remember(found)
        falling = state.score is None or score(found, self.config) < state.score
        blamed = "" if self.random else self._blamed(mismatch, falling=falling)
        state.tried = state.refused = 0
        improved = self._improved(score(found, self.config))
        state.score = score(found, self.config)
        if blamed:
            self._return_to_best(found)
            self._refine(blamed)
        elif self._stuck or not improved:
            self._end_phase()
        self._stuck = False
        phase = self.phase
        if phase is not None and state.phase_step >= phase.steps:
            self._end_phase()
        return {
            "eval_energies": found.energies.tolist(),
            "eval_eigsum": found.eigsum,
            "quadrature_error": found.quadrature_error,
            "quadrature_mismatch": mismatch,
            "nq": state.nq,
        }

    def _blamed(self, mismatch: float, *, falling: bool) -> str:
        """Return the fault of the training nodes, or nothing.

        Adam has no line search that would seek gaps between them: while the energies on independent nodes
        fall, it does well.
        """
        state = self.progress
        if state.refused > _REFUSED * max(state.tried, 1):
            return f"{state.refused} of {state.tried} evaluations refused"
        if mismatch <= self.config.training.guard.tolerance:
            return ""
        if falling and isinstance(self.optimiser, FirstOrder):
            return ""
        return f"energies differ by {mismatch:.1e} from those on finer nodes"

    def evaluate(self) -> Evaluation:
        """The states as they are now, on independent nodes."""
        return self.evaluator(self.params, self._size)

    @property
    def _size(self) -> int:
        return first_size(self.progress.nq, self.config.domain.eval_nq)

    def conclude(self) -> Evaluation:
        """The best states; training without steps has those it began with."""
        params, size = (self.best.params, self.best.size) if self.best else (self.params, self._size)
        found = self.evaluator(params, size, final=True)
        refuse_few(found, self.config)
        return found

    # --- stopping and going on ---

    def tensors(self) -> dict[str, Params]:
        """Return the present and the best parameters, and the state of the optimiser."""
        best = self.best.params if self.best else {}
        training = {f"optimiser.{name}": value for name, value in self.optimiser.tensors().items()}
        training["generator"] = self.generator.get_state()
        present = {name: p.detach() for name, p in self.params.items()}
        return {"model_best": dict(best), "model_final": present, "training": training}

    def numbers(self) -> dict[str, Any]:
        """The rest of it, ready for JSON."""
        optimiser = self.optimiser
        return {
            "progress": attrs.asdict(self.progress),
            "optimiser": optimiser.numbers(),
            "valued": isinstance(optimiser, QuasiNewton) and optimiser.valued,
            "best": {"step": self.best.step, "size": self.best.size} if self.best else None,
        }

    def restore(self, tensors: Mapping[str, Params], numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`; of a finished run, which has no ``training`` among its
        tensors, only what is best is taken over.

        Raises ``KeyError`` or ``TypeError`` or ``RuntimeError`` when they are those of another configuration.
        """
        self.progress = Progress(**numbers["progress"])
        self._nodes = None
        if numbers["best"] is not None:
            self._load(tensors["model_best"])
            self._recall(numbers["best"])
        if "training" not in tensors:
            self.progress.phase = len(self.phases)
            return
        self._load(tensors["model_final"])
        device = next(iter(self.params.values())).device
        training = {name: value.to(device) for name, value in tensors["training"].items()}
        self.optimiser = self._begin_phase()
        self.optimiser.restore(sub(training, "optimiser"), numbers["optimiser"])
        self._again = numbers["valued"]
        self.generator.set_state(tensors["training"]["generator"].cpu())

    def _recall(self, best: Mapping[str, Any]) -> None:
        """The parameters are the best; evaluate them as then."""
        found = self.evaluator(self.params, best["size"])
        self._remember(found)
        assert self.best is not None
        self.best.step, self.best.size = best["step"], best["size"]

    # --- steps ---

    def _first_order(self, optimiser: FirstOrder) -> dict[str, Any]:
        if self.random:
            self._nodes = None
        self._differentiated()
        lr = optimiser.lr
        if self._loss is None:
            raise UsageError(
                f"training left the finite numbers at step {self.progress.step + 1}: lower training.lr (now "
                f"{lr:g}) or set training.grad_clip"
            )
        norm, lowered = optimiser.step(self._loss.eigsum)
        if lowered:
            drop = {"step": self.progress.step + 1, "lr_prev": lr, "lr_new": optimiser.lr}
            self.progress.drops.append(drop | {"lr_monitor": optimiser.monitor})
        numbers = {"grad_norm": norm, "lr": lr, "lr_reduced": lowered, "lr_monitor": optimiser.monitor}
        return self._numbers() | numbers

    def _quasi_newton(self, optimiser: QuasiNewton) -> dict[str, Any]:
        norm, moved = optimiser.step(self._differentiated)
        if not moved:  # along the gradient itself that means that nothing is left to gain
            self._stuck = optimiser.iterations <= 1
            optimiser.restart()
        refused = self._loss is None
        numbers = {"grad_norm": None if refused else norm, "lr": 1.0, "lr_reduced": False, "lr_monitor": None}
        return self._numbers() | numbers

    def _differentiated(self) -> Tensor:
        """The loss where the parameters are, and its gradients; a high one without any if refused."""
        for p in self.params.values():
            p.grad = None
        doubted = isinstance(self.optimiser, QuasiNewton)
        self.progress.tried += not self._again
        self._again = False
        try:
            with torch.enable_grad():
                loss = self.objective(self.params, self.nodes)
                if doubted and not is_sound(loss, assembly.fault_limit(self.config)):
                    raise torch.linalg.LinAlgError
                loss.total.backward()
        except torch.linalg.LinAlgError:  # not finite, dependent, or not believed
            self.progress.refused += 1
            self._loss = None
            for p in self.params.values():
                p.grad = torch.zeros_like(p)
            return torch.tensor(_CEILING, dtype=torch.float64)
        self._loss = loss
        return loss.total.detach()

    def _numbers(self) -> dict[str, Any]:
        found = UNKNOWN if self._loss is None else self._loss.numbers(self.config.solver.K)
        mode, points = assembly.sampling_mode(self.config), len(self.nodes.rule.points)
        return {**found, "sampling_mode": mode, "num_points": points}

    # --- nodes ---

    @property
    def nodes(self) -> Nodes:
        """The present training nodes; random ones are drawn when they are first asked for in a step."""
        if self._nodes is None:
            nq = self.progress.nq
            self._nodes = assembly.training_nodes(self.config, self.ansatz, self.extent, nq, self.generator)
        return self._nodes

    def _mismatch(self, found: Evaluation) -> float:
        """How far the energies on the training nodes are from those on independent ones, relatively.

        Both in double precision: what single precision does to energies is not the nodes' fault.
        """
        with torch.no_grad():
            try:
                here = self.objective(found.params, self.nodes.double(self.ansatz)).eigsum
            except torch.linalg.LinAlgError:
                return math.inf
        return abs(here - found.eigsum) / max(1.0, abs(found.eigsum))

    def _refine(self, why: str) -> None:
        """More nodes; when there are as many as may be, end what would exploit them."""
        state, guard = self.progress, self.config.training.guard
        limit = min(guard.limit, largest_training(self.problem.dim))
        nq = min(limit, math.ceil(state.nq * guard.growth))
        if nq <= state.nq:
            state.note = f"training nodes at fault with nq = {state.nq}, the most there may be ({why})"
            if isinstance(self.optimiser, QuasiNewton):
                self._end_phase()
            return
        state.refinements.append({"step": state.step, "nq_prev": state.nq, "nq_new": nq, "why": why})
        state.nq, state.stale, self._nodes = nq, 0, None
        if isinstance(self.optimiser, QuasiNewton):
            self.optimiser.restart()

    # --- phases ---

    def _begin_phase(self) -> FirstOrder | QuasiNewton:
        phase = self.phase
        if phase is None or phase.name == "adam":
            return FirstOrder(self.params, self.config.training)
        return QuasiNewton(self.params, self.config.training.lbfgs_refine)

    def _end_phase(self) -> None:
        state = self.progress
        state.phase, state.phase_step, state.stale = state.phase + 1, 0, 0
        if self.best is not None and self.phase is not None:
            self._load(self.best.params)
        self.optimiser = self._begin_phase()

    # --- what is best ---

    def _remember(self, found: Evaluation) -> None:
        copies = {name: p.detach().clone() for name, p in self.params.items()}
        self.best = Best(params=copies, evaluation=found, step=self.progress.step, size=self._size)

    def _return_to_best(self, found: Evaluation) -> None:
        """Leave a place where the nodes were exploited."""
        if self.best is not None and score(found, self.config) > score(self.best.evaluation, self.config):
            self._load(self.best.params)

    def _load(self, params: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in params.items():
                if name in self.params:
                    self.params[name].copy_(value)

    def _improved(self, now: float) -> bool:
        """Whether it is worth going on."""
        state, stop = self.progress, self.config.training.early_stop
        before = state.score
        gain = math.inf if before is None else (before - now) / max(1.0, abs(now))
        state.stale = 0 if gain > stop.tolerance else state.stale + 1
        return stop.tolerance == 0 or state.stale < stop.patience
