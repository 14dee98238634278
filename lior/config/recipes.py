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
"""Maximum size of a recipe; a larger file is not a configuration."""

PACKAGE = "lior.configs"
"""Package with the recipes of lior."""

_JSON = ".json"
_SUFFIXES = (".toml", _JSON)


def list_shipped(package: str = PACKAGE) -> dict[str, Traversable]:
    """Return the recipes that come in ``package``, by name; none without a package."""
    from importlib.resources import files

    if not package:
        return {}
    found = {item.name: item for item in files(package).iterdir() if item.name.endswith(_SUFFIXES)}
    return {name.rpartition(".")[0]: found[name] for name in sorted(found)}


def read_recipe(recipe: str | PathLike[str], package: str = PACKAGE) -> dict[str, Any]:
    """Return the table in a recipe.

    A file is JSON when its name ends in ``.json``, else TOML; a byte order mark is skipped. In JSON ``null``
    leaves a key out.

    Parameters
    ----------
    recipe
        The name of a shipped recipe or the path of a file.
    package
        Package with shipped recipes; if empty, ``recipe`` is a path.

    Raises
    ------
    ConfigError
        If there is no such recipe or it is not TOML or JSON of at most :data:`MAX_BYTES` bytes.
    """
    import tomllib  # costs start-up time

    data, is_json = _bytes(recipe, package)
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{recipe}: larger than {MAX_BYTES} bytes, so it cannot be a recipe."])
    try:
        text = data.decode().removeprefix("\ufeff")
        return _from_json(text) if is_json else tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{recipe}: byte {error.start} is not UTF-8. Save the file as UTF-8."]) from error
    except RecursionError as error:
        raise ConfigError([f"{recipe}: nested too deeply. A recipe needs three levels."]) from error
    except ValueError as error:
        form = "JSON" if is_json else "TOML"
        raise ConfigError([f"{recipe}: not valid {form}: {error}."]) from error


def describe(table: Mapping[str, Any]) -> str:
    """Return the description in a recipe, on one line."""
    return " ".join(str(table.get("description", "")).split())


class _File(NamedTuple):
    data: bytes
    is_json: bool


def _bytes(recipe: str | PathLike[str], package: str) -> _File:
    name = str(recipe)
    known = list_shipped(package)
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


def _from_json(text: str) -> dict[str, Any]:
    """Read ``text`` as strictly as TOML: no key twice, finite numbers, valid Unicode."""
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
    raise ValueError(f"{word} is not a number in JSON; write a finite one, or null for the default")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return value
