"""Code of all distributions that nothing uses, by vulture; what an entry point names is used.

python -m tools.unused
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from vulture.core import Vulture

ROOT = Path(__file__).resolve().parents[1]


def entry_points() -> Iterator[str]:
    """Yield the classes, functions and objects that the entry points of all distributions name."""
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        for group in (project.get("scripts", {}), *project.get("entry-points", {}).values()):
            yield from (target.rpartition(":")[2] for target in group.values())


def main() -> int:
    """Print what is unused; returns the exit code of vulture."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["unused"]
    finder = Vulture(
        ignore_names=[*settings["ignore_names"], *entry_points()],
        ignore_decorators=settings["ignore_decorators"],
    )
    finder.scavenge([ROOT / top for top in settings["paths"]], exclude=settings["exclude"])
    return int(finder.report())


if __name__ == "__main__":
    sys.exit(main())
