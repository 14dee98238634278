"""Recipes: TOML or JSON files with a configuration, shipped with a package or the user's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from lior.errors import ConfigError, did_you_mean, sentences

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MAX_BYTES = 1_000_000
"""A recipe is refused above this size: nobody writes one by hand."""

PACKAGE = "lior.recipes"
"""Where the recipes of lior are."""

_JSON = ".json"
_SUFFIXES = (".toml", _JSON)


def shipped(package: str = PACKAGE) -> dict[str, Traversable]:
    """The recipes that come in ``package``, by name; none without a package."""
    from importlib.resources import files

    if not package:
        return {}
    found = {item.name: item for item in files(package).iterdir() if item.name.endswith(_SUFFIXES)}
    return {name.rpartition(".")[0]: found[name] for name in sorted(found)}


def read(recipe: str | PathLike[str], package: str = PACKAGE) -> dict[str, Any]:
    """The table in a recipe.

    A file is JSON when its name ends in ``.json``, else TOML; a byte order
    mark is passed over. What is ``null`` in JSON is as if it were not there.

    Parameters
    ----------
    recipe
        The name of a shipped recipe or the path of a file; a name that
        contains a dot or a separator is a path.
    package
        Whose recipes are shipped; without one ``recipe`` is a path.

    Raises
    ------
    ConfigError
        If there is no such recipe or it is not TOML or JSON of at most :data:`MAX_BYTES` bytes.
    """
    data, is_json = _bytes(recipe, package)
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{recipe}: larger than {MAX_BYTES} bytes, so it cannot be a recipe."])
    try:
        text = data.decode().removeprefix("\ufeff")
        return _from_json(text) if is_json else _from_toml(text)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{recipe}: byte {error.start} is not UTF-8. Save the file as UTF-8."]) from error
    except RecursionError as error:
        raise ConfigError([f"{recipe}: nested too deeply. A recipe needs three levels."]) from error
    except ValueError as error:
        form = "JSON" if is_json else "TOML"
        raise ConfigError([f"{recipe}: not valid {form}: {error}."]) from error


def describe(table: Mapping[str, Any]) -> str:
    """The description that a recipe gives of itself, on one line."""
    return " ".join(str(table.get("description", "")).split())


class _File(NamedTuple):
    data: bytes
    is_json: bool


def _bytes(recipe: str | PathLike[str], package: str) -> _File:
    name = str(recipe)
    known = shipped(package)
    if name in known:
        return _File(known[name].read_bytes(), known[name].name.endswith(_JSON))
    try:
        with Path(recipe).open("rb") as file:
            return _File(file.read(MAX_BYTES + 1), name.lower().endswith(_JSON))
    except FileNotFoundError as error:
        shown = f"Shipped recipes: {', '.join(known)}." if known else ""
        message = f"{name}: no such recipe and no such file." if known else f"{name}: no such file."
        raise ConfigError([sentences(message, did_you_mean(name, known), shown)]) from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ConfigError([f"{name}: cannot be read: {cause}."]) from error


def _from_toml(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _from_json(text: str) -> dict[str, Any]:
    """``text`` read as strictly as TOML is: keys once, finite numbers, text that is Unicode."""
    table = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    if not isinstance(table, dict):
        raise ValueError('it must be an object, such as {"key": 1}')
    json.dumps(table, ensure_ascii=False).encode()
    return table


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} is given twice in one object; remove one")
        seen.add(key)
    return {key: value for key, value in pairs if value is not None}


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON; write a finite one, or null for the default")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return value
