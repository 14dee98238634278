"""From the values of merged layers to a configuration, with a sentence for everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import Repr
from typing import TYPE_CHECKING, Any

import attrs

from lior.config.layers import Entry, Layer, nest
from lior.config.sections import Component, Components, Path, Section, chooses, section, split_names
from lior.config.values import Text, TypedField, check_table, conform, parse, typed_fields
from lior.errors import UsageError, did_you_mean, sentences

if TYPE_CHECKING:
    from lior.plugins.registry import Registry

_short = Repr()
_short.maxstring = _short.maxother = 60  # a message is one line, whatever the value


def assemble(
    schema: type, layer: Layer, registry: Registry | None = None, path: Path = ()
) -> tuple[Any, list[str]]:
    """The ``schema``, at ``path``, that ``layer`` describes, with defaults in place of what is wrong.

    ``layer`` has a value for every key of the schema, and its paths begin at
    ``path``; ``registry`` is where the messages look for names of plugins.
    """
    fields = typed_fields(schema)
    tables: dict[str, Layer] = {name: {} for name, typed in fields.items() if attrs.has(typed.hint)}
    scalars: dict[str, Entry] = {}
    problems: list[str] = []
    for inner, entry in layer.items():
        if fault := _misplaced(inner, fields, tables, path):
            problems.append(problem((*path, *inner), entry, fault))
        elif len(inner) == 1:
            scalars[inner[0]] = entry
        else:
            tables[inner[0]][inner[1:]] = entry
    values, faults = check_table(schema, {name: entry.value for name, entry in scalars.items()})
    problems += [problem((*path, f.name), scalars[f.name], f.message) for f in faults if f.name in scalars]
    for name, part in tables.items():
        if chooses(fields[name].hint):
            values[name], found = _plugins(part, section(name, fields[name], path), schema, registry)
        else:
            values[name], found = assemble(fields[name].hint, part, registry, (*path, name))
        problems += found
    try:
        return schema(**values), problems
    except (UsageError, TypeError, ValueError) as error:
        # Beside a wrong value its default stands in, and what that does not go with is nobody's fault.
        at = ".".join(path)
        return schema(), problems or [f"{at}: {error}" if at else str(error)]


def problem(path: Path, entry: Entry, message: str) -> str:
    """One line on a wrong value: key, value and origin, and what is allowed."""
    return f"{'.'.join(path)} = {_short.repr(entry.value)} (from {entry.origin}): {message}"


def _misplaced(inner: Path, fields: Mapping[str, TypedField], tables: Mapping[str, Layer], path: Path) -> str:
    """Why ``inner`` cannot be in the table at ``path``, or an empty string."""
    head = inner[0]
    dotted = ".".join((*path, head))
    if head not in fields:
        known = f"Known: {', '.join(fields)}."
        return sentences(f"unknown {'option' if path else 'key'}.", did_you_mean(head, fields), known)
    if head in tables and len(inner) == 1:
        return f"this is a table; set the keys in it, such as {dotted}.<key>"
    if head not in tables and len(inner) > 1:
        return f"{dotted} is a single value, not a table"
    return ""


def _plugins(
    layer: Layer, part: Section, schema: type, registry: Registry | None
) -> tuple[Component | Components, list[str]]:
    """The plugins that a section chooses."""
    default: Component | Components = getattr(schema(), part.path[-1])
    entry = layer[part.selector,]
    name = str(conform(entry.value, str)).strip() if isinstance(entry.value, str) else ""
    problems: list[str] = []
    if not name:
        allowed = registry.allowed(part.kind) if registry else f"the name of a {part.kind} plugin"
        problems.append(problem(part.chosen, entry, f"allowed is {allowed}"))
        name = default.name
    options = {path: entry for path, entry in layer.items() if path != (part.selector,)}
    if part.several:
        problems += _several(name, options, part, entry)
    problems += _clashes(options, part)
    return attrs.evolve(default, name=name, options=_options(options)), problems


def _several(names: str, options: Layer, part: Section, chosen: Entry) -> list[str]:
    """What is wrong with the names of several plugins and their options; wrong ones are taken out."""
    known, problems = split_names(names), []
    if len(set(known)) < len(known) or "" in known:
        problems.append(problem(part.chosen, chosen, "allowed are different names, comma-separated"))
    at = ".".join(part.path)
    for path, entry in list(options.items()):
        if len(path) < 2 or path[0] not in known:
            del options[path]
            message = sentences(
                f"say whose option it is: {at}.<name>.<option>.",
                did_you_mean(path[0], known),
                f"{'.'.join(part.chosen)} is {names!r}.",
            )
            problems.append(problem((*part.path, *path), entry, message))
    return problems


def _clashes(options: Layer, part: Section) -> list[str]:
    """Options that one layer sets as a value and another as a table; the tables are taken out."""
    problems = []
    for path, entry in list(options.items()):
        if outer := next((path[:n] for n in range(1, len(path)) if path[:n] in options), None):
            del options[path]
            message = f"{'.'.join((*part.path, *outer))} is a single value, not a table"
            problems.append(problem((*part.path, *path), entry, message))
    return problems


def _options(layer: Layer) -> dict[str, Any]:
    """Options of plugins: nested, and text read as TOML, for their types are not known yet."""
    values = ((path, entry.value) for path, entry in layer.items())
    return nest({path: parse(value) if isinstance(value, Text) else value for path, value in values})
