"""A model as tensors and a JSON object, for lior's files without pickle."""

from __future__ import annotations

from typing import Any

import attrs

from lior import registry as lior_registry
from lior.interfaces import State
from lior.tensors import sub
from lior_tables import readouts
from lior_tables.kernel import Parts
from lior_tables.large import Large
from lior_tables.members import Candidate, Member, Setting
from lior_tables.plan import Options
from lior_tables.row_store import Rows

FORMAT = 2


def _describe(value: Any) -> Any:
    """Return a plugin as its class and options; names, numbers and ``None`` unchanged."""
    if not attrs.has(type(value)):
        return value
    return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "options": attrs.asdict(value)}


def _rebuild(kind: str, found: Any) -> Any:
    """Return the inverse of :func:`_describe`; the class is checked to be a plugin of the kind."""
    if not isinstance(found, dict):
        return found
    registry = readouts.registry if kind == "readout" else lior_registry
    return registry.get(kind, found["class"])(**found["options"])


def options_as_meta(options: Options) -> dict[str, Any]:
    """Return options as JSON."""
    return {field.name: _describe(getattr(options, field.name)) for field in attrs.fields(Options)}


def options_from_meta(meta: dict[str, Any]) -> Options:
    """Invert :func:`options_as_meta`; options that no longer exist are ignored."""
    known = attrs.fields_dict(Options)
    return Options(**{name: _rebuild(name, value) for name, value in meta.items() if name in known})


def member_as_snapshot(member: Member | Large) -> tuple[State, dict[str, Any]]:
    """Return values, centre and state of a member, without the rows, and its parts."""
    return member.tensors(), {**_candidate_as_meta(member.candidate), "steps": member.setting.steps}


def _candidate_as_meta(candidate: Candidate) -> dict[str, Any]:
    made_of = attrs.asdict(candidate.parts, recurse=False)
    return {
        "name": candidate.name,
        "parts": {name: _describe(value) for name, value in made_of.items()},
        "readout": _describe(candidate.readout),
        "handed": [_candidate_as_meta(each) for each in candidate.handed],
    }


def _candidate_of_meta(meta: dict[str, Any]) -> Candidate:
    """Return a candidate without the settings to try: nothing is chosen for an existing member."""
    return Candidate(
        name=meta["name"],
        parts=Parts(**{name: _rebuild(name, value) for name, value in meta["parts"].items()}),
        readout=_rebuild("readout", meta["readout"]),
        bandwidths=(),
        ridges=(),
        rounds=0,
        handed=tuple(_candidate_of_meta(each) for each in meta.get("handed", ())),
    )


def member_from_snapshot(tensors: State, meta: dict[str, Any], rows: Rows) -> Member | Large:
    """Return the inverse of :func:`member_as_snapshot`."""
    setting = Setting(steps=tuple((float(bandwidth), float(ridge)) for bandwidth, ridge in meta["steps"]))
    kind = Large if sub(tensors, "functions") else Member
    return kind.restored(tensors, _candidate_of_meta(meta), setting, rows)


def contiguous(state: State) -> State:
    """Return tensors in the form that a file needs: with their own memory, on the CPU."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
