"""A model as tensors and a JSON object, for lior's files without pickle."""

from __future__ import annotations

from typing import Any

import attrs

from lior import registry as lior_registry
from lior.errors import UsageError
from lior.interfaces import State
from lior.tensors import prefixed, sub
from lior_tables import readouts
from lior_tables.iterative import IterativeMember
from lior_tables.kernel import Parts
from lior_tables.members import Candidate, Member, Setting
from lior_tables.plan import Options, plugin
from lior_tables.stored import Rows
from lior_tables.tree import Grove, Tree

FORMAT = 1
_PARTS = ("frame", "rsource", "product", "readout")


def described(given: Any) -> Any:
    """A plugin as its class and options; names and ``None`` as they are."""
    if given is None or isinstance(given, str):
        return given
    cls = type(given)
    return {"class": f"{cls.__module__}:{cls.__qualname__}", "options": attrs.asdict(given)}


def rebuilt(kind: str, found: Any) -> Any:
    """The inverse of :func:`described`.

    Raises
    ------
    UsageError
        When it does not describe a plugin of the kind.
    """
    if found is None or isinstance(found, str):
        return found
    if not isinstance(found, dict) or set(found) != {"class", "options"}:
        raise UsageError(f"the saved {kind} is not described by its class and options")
    cls = plugin_class(kind, found["class"])
    return cls(**found["options"])


def plugin_class(kind: str, target: str) -> Any:
    """The class of a plugin by ``package.module:Class``, checked to be one of its kind."""
    return (readouts.registry if kind == "readout" else lior_registry).get(kind, target)


def options_as_meta(options: Options) -> dict[str, Any]:
    """Options as JSON."""
    values = {field.name: getattr(options, field.name) for field in attrs.fields(Options)}
    return {name: described(value) for name, value in values.items() if name in _PARTS} | {
        name: value for name, value in values.items() if name not in _PARTS
    }


def options_from_meta(meta: dict[str, Any]) -> Options:
    """The inverse of :func:`options_as_meta`."""
    values = {name: rebuilt(name, value) if name in _PARTS else value for name, value in meta.items()}
    return Options(**values)


def member_as_snapshot(member: Member | Grove) -> tuple[State, dict[str, Any]]:
    """Values, centre and state of a member, without the rows; and what it is made of."""
    candidate = member.candidate
    tensors = _tensors(member)
    parts: dict[str, Any] = {name: getattr(candidate.parts, name) for name in _PARTS[:3]} | {
        "readout": candidate.readout
    }
    meta = {
        "name": candidate.name,
        "parts": {name: described(value) for name, value in parts.items()},
        "steps": member.setting.steps,
        "grid": {"bandwidths": candidate.bandwidths, "ridges": candidate.ridges, "rounds": candidate.rounds},
    }
    return tensors, meta


def member_from_snapshot(tensors: State, meta: dict[str, Any], rows: Rows, *, exact: bool) -> Member | Grove:
    """The inverse of :func:`member_as_snapshot`."""
    parts: dict[str, Any] = {
        name: plugin(name, rebuilt(name, value)) for name, value in meta["parts"].items()
    }
    readout = parts.pop("readout")
    grid = meta["grid"]
    candidate = Candidate(
        name=meta["name"],
        parts=Parts(**parts),
        readout=readout,
        bandwidths=tuple(grid["bandwidths"]),
        ridges=tuple(grid["ridges"]),
        rounds=grid["rounds"],
    )
    setting = Setting(steps=tuple((float(bandwidth), float(ridge)) for bandwidth, ridge in meta["steps"]))
    return _restored(tensors, candidate, setting, rows, exact=exact)


def _tensors(member: Member | Grove) -> State:
    """Values, centre and state; of a grove its borders, and of each leaf these and which rows it has."""
    if isinstance(member, Member):
        return member.tensors()
    tensors = prefixed("tree", member.tree._asdict())
    for number, (leaf, index) in enumerate(zip(member.leaves, member.index, strict=True)):
        tensors |= prefixed(f"leaf{number}", {**_tensors(leaf), "index": index})
    return tensors


def _restored(
    tensors: State, candidate: Candidate, setting: Setting, rows: Rows, *, exact: bool
) -> Member | Grove:
    """The inverse of :func:`_tensors`."""
    borders = sub(tensors, "tree")
    if not borders:
        kind = IterativeMember if "solution" in tensors else Member
        return kind.restored(tensors, candidate, setting, rows)
    tree = Tree(**borders)
    parts = [sub(tensors, f"leaf{number}") for number in range(tree.leaves)]
    index = [part["index"] for part in parts]
    if any(len(here) and (int(here.min()) < 0 or int(here.max()) >= len(rows.z)) for here in index):
        raise UsageError("a leaf of a saved tree has rows that are not there")
    leaves = [_restored(part, candidate, setting, rows.take(part["index"]), exact=exact) for part in parts]
    return Grove(tree, [leaf for leaf in leaves if isinstance(leaf, Member)], index, rows, exact=exact)


def contiguous(state: State) -> State:
    """Tensors as a file wants them: their own memory, on the CPU."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}
