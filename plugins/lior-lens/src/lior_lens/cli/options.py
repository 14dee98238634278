"""Options and types that several commands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import UsageError

if TYPE_CHECKING:
    from lior_lens.geometry import Size
    from lior_lens.runs import Model

Callback = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, no more.")
quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")
model_option = click.option(
    "--model", "model_path", metavar="RUN|shipped|none", default="none", show_default=True,
    help="Network that proposes a lens before lines judge: a run, a package, or the shipped one.",
)  # fmt: skip


def config_options(command: Callback) -> Callback:
    """Add ``--config`` and ``--set``; the command gets ``layers`` and ``assignments``."""

    @click.option(
        "--config", "layers", multiple=True, metavar="FILE|NAME",
        help="A TOML or JSON file, or a shipped recipe; several are laid over one another, the last on top.",
    )  # fmt: skip
    @click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a key, as optimizer.lr=1e-3."
    )
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    return wrapped


def open_model(name: str) -> Model | None:
    """The network that ``--model`` names; imports torch only if there is one."""
    if name == "none":
        return None
    from pathlib import Path

    shipped = Path(__file__).parents[1] / "weights" / "small"
    path = shipped if name == "shipped" else Path(name)
    if name == "shipped" and not path.is_dir():
        return None
    from lior_cli.interrupts import import_torch

    import_torch()
    from lior_lens.runs import Model

    return Model.open(path)


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
