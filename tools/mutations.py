"""Break each claim once, and require that its command fails.

    python -m tools.mutations            # all; exit code 1 if a command does not notice
    python -m tools.mutations curvature  # claims with this word in the item or the command

For each row of :mod:`tools.claims` with a command, the file beside this one has a change that makes the
claim false. It consists of a text that occurs once in its file, and its replacement. The changes are made
in copies of this checkout. There a command runs on the changed code until a test fails. Then this test runs
on the original code, where it must pass. Tests that cannot be imported show nothing about a claim, so that
is an error here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tools import claims

KEPT = Path(__file__).with_name("mutations.toml")
PACKAGES = ("lior", "lior_cli", "lior_plugins", "lior_field", "lior_lens", "lior_ritz", "lior_tables")
FOLDERS = ("cli", "configs", "docs", "examples", "lior", "plugins", "tests", "tools")
# A package that is not found prints its name, which lies in no folder.
_WHERE = (
    "import sys; from importlib.util import find_spec; "
    "[print(getattr(find_spec(x), 'origin', x)) for x in sys.argv[1:]]"
)


class Mutation(NamedTuple):
    """A change after which a claim is false."""

    file: str
    """Path in the checkout."""
    old: str
    """Original text, which occurs once in the file."""
    new: str

    def apply(self, source: str) -> str:
        """Return the source after the change.

        Raises
        ------
        ValueError
            If ``old`` does not occur exactly once.
        """
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.file}: {count} times, not once: {self.old!r}; mend {KEPT.name}")
        return source.replace(self.old, self.new)


def mutations() -> dict[str, Mutation]:
    """Return the change for each item of the tables of claims."""
    return {item: Mutation(**fields) for item, fields in tomllib.loads(KEPT.read_text("utf-8")).items()}


def copy_checkout(to: Path) -> None:
    """Copy the folders of this checkout that commands read, into a folder that is not there yet."""
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
    for name in FOLDERS:
        shutil.copytree(claims.ROOT / name, to / name, ignore=unwanted)
    for file in (*claims.ROOT.glob("*.toml"), *claims.ROOT.glob("*.md")):
        shutil.copy(file, to / file.name)


def variables(copy: Path) -> dict[str, str]:
    """Return the environment in which Python, and all that it starts, imports the code of a copy.

    Raises
    ------
    RuntimeError
        If a package comes from elsewhere all the same.
    """
    tops = [copy, copy / "plugins", copy / "cli", *sorted((copy / "plugins").glob("*/src"))]
    found = {"PYTHONPATH": os.pathsep.join(map(str, tops)), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = subprocess.run(
        [sys.executable, "-c", _WHERE, *PACKAGES],
        cwd=copy,
        env=os.environ | found,
        capture_output=True,
        text=True,
        check=True,
    )
    if strange := [path for path in asked.stdout.splitlines() if not Path(path).is_relative_to(copy)]:
        raise RuntimeError(f"not imported from the copy {copy}: {', '.join(strange)}")
    return found


@contextlib.contextmanager
def broken(copy: Path, mutation: Mutation) -> Iterator[None]:
    """Apply a change in a copy. No compiled Python is stored there, so none can be older than the change."""
    path = copy / mutation.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutation.apply(whole), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(whole, encoding="utf-8")


def unnoticed(command: str, mutation: Mutation, copy: Path, environment: dict[str, str]) -> str:
    """Return why a command does not show its claim; empty if a test fails on the broken code alone."""
    with tempfile.TemporaryDirectory() as cache:
        kept = ("-p", "cacheprovider", "-o", f"cache_dir={cache}")  # of the test that failed
        with broken(copy, mutation):
            code, line = claims.run(command, copy, *kept, "--exitfirst", **environment)
        if code != 1 or " failed" not in line:
            return f"on broken code: exit code {code}: {line}"
        code, line = claims.run(command, copy, *kept, "--last-failed", **environment)
    return f"on the code as it is: exit code {code}: {line}" if code else ""


def main() -> int:
    """Break, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("word", nargs="?", default="")
    word = parser.parse_args().word
    kept = mutations()
    chosen = [each for each in claims.claims() if each.command and word in each.item + each.command]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        free: SimpleQueue[tuple[Path, dict[str, str]]] = SimpleQueue()
        for name in ("one", "other"):
            copy = Path(folder).resolve() / name
            copy_checkout(copy)
            free.put((copy, variables(copy)))

        def check(claim: claims.Claim) -> str:
            began, (copy, environment) = time.monotonic(), free.get()
            try:
                why = unnoticed(claim.command, kept[claim.item], copy, environment)
            finally:
                free.put((copy, environment))
            print(
                f"{'PASS' if why else 'ok  '} {time.monotonic() - began:4.0f} s  {claim.item:.60}", flush=True
            )
            return f"{claim.item}\n$ {claim.command}\n{why}\n" if why else ""

        wrong = [each for each in pool.map(check, chosen) if each]
    print(*wrong, sep="\n", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
