"""The trainer: steps, validations, monitored numbers, and the state to resume from.

Sample ``i`` depends only on the seed and ``i``, and the step size only on the step. So the state of a run is
the weights, the moments of AdamW and the state of one random generator.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lior.errors import RunError, UsageError
from lior.tensors import sub
from lior_lens import data, external, losses
from lior_lens.config import MODES, LensConfig
from lior_lens.external import Batch, Batches
from lior_lens.geometry import PARAMETERS, Size
from lior_lens.network import LensNetwork, Prediction, warp
from lior_lens.pairs import Paired

_LOG = logging.getLogger("lior")
WIDTH = 640
"""Endpoint errors are reported in pixels of a picture of this width."""
_POINTS = 17
_NODES = 33
"""Nodes on each axis of the grid on which maps are monitored."""
_NEAR = 0.02
"""A parameter so near to a bound, as a share of its range, is saturated."""
_SATURATED, _LONG = 0.5, 0.9
"""Share of a parameter near a bound, and of the longest flow there can be, above which a warning is given."""
_LEAST_RATE, _RISE, _FALL = 1e-6, 25.0, 1e3
"""The least step size of cosine; of onecycle the largest over the first, and the first over the last."""
_VALIDATION = 1 << 32
"""Added to the seed for the samples of validation."""


@attrs.frozen(kw_only=True)
class Drawn:
    """Batches with known lenses."""

    config: LensConfig
    stream: data.Stream
    judged: data.Stream

    @classmethod
    def of(cls, config: LensConfig) -> Drawn:
        """Sources in the configuration's shares; photographs that are missing leave theirs to the others."""
        chosen = config.data
        sources: list[tuple[float, data.SampleSource]] = []
        if chosen.scenes:
            sources.append((chosen.scenes, data.Scenes()))
        if chosen.boards:
            sources.append((chosen.boards, data.Boards()))
        if chosen.photos:
            found = [each for name in chosen.folders for each in data.folder(Path(name))]
            found = found or data.opened(data.packaged(data.FOR_TRAINING))
            if found:
                sources.append((chosen.photos, data.photo_source(found)))
            elif not sources:
                raise UsageError(
                    "data.photos: no photographs here; install scikit-image, or set data.folders"
                )
        mixed = data.Mixture(sources=sources)
        seed, side = config.train.seed, chosen.long_side
        return cls(
            config=config,
            stream=data.Stream(source=mixed, seed=seed, long_side=side),
            judged=data.Stream(source=mixed, seed=seed + _VALIDATION, long_side=side),
        )

    def train(self, step: int) -> Batch:
        """See :class:`Batches`."""
        return self._batch(self.stream, step)

    def validation(self) -> Iterator[Batch]:
        """See :class:`Batches`."""
        for index in range(self.config.train.max_val_steps):
            yield self._batch(self.judged, index)

    def _batch(self, stream: data.Stream, index: int) -> Batch:
        samples = stream.batch(index, self.config.data.batch_size)
        return Batch(
            images=torch.from_numpy(data.batched([each.picture for each in samples])),
            targets=torch.from_numpy(data.batched([each.straight for each in samples])),
            truth=torch.from_numpy(data.truths(samples, points=_POINTS)),
        )


@attrs.define(kw_only=True)
class Progress:
    """The progress of training, ready for JSON."""

    step: int = 0
    best: float | None = None
    best_step: int = 0


class Trainer:
    """One network being trained."""

    def __init__(self, config: LensConfig, batches: Batches | None = None, *, fresh: bool = True) -> None:
        """Begin, ``fresh`` or with weights to come; ``UsageError`` when that cannot be."""
        self.config = config
        self.device = external.pick_device(config.train.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.train.seed)
            self.network = LensNetwork(config.model, fresh=fresh).to(self.device)
            self.rng = torch.get_rng_state()
        self.batches: Batches = batches or _batches(config)
        self.scorer = external.scorer(config.proxy)
        self.optimizer = _optimizer(self.network, config)
        self.progress = Progress()
        self.best: dict[str, Tensor] | None = None
        self.warnings: list[str] = []
        self._warned: set[str] = set()

    # --- what a caller drives ---

    def step(self) -> dict[str, float]:
        """Do one step; returns its numbers.

        Raises ``RunError`` when the loss is not finite; it names the parts.
        """
        config, state = self.config, self.progress
        clock = [time.perf_counter()]
        batch = self._placed(self.batches.train(state.step))
        clock.append(time.perf_counter())
        lr = learning_rate(config, state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self._freeze()
        self.network.train()
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.rng)
            total, parts, numbers = self._loss(batch)
            self.rng = torch.get_rng_state()
        clock.append(time.perf_counter())
        state.step += 1
        numbers |= {"lr": lr, "total": float(total.detach())}
        wrong = [name for name, value in parts.items() if not bool(value.isfinite())]
        if wrong or not bool(total.isfinite()):
            raise RunError(
                f"the loss is not finite at step {state.step}: {', '.join(wrong or ['total'])}; lower "
                "optimizer.lr or train.grad_clip_norm, or look at the pictures of this step"
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        numbers |= self._gradients()
        before = {name: _flat(group) for name, group in self.network.groups().items()}
        self.optimizer.step()
        for name, parts_of in self.network.groups().items():
            numbers[f"param_delta_{name}"] = float((_flat(parts_of) - before[name]).norm())
        clock.append(time.perf_counter())
        for name, first, last in zip(("data", "forward", "backward"), clock, clock[1:], strict=False):
            numbers[f"timing_{name}_ms"] = 1000 * (last - first)
        self._watch(numbers)
        return numbers

    @property
    def due(self) -> bool:
        """Whether a validation is due."""
        return self.progress.step % self.config.train.steps_per_epoch == 0

    def validate(self) -> dict[str, float]:
        """Numbers of a validation; the best network so far is kept."""
        self.network.eval()
        sums: dict[str, list[float]] = {}
        with torch.no_grad():
            for index, batch in enumerate(self.batches.validation()):
                _, parts, numbers = self._loss(self._placed(batch), pictures=bool(self.scorer) and index == 0)
                for name, value in (
                    numbers | {"total": sum(float(v) for k, v in parts.items() if k.endswith("_weighted"))}
                ).items():
                    sums.setdefault(name, []).append(value)
        if not sums:
            raise RunError("the validation has no batch; the loader must give one")
        found = {name: float(np.mean(values)) for name, values in sums.items()}
        if self.config.proxy.fullres_images:
            found |= self._full_resolution()
        if "epe" in found:
            found["epe_ratio"] = found["epe"] / max(found["identity_epe"], 1e-9)
        name = self.config.train.best_metric_name
        if name not in found or not math.isfinite(found[name]):
            raise RunError(
                f"validation has no {name}, which train.best_metric_name chooses by; "
                f"it has {', '.join(found)}"
            )
        sign = 1 if MODES[name] == "min" else -1
        if self.best is None or self.progress.best is None or sign * found[name] < sign * self.progress.best:
            self.progress.best, self.progress.best_step = found[name], self.progress.step
            self.best = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        return {f"val_{key}": value for key, value in found.items()}

    # --- stopping and going on ---

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Weights now and at their best, and what the optimiser remembers."""
        training = {"rng": self.rng}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                training[f"moments.{name}.{key}"] = value.detach().clone()
        weights = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        return {"model": weights, "model_best": self.best or {}, "training": training}

    def numbers(self) -> dict[str, Any]:
        """The rest of it, ready for JSON."""
        return {"progress": attrs.asdict(self.progress)}

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], numbers: Mapping[str, Any]) -> None:
        """Undo :meth:`tensors` and :meth:`numbers`; errors of the types of PyTorch when they do not fit."""
        self.network.load_state_dict(dict(tensors["model"]))
        self.best = dict(tensors["model_best"]) or None
        known = attrs.fields_dict(Progress)  # numbers that are no more are passed over
        self.progress = Progress(**{name: v for name, v in numbers["progress"].items() if name in known})
        self.rng = tensors["training"]["rng"]
        moments = sub(dict(tensors["training"]), "moments")
        for name, parameter in self.network.named_parameters():
            mine = sub(moments, name)
            if mine:
                self.optimizer.state[parameter] = {key: value.clone() for key, value in mine.items()}

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights of another run; raises ``RunError`` when the networks differ."""
        try:
            self.network.load_state_dict(dict(weights))
        except RuntimeError as error:
            said = " ".join(str(error).split())[:200]
            raise RunError(
                f"--init-from: the networks differ; give both runs the same model.* keys ({said})"
            ) from error

    # --- parts of a step ---

    def _placed(self, batch: Batch) -> Batch:
        def there(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(self.device, torch.float32)

        images = there(batch.images)
        assert images is not None
        return Batch(images=images, targets=there(batch.targets), truth=there(batch.truth))

    def _predict(self, images: Tensor) -> Prediction:
        found: Prediction = self.network(images, residual=self.config.uses_flow)
        return found

    def _loss(
        self, batch: Batch, *, pictures: bool = False
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, float]]:
        config, size = self.config, batch.size
        said = self._predict(batch.images)
        numbers = self._diagnostics(said)
        terms: dict[str, Any] = {"flow": said.flow, "doubt": said.doubt}
        if batch.truth is not None:
            error, identity = endpoint_errors(said, batch.truth, size)
            if config.loss.epe_weight:
                terms["error"] = error
            pixels = size.half_diagonal * WIDTH / size.width
            numbers |= {
                "epe": float(error.detach().mean()) * pixels,
                "identity_epe": float(identity.mean()) * pixels,
            }
        with torch.set_grad_enabled(torch.is_grad_enabled() and config.loss.jacobian_weight > 0):
            terms["map"], found = _mapped(said, size)
        numbers |= found
        if batch.targets is not None and (config.loss.compares_pictures or pictures):
            pred, inside = correct(batch.images, said)
            numbers["oob_ratio"] = 1 - float(inside.mean())
            target = torch.where(inside > 0, batch.targets, pred.detach())
            terms |= {"pred": pred, "target": target}
            if pictures and self.scorer is not None:
                numbers |= self.scorer(pred, batch.targets)
        total, parts = losses.composite(config.loss, terms)
        numbers |= {
            f"loss_{name}": float(value.detach())
            for name, value in parts.items()
            if not name.endswith("_weighted")
        }
        return total, parts, numbers

    def _full_resolution(self) -> dict[str, float]:
        """Score whole photographs, each corrected by the prediction for its reduced copy."""
        assert isinstance(self.batches, Paired)
        assert self.scorer is not None
        sums: dict[str, list[float]] = {}
        for picture, target in self.batches.whole(self.config.proxy.fullres_images):
            size = data.sized(picture.shape[1::-1], self.config.data.long_side)
            small = cv2.resize(picture, (size.width, size.height), interpolation=cv2.INTER_AREA)
            shown, whole, wanted = (torch.from_numpy(data.batched([x])) for x in (small, picture, target))
            said = self._predict(shown.to(self.device))
            pred, _ = correct(whole.to(self.device), said)
            for name, value in self.scorer(pred, wanted).items():
                sums.setdefault(f"fullres_{name}", []).append(value)
        return {name: float(np.mean(values)) for name, values in sums.items()}

    def _diagnostics(self, said: Prediction) -> dict[str, float]:
        """Means and saturation of the parameters; size of the flow."""
        head, params = self.network.param_head, said.params.detach()
        bounded = (head.low + head.high) / 2 + (head.high - head.low) / 2 * torch.tanh(said.raw.detach())
        near = _NEAR * (head.high - head.low)
        share = ((bounded < head.low + near) | (bounded > head.high - near)).float().mean(0)
        found: dict[str, float] = {}
        for i, name in enumerate(PARAMETERS[: params.shape[1]]):
            found[f"param_{name}_mean"] = float(params[:, i].mean())
            found[f"param_{name}_std"] = float(params[:, i].std(correction=0))
            found[f"param_sat_frac_{name}"] = float(share[i])
        found["param_sat_frac_max"] = float(share.max())
        found["param_raw_abs_max"] = float(said.raw.detach().abs().max())
        if said.flow is not None:
            found["residual_abs_mean"] = float(said.flow.detach().abs().mean())
            found["residual_abs_max"] = float(said.flow.detach().abs().max())
        return found

    def _gradients(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, group in self.network.groups().items():
            grads = [p.grad for p in group if p.grad is not None]
            found[f"grad_norm_{name}"] = (
                float(torch.stack([g.norm() for g in grads]).norm()) if grads else 0.0
            )
        clip = self.config.train.grad_clip_norm or math.inf
        found["grad_norm"] = float(nn.utils.clip_grad_norm_(self.network.parameters(), clip))
        return found

    def _freeze(self) -> None:
        """Freeze all but the flow in the first epochs of stage 2."""
        train = self.config.train
        frozen = (
            train.stage == "stage2_hybrid"
            and self.progress.step < train.freeze_lens_epochs * train.steps_per_epoch
        )
        for name, group in self.network.groups().items():
            for parameter in group:
                parameter.requires_grad_(name == "residual_head" or not frozen)

    # --- what is watched ---

    def _watch(self, numbers: Mapping[str, float]) -> None:
        saturated = {
            name: numbers[f"param_sat_frac_{name}"]
            for name in PARAMETERS
            if numbers.get(f"param_sat_frac_{name}", 0.0) > _SATURATED
        }
        if saturated:
            said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in saturated.items())
            self._warn(
                "saturation",
                f"parameters at their bounds: {said}; widen model.param_bounds or lower the rate",
            )
        longest = numbers.get("residual_abs_max", 0.0)
        most = self.config.model.residual_max_disp
        if longest > _LONG * most:
            self._warn(
                "residual",
                f"the flow is {longest:.4f} long, of at most {most:g}: raise model.residual_max_disp or the "
                "weights of loss.flow_*",
            )

    def _warn(self, kind: str, text: str) -> None:
        """Once an epoch for each kind."""
        key = f"{kind} {self.progress.step // self.config.train.steps_per_epoch}"
        if key not in self._warned:
            self._warned.add(key)
            self.warnings.append(text)
            _LOG.warning("step %d: %s", self.progress.step, text)


def _batches(config: LensConfig) -> Batches:
    if config.data.pairs:
        return Paired.of(config)
    return external.Loaded.of(config) if config.data.loader_module else Drawn.of(config)


def _flat(group: Sequence[nn.Parameter]) -> Tensor:
    return torch.cat([each.detach().flatten() for each in group])


def _grid(size: Size, columns: int, rows: int, like: Tensor) -> tuple[Tensor, Tensor]:
    x, y = (
        torch.tensor(each.copy(), dtype=like.dtype, device=like.device)[None]
        for each in size.grid(columns, rows)
    )
    return x, y


def _mapped(said: Prediction, size: Size) -> tuple[tuple[Any, ...], dict[str, float]]:
    """The maps on a coarse grid with its step, and what they do: folds, stretch, what flow and lens move.

    A map is safe if it is sound by :class:`lior_lens.warp.Safety`'s limits: no determinant below 0.02 of that
    of the identity, and no point moved by half of the half-diagonal. Points outside the
    photograph are handled by the frame.
    """
    x, y = _grid(size, _NODES, _NODES, said.params)
    gx, gy = warp(said.params, said.flow, x, y, size.half)
    step = tuple((side - 1) / (_NODES - 1) / size.half_diagonal for side in (size.width, size.height))
    det = losses.determinant(gx, gy, (step[0], step[1])).detach().flatten(1)
    moved = torch.stack([gx - x, gy - y]).detach().norm(dim=0).flatten(1)
    safe = (det.amin(1) > 0.02) & (moved.amax(1) < 0.5)
    pixels = size.half_diagonal * WIDTH / size.width
    found = {
        "det_min": float(det.min()),
        "det_p01": float(det.quantile(0.01, 1).min()),
        "det_mean": float(det.mean()),
        "negative_det_pct": 100 * float((det < 0).float().mean()),
        "warp_safety_safe": float(safe.float().mean()),
        "final_grid_disp_px_mean": pixels * float(moved.mean()),
        "final_grid_disp_px_max": pixels * float(moved.max()),
    }
    if said.flow is not None:
        lens = torch.stack(warp(said.params, None, x, y, size.half)).detach()
        alone = (lens - torch.stack([x, y]).expand_as(lens)).norm(dim=0).mean()
        flow = (torch.stack([gx, gy]).detach() - lens).norm(dim=0).mean()
        found |= {
            "param_grid_disp_px_mean": pixels * float(alone),
            "residual_contrib_disp_px_mean": pixels * float(flow),
            "residual_to_param_disp_ratio": float(flow / alone.clamp(min=1e-6)),
        }
    return (gx, gy, (step[0], step[1])), found


def endpoint_errors(said: Prediction, truth: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Mean distances ``[B]`` of the predicted points to the true ones, and of the unmoved points."""
    rows, columns = truth.shape[-2:]
    x, y = _grid(size, columns, rows, truth)
    gx, gy = warp(said.params, said.flow, x, y, size.half)
    error = (torch.stack([gx, gy], 1) - truth).square().sum(1).add(1e-12).sqrt().mean((1, 2))
    return error, (torch.stack([x, y], 1) - truth).norm(dim=1).mean((1, 2))


def correct(images: Tensor, said: Prediction) -> tuple[Tensor, Tensor]:
    """Corrected pictures, and where ``[B, 1, H, W]`` they show the photograph (1) and where not (0)."""
    height, width = images.shape[-2:]
    size = Size(width=width, height=height)
    x, y = _grid(size, width, height, images)
    gx, gy = warp(said.params, said.flow, x, y, size.half)
    at = torch.stack([gx / size.half[0], gy / size.half[1]], -1)
    found = nn.functional.grid_sample(images, at, mode="bilinear", padding_mode="border", align_corners=False)
    return found, (at.detach().abs().amax(-1, keepdim=True) <= 1).to(images.dtype).permute(0, 3, 1, 2)


def learning_rate(config: LensConfig, step: int) -> float:
    """The step size of a step, from 0 on; the last step of the run has the least."""
    lr, schedule, last = config.optimizer.lr, config.scheduler, max(1, config.steps - 1)
    if schedule.name == "none":
        return lr
    if schedule.name == "cosine":
        least = min(_LEAST_RATE, lr)
        return least + (lr - least) * (1 + math.cos(math.pi * min(1.0, step / last))) / 2
    rise = schedule.pct_start * last
    first = lr / _RISE
    if step < rise:
        return first + (lr - first) * (1 - math.cos(math.pi * step / rise)) / 2
    end = first / _FALL
    return end + (lr - end) * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(last - rise, 1e-9)))) / 2


def _optimizer(network: nn.Module, config: LensConfig) -> torch.optim.AdamW:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.optimizer.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.optimizer.lr)
