"""Checks of the content of a checkpoint, before anything is computed with it.

A checksum shows that a file was not changed, not that lior wrote it. The shapes, types and ranges that the
code relies on are checked here; the memories check their own content
(:meth:`lior.interfaces.Memory.restore`).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lior.errors import UsageError
from lior.geometry.retrieval import Geometry
from lior.interfaces import MetricForm, State, Tokenizer
from lior.model.language_model import Model
from lior.model.weighting import fresh_weights
from lior.tensors import Expected, check, like, sub


def check_counts(counts: Tensor | None, *, vocab: int) -> None:
    """Check the token counts."""
    check(
        {} if counts is None else {"token_counts": counts},
        {"token_counts": Expected("int64", (vocab,))},
        of="model",
    )
    if counts is not None and bool((counts < 0).any()):
        raise UsageError("model: token_counts below 0")


def check_geometry(geometry: Geometry, state: State) -> None:
    """Check the options and the state of a geometry."""
    if geometry.resilience_at not in ("query", "item", "both") or not 0 < geometry.smoothing < 1:
        raise UsageError(f"geometry: {geometry.resilience_at!r} with smoothing {geometry.smoothing!r}")
    check(state, {"log_beta": Expected("float", ())}, of="geometry")
    for kind, fault in faults(geometry, state):
        raise UsageError(f"geometry: {kind}: {fault}")


def faults(geometry: Geometry, state: State) -> Iterator[tuple[str, str]]:
    """Yield faults in the outputs of a geometry's plugins at one context: kind of plugin, and description.

    Outputs computed from a wrong one are not checked.
    """
    contexts = torch.full((1, geometry.encoder.reach), geometry.vocab, device=state["log_beta"].device)
    n = geometry.encoder.n
    z = geometry.encoder.encode(sub(state, "encoder"), contexts)
    if fault := _unlike(z, (1, n), "encode"):
        yield "encoder", fault
        return
    form = geometry.frame.form(sub(state, "frame"))
    if fault := form_fault(form, n):
        yield "frame", fault
        return
    r = geometry.rsource.resilience(sub(state, "rsource"), z, form)
    fault = _unlike(r, (1,), "resilience")
    if fault or not bool((r > 0).all()):
        yield "rsource", fault or "resilience is not above 0"
        return
    scorer = geometry.scorer(state)
    one, other = scorer.features(z, query=True), scorer.features(z, query=False)
    if fault := _unlike(scorer.scores(one, other), (1, 1), "cost"):
        yield "product", fault


def form_fault(form: MetricForm, n: int) -> str:
    """Return the fault of ``form`` as a metric of ``n`` dimensions; empty without a fault."""
    rank = form.d.shape[-1] if form.d.ndim else 0
    shapes = {"lam": (n,), "omega2": (), "u": (n, rank), "d": (rank,)}
    shapes |= {} if form.q is None else {"q": (n, n)}
    wrong = (_unlike(getattr(form, name), shape, f"form.{name}") for name, shape in shapes.items())
    if fault := next(filter(None, wrong), ""):
        return fault
    if not (bool((form.lam > 0).all()) and bool(form.omega2 > 0) and bool((form.d >= 0).all())):
        return "form is not positive definite: lam and omega2 must be above 0, d not below"
    return ""


def tokens_fault(tokenizer: Tokenizer, data: bytes) -> str:
    """Return the fault of ``tokenizer`` with ``data``; empty without a fault."""
    tokens = tokenizer.encode(data)
    if not isinstance(tokens, Tensor) or tokens.dtype != torch.int64 or tokens.ndim != 1:
        tensor = isinstance(tokens, Tensor)
        given = f"{tokens.dtype} {tuple(tokens.shape)}" if tensor else type(tokens).__name__
        return f"encode gave {given}, and should give a tensor of int64 with one dimension"
    wrong = tokens[(tokens < 0) | (tokens >= tokenizer.vocab)]
    if len(wrong):
        return f"encode gave the id {int(wrong[0])}, and should give 0 to {tokenizer.vocab - 1}"
    back = tokenizer.decode(tokens.tolist())
    if not isinstance(back, bytes):
        return f"decode gave {type(back).__name__}, and should give bytes"
    if back == data:
        return ""
    at = next((i for i in range(len(data)) if back[i : i + 1] != data[i : i + 1]), len(data))
    return f"decode(encode(data)) is not data: it differs from byte {at} on, {data[at : at + 8]!r}"


def _unlike(value: Tensor, shape: tuple[int, ...], what: str) -> str:
    """Return the fault of ``value`` as finite numbers of a shape; empty without a fault."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return f"{what} is not a tensor of floating point numbers"
    if tuple(value.shape) != shape:
        return f"{what} has shape {tuple(value.shape)}, and should have {shape}"
    return "" if bool(value.isfinite().all()) else f"{what} has numbers that are not finite"


def check_parts(model: Model) -> None:
    """Check that the model has a memory, and the geometry that its memories need."""
    if not model.memories:
        raise UsageError("model: there is no memory")
    if model.geometry is None and any(each.geometry for each in model.abilities):
        raise UsageError("model: there is no geometry, and a memory needs one")


def check_mixer(model: Model) -> None:
    """Check that the weights fit the experts, gates and cells; a model without a fitted mixer has none."""
    if model.cells is not None and model.geometry is not None:
        check(
            {"cells": model.cells}, {"cells": Expected("float", (None, model.geometry.encoder.n))}, of="model"
        )
    if not model.weights:
        return
    kept, fresh = model.weights, fresh_weights(model)
    if "cells" not in kept:  # a memory that was added to a single one has no weights by cell
        fresh.pop("cells", None)
    check(kept, like(fresh), of="mixer")
    if kept.keys() != fresh.keys():
        raise UsageError(
            f"mixer: {', '.join(sorted(kept.keys() ^ fresh.keys()))} do not belong to this model"
        )
