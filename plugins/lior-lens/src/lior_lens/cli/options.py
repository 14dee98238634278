"""Options and types that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import UsageError
from lior_cli import layer_options

if TYPE_CHECKING:
    from lior_lens.geometry import Size
    from lior_lens.runs import LensModel

model_option = click.option(
    "--model",
    "model_path",
    metavar="RUN|shipped|none",
    default="none",
    help="Network that proposes a lens before lines judge: a run, a package, or the shipped one.",
)


config_options = layer_options("Set a key, as optimizer.lr=1e-3.")
"""Adds ``--config`` and ``--set``; the command gets ``layers`` and ``assignments``."""


def open_model(name: str) -> LensModel | None:
    """The network that ``--model`` names; imports torch only if there is one."""
    if name == "none":
        return None
    shipped = Path(__file__).parents[1] / "weights" / "small"
    path = shipped if name == "shipped" else Path(name)
    if name == "shipped" and not path.is_dir():
        return None
    from lior_cli import import_torch

    import_torch()
    from lior_lens.runs import LensModel

    return LensModel.open(path)


def size_of(text: str) -> Size:
    """``WIDTHxHEIGHT``."""
    from lior_lens.geometry import Size

    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found or not all(0 < int(side) < 1 << 20 for side in found.groups()):
        raise UsageError(f"--size {text!r}: give width and height in pixels, as 6000x4000")
    return Size(width=int(found[1]), height=int(found[2]))


def existing(path: Path) -> Path:
    """A path that is there; raises ``UsageError``."""
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    return path
