"""Large folders with questions: the documentation of Debian packages, which is fetched when it is needed.

``data/manuals.json`` names the packages with the SHA-256 of the versions that the questions were written for;
``data/manuals.questions.jsonl`` has the questions. Nothing of the documentation is committed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from lior_bench.sets import Question, folder
from lior_bench.worlds import DATA


def manuals(part: str) -> dict[str, list[Question]]:
    """Return the manuals of a part (``learn``, ``choose``, ``last``) with their questions."""
    found: dict[str, list[Question]] = {name: [] for name, each in _known().items() if each["part"] == part}
    for line in (folder(DATA) / "manuals.questions.jsonl").read_text("utf-8").splitlines():
        each = json.loads(line)
        if each["manual"] in found:
            words = (each["answer"], *each.get("also", ())) if each["answer"] else ()
            kind, language = each["kind"] if words else "unanswerable", each["language"]
            question = Question(
                text=each["question"], kind=kind, words=words, language=language, of=each["manual"]
            )
            found[each["manual"]].append(question)
    return found


def fetch(name: str, out: Path) -> None:
    """Write the pages of a manual to ``out``; ``apt-get`` fetches its packages, ``man`` formats pages.

    Raises
    ------
    click.ClickException
        When a package cannot be fetched.
    """
    for about in _known()[name]["packages"]:
        with tempfile.TemporaryDirectory() as temporary:
            _unpack(about, Path(temporary))
            root = Path(temporary) / "x" / about["folder"]
            for page in sorted(root.rglob(f"*{about.get('ends', '.html')}")):
                place = page.relative_to(root)
                if not page.is_symlink() and place.parts[0] in about.get("folders", place.parts[:1]):
                    (out / place).parent.mkdir(parents=True, exist_ok=True)
                    if page.suffix == ".gz":
                        (out / place).with_suffix(".txt").write_bytes(_formatted(page))
                    else:
                        shutil.copyfile(page, out / place)


def _unpack(about: dict[str, str], temporary: Path) -> None:
    for command in (("apt-get", "download", about["package"]), ("dpkg-deb", "-x", "*.deb", "x")):
        words = [str(next(temporary.glob(each))) if "*" in each else each for each in command]
        try:
            subprocess.run(words, cwd=temporary, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise click.ClickException(
                f"{about['package']} cannot be fetched ({error}); it needs Debian 12 and its package "
                "lists: run apt-get update"
            ) from None
    package = next(temporary.glob("*.deb"))
    if hashlib.sha256(package.read_bytes()).hexdigest() != about["sha256"]:
        click.echo(f"{package.name}: another version than {about['version']}; answers may differ", err=True)


def _formatted(page: Path) -> bytes:
    """Return a manual page as ``man`` shows it, 80 columns wide."""
    try:
        wide = os.environ | {"MANWIDTH": "80"}
        shown = subprocess.run(["man", "-E", "UTF-8", "-l", page], capture_output=True, env=wide, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise click.ClickException(f"{page.name} cannot be formatted ({error}): install man-db") from None
    return shown.stdout


def _known() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((folder(DATA) / "manuals.json").read_text("utf-8"))
    return found
