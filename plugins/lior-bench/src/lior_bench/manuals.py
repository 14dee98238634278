"""Folders of installed documentation, for the sets of questions about manuals.

A set names packages of Debian 12 and their files. Each is copied from below the first root that has it: a
folder into which packages were extracted with ``dpkg -x``, or the system. Pages of man are formatted without
hyphens, 100 columns wide. Nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import click


def collect(packages: dict[str, list[str]], out: Path, roots: tuple[str, ...] = ()) -> None:
    """Copy the files of ``packages``, a name and patterns below a root for each, to ``out``.

    Raises
    ------
    click.ClickException
        When a pattern has no file below any of the ``roots`` and the system's.
    """
    found = {
        (package, pattern): next(
            filter(None, (sorted(Path(root).glob(pattern)) for root in (*roots, "/"))), []
        )
        for package, patterns in packages.items()
        for pattern in patterns
    }
    lacking = sorted({package for (package, _), files in found.items() if not files})
    if lacking:
        raise click.ClickException(
            f"not installed: {', '.join(lacking)}; run apt-get download {' '.join(lacking)}, "
            "extract each with dpkg -x PACKAGE.deb DIR, and give --root DIR"
        )
    for (_, pattern), files in found.items():
        for path in files:
            place = out / Path(*path.parts[-len(Path(pattern).parts) :]).relative_to("usr/share")
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.relative_to(out).parts[0] == "man":
                place.with_name(place.name.removesuffix(".gz") + ".txt").write_text(page(path), "utf-8")
            else:
                shutil.copyfile(path, place)


def page(path: Path) -> str:
    """A page of man as text."""
    environment = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
    man = ("man", "-Tutf8", "--nj", "--nh", "-P", "cat", str(path))
    shown = subprocess.run(man, env=environment, capture_output=True, check=True).stdout
    return subprocess.run(
        ("col", "-bx"), env=environment, input=shown, capture_output=True, check=True
    ).stdout.decode()
