"""Run the commands of the tables of claims, and compare their last lines with the recorded ones.

    python -m tools.claims            # all; exit code 1 if one fails, or its last line has changed
    python -m tools.claims curvature  # claims with this word in the item or the command
    python -m tools.claims --write    # records the last lines

A table of claims is one of the pages below whose last column has the header *shown by*. All its commands
are pytest. They run in this checkout, two at a time, each in an empty home of its own; seconds in a last
line are not compared. :mod:`tools.mutations` shows that a command fails if its claim is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/physics.md", *(f"plugins/lior-{name}/docs/results.md" for name in ("tables", "ritz", "lens")))
LAST = Path(__file__).with_name("claims.json")
HEAD = "shown by"
_SECONDS = re.compile(r", \d+ deselected| in [\d.]+s( \([\d:]+\))?|\b[\d.]+ s\b")


class Claim(NamedTuple):
    """A row of a table."""

    page: str
    item: str
    verdict: str
    command: str
    """The command; empty if there is nothing to run."""


def claims() -> Iterator[Claim]:
    """Yield all rows of all tables."""
    for page in PAGES:
        inside = False
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not cells:
                inside = False
            elif cells[-1] == HEAD:
                inside = True
            elif inside and set(cells[0]) != {"-"}:
                yield Claim(page, cells[0], cells[1], cells[-1].strip("`"))


def last_line(command: str) -> str:
    """Return the last line that a command prints, without seconds, or how it failed."""
    code, line = run(command, ROOT, "-p", "no:cacheprovider")
    return line if code == 0 else f"exit code {code}: {line}"


def run(command: str, root: Path, *options: str, **variables: str) -> tuple[int, str]:
    """Run a command in the checkout ``root``; returns its exit code and its last line, without seconds.

    ``options`` of pytest and ``variables`` of the environment are added.
    """
    with tempfile.TemporaryDirectory() as home:
        _share_compiled_code(Path(home))
        places = dict.fromkeys(("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), home)
        program = [sys.executable, "-m", *shlex.split(command), "-q", "-m", "", *options]
        done = subprocess.run(
            program,
            cwd=root,
            env=os.environ | places | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in (done.stdout or done.stderr).splitlines() if line.strip()] or [""]
    return done.returncode, _SECONDS.sub("", lines[-1])


def _share_compiled_code(home: Path) -> None:
    """Let a home use the user's compiled loops: their folder's name is a digest of their source."""
    users = user_cache_path("lior", appauthor=False) / "compiled"
    users.mkdir(parents=True, exist_ok=True)
    (home / "lior").mkdir()
    (home / "lior" / "compiled").symlink_to(users)


def main() -> int:
    """Run, print and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("word", nargs="?", default="")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    known = json.loads(LAST.read_text()) if LAST.exists() else {}
    chosen = [each for each in claims() if given.word in each.item + each.command]
    commands = sorted({each.command for each in chosen if each.command})
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(commands, pool.map(last_line, commands), strict=True))
    wrong = [command for command in commands if found[command] != known.get(command)]
    for each in chosen:
        mark = "    " if not each.command else "DIFF" if each.command in wrong else "ok  "
        print(f"{mark} {each.verdict:<9} {each.item:.60}  {found.get(each.command, '')}")
    if given.write:
        there = {each.command for each in claims()}
        kept = {command: line for command, line in (known | found).items() if command in there}
        LAST.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    failed = [command for command in commands if found[command].startswith("exit code")]
    for command in failed if given.write else wrong:
        print(f"\n$ {command}\nwas: {known.get(command)}\nis:  {found[command]}", file=sys.stderr)
    return bool(failed) if given.write else bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
