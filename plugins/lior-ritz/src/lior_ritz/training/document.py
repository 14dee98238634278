"""Compatibility with the older solver and the document about it.

Its files are read with the defaults of this package; the recipe ``document`` has that program's own defaults.
Its files may have keys that it did not read: options of other potentials, and derived values. These are left
out. Its options remain: the learning rate that falls on a plateau, the penalty on the overlap
(:mod:`.objective`), and training nodes that are drawn at random (:mod:`.assembly`)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from os import PathLike
from typing import Any

from lior.config import Labelled, read_recipe
from lior_ritz.problem.units import MATERIALS

_DERIVED = ("beta_x", "beta_y", "barrier_dimless", "E0_meV")
"""Keys that it wrote into the configuration of a run, and never read."""
_OURS = frozenset(
    {
        "physics.eps_r",
        "physics.field_tesla",
        "physics.g",
        "physics.rashba_meV_nm",
        "physics.dresselhaus_meV_nm",
        "physics.mass",
        "physics.mass_x",
        "physics.mass_y",
        "physics.offset_meV",
        "domain.dim",
        "domain.Z",
        "domain.W",
        "domain.boundary",
        "domain.eval_nq",
        "solver.head",
        "solver.parity",
        "model.activation",
        "training.seed",
        "training.device",
        "training.lbfgs_refine",
        "training.guard",
        "training.early_stop",
        "training.checkpoint",
    }
)
"""Keys that the first solver did not have."""
_UNREAD = {
    "targets": ("c4", "c2y", "barrier_meV"),
    "raw": ("hbar_omega_x_meV", "hbar_omega_y_meV", "barrier_meV"),
    "barrier": ("c4", "hbar_omega_x_meV"),
}
"""By mode, options of the double dot that it overwrote or did not read."""
_DOT = ("param_mode", "a", "delta", "c4", "c2y", "hbar_omega_x_meV", "hbar_omega_y_meV", "barrier_meV")
"""Options of the double dot, which it did not read for a gaussian."""


class UnreadKey(UserWarning):
    """A weight of an old file has no effect."""


def adapt(layer: str | PathLike[str] | Mapping[str, Any] | Labelled) -> Any:
    """Return the layer without the keys of an old file that its program did not read.

    A JSON file with a potential or a key that the first solver did not have is used unchanged, such as the
    ``config.json`` of a run.

    Raises ``ConfigError`` when it is a JSON file that cannot be read.
    """
    if isinstance(layer, Mapping | Labelled) or not str(layer).lower().endswith(".json"):
        return layer
    table = read_recipe(layer, "")
    if _is_ours(table):
        return layer
    for name, read_by_it in (
        ("potential", _without_stale),
        ("physics", _without_label),
        ("model", _with_sines),
        ("training", _without_penalties),
    ):
        if isinstance(section := table.get(name), dict):
            table[name] = read_by_it(section)
    return Labelled(table, f"file {layer}")


def _is_ours(table: Mapping[str, Any]) -> bool:
    potential = table.get("potential")
    kind = potential.get("type") if isinstance(potential, dict) else potential
    if kind not in (None, "biquadratic_dqd", "gaussian"):
        return True
    sections = ((name, section) for name, section in table.items() if isinstance(section, dict))
    return any(f"{name}.{key}" in _OURS for name, section in sections for key in section)


def _without_stale(potential: dict[str, Any]) -> dict[str, Any]:
    if potential.get("type", "biquadratic_dqd") == "biquadratic_dqd":
        mode = potential.get("param_mode", "targets")
        unread = {*_DERIVED, *_UNREAD.get(mode, ())}
        if mode == "barrier" and "hbar_omega_y_meV" in potential:
            unread.add("c2y")  # the spacing won
        return {key: value for key, value in potential.items() if key not in unread}
    return {key: value for key, value in potential.items() if key not in (*_DOT, *_DERIVED)}


def _without_label(physics: dict[str, Any]) -> dict[str, Any]:
    """The name of a material was any text, and only the mass counted."""
    named = physics.get("m_eff") is not None and physics.get("material") not in MATERIALS
    return {key: value for key, value in physics.items() if key != "material" or not named}


def _without_penalties(training: dict[str, Any]) -> dict[str, Any]:
    """Its files may weigh two penalties that it never read; a note says that they do nothing."""
    weights = training.get("loss_weights")
    if not isinstance(weights, dict):
        return training
    unread = [name for name in ("boundary", "pde_polish") if weights.get(name)]
    for name in unread:
        warnings.warn(
            f"{name} in loss_weights does nothing: there is no such penalty", UnreadKey, stacklevel=5
        )
    return training | {"loss_weights": {key: v for key, v in weights.items() if key not in unread}}


def _with_sines(model: dict[str, Any]) -> dict[str, Any]:
    """All its networks were of sines; frequencies are of those."""
    named = "first_omega_0" in model or "hidden_omega_0" in model
    return {"activation": "sine"} | model if named else model
