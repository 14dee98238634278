"""Recipes: TOML files with a configuration, shipped with lior or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lior._suggest import did_you_mean, sentences
from lior.errors import ConfigError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MAX_BYTES = 1_000_000
"""A recipe is refused above this size: nobody writes one by hand."""

_SUFFIX = ".toml"


def shipped() -> dict[str, Traversable]:
    """The recipes that come with lior, by name."""
    from importlib.resources import files

    found = {item.name: item for item in files("lior.configs").iterdir() if item.name.endswith(_SUFFIX)}
    return {name.removesuffix(_SUFFIX): found[name] for name in sorted(found)}


def read(recipe: str | PathLike[str]) -> dict[str, Any]:
    """The table in a recipe.

    Parameters
    ----------
    recipe
        The name of a shipped recipe or the path of a TOML file; a name that
        contains a dot or a separator is a path.

    Raises
    ------
    ConfigError
        If there is no such recipe or it is not TOML of at most :data:`MAX_BYTES` bytes.
    """
    import tomllib

    data = _bytes(recipe)
    if len(data) > MAX_BYTES:
        raise ConfigError([f"{recipe}: larger than {MAX_BYTES} bytes, so it cannot be a recipe."])
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError([f"{recipe}: byte {error.start} is not UTF-8. Save the file as UTF-8."]) from error
    except RecursionError as error:
        raise ConfigError([f"{recipe}: nested too deeply. A recipe needs three levels."]) from error
    except ValueError as error:
        raise ConfigError([f"{recipe}: not valid TOML: {error}."]) from error


def describe(table: Mapping[str, Any]) -> str:
    """The description that a recipe gives of itself, on one line."""
    return " ".join(str(table.get("description", "")).split())


def _bytes(recipe: str | PathLike[str]) -> bytes:
    name = str(recipe)
    known = shipped()
    if name in known:
        return known[name].read_bytes()
    try:
        with Path(recipe).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        shown = f"Shipped recipes: {', '.join(known)}."
        message = f"{name}: no such recipe and no such file."
        raise ConfigError([sentences(message, did_you_mean(name, known), shown)]) from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ConfigError([f"{name}: cannot be read: {cause}."]) from error
