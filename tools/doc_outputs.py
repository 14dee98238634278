"""Outputs in the documentation, written by the commands themselves.

    python tools/doc_outputs.py docs/tutorial.md            # run the page and write the outputs
    python tools/doc_outputs.py --check docs/tutorial.md    # exit code 1 if the page shows something else

The ``sh`` and ``python`` blocks of a page run in order in one empty folder, with `lior` on the path. A
``text`` block right after one of them is its output. Progress lines are left out. A comment before the block
selects lines by a regular expression, ``<!-- show: ^balloon|^word -->``, and ``...`` stands for the others.
``--check`` ignores numbers, which differ from machine to machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(
    r"^```(?P<language>sh|python)\n(?P<code>.*?)^```\n"
    r"(?:\n(?:<!-- show: (?P<show>.*?) -->\n)?```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
PROGRESS = re.compile(r"\w+: [\d,]+/[\d,]+ \(|.*\(\d+ %\)$")
"""Lines that commands print every few seconds: how many depends on the machine."""
NUMBER = re.compile(r"\d[\d,.]*(?:e[-+]?\d+)?")
CERTAINTY = re.compile(r"\((?:(?:very )?likely|unlikely|perhaps|doubtful), (?=\d+%\))")


def run_page(
    page: str, env: dict[str, str] | None = None, timeout: float = 900
) -> list[tuple[re.Match[str], str]]:
    """Return every block of ``page`` with its output, including errors.

    Raises
    ------
    RuntimeError
        When a block fails: the block and its output.
    """
    printed: list[tuple[re.Match[str], str]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scripts = folder / "bin"
        scripts.mkdir()
        for name, module in (("lior", "-m lior_cli.main "), ("python3", "")):
            (scripts / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module}"$@"\n')
            (scripts / name).chmod(0o755)
        around = {key: value for key, value in os.environ.items() if not key.startswith("LIOR_")}
        around |= {"PATH": f"{scripts}{os.pathsep}{around['PATH']}", "LIOR_READ_AHEAD": "0", **(env or {})}
        for block in BLOCK.finditer(page):
            if block["code"].startswith(">>>"):
                continue  # a doctest has its outputs inside
            shell = (
                ["bash", "-euo", "pipefail", "-c"] if block["language"] == "sh" else [sys.executable, "-c"]
            )
            done = subprocess.run(
                [*shell, block["code"]],
                cwd=folder,
                env=around,
                timeout=timeout,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if done.returncode:
                raise RuntimeError(f"{block['code']}\n{done.stdout}")
            printed.append((block, done.stdout))
    return printed


def selected(output: str, show: str | None) -> str:
    """Return the lines of ``output`` that the page shows; runs of others become ``...``."""
    lines = [line.rstrip() for line in output.splitlines() if not PROGRESS.match(line)]
    kept: list[str] = []
    for line in lines:
        if show is None or re.search(show, line):
            kept.append(line)
        elif kept[-1:] != ["..."]:
            kept.append("...")
    return "\n".join(kept).strip("\n") + "\n"


def rewritten(page: str, printed: list[tuple[re.Match[str], str]]) -> str:
    """Return ``page`` with the new outputs."""
    for block, output in reversed(printed):
        if block["shown"] is not None:
            begin, end = block.span("shown")
            page = page[:begin] + selected(output, block["show"]) + page[end:]
    return page


def without_numbers(page: str) -> list[str]:
    """Return the lines of a page with every number as ``#`` and every run of spaces as one.

    The word for a probability stands for a number; it depends on how much the encoder has read until then.
    """
    return [" ".join(NUMBER.sub("#", CERTAINTY.sub("(", line)).split()) for line in page.splitlines()]


def main(arguments: list[str]) -> int:
    """Write or compare the given pages."""
    check = "--check" in arguments
    stale = False
    for path in (Path(name) for name in arguments if name != "--check"):
        page = path.read_text()
        new = rewritten(page, run_page(page))
        if not check:
            path.write_text(new)
            continue
        for old_line, new_line in zip(without_numbers(page), without_numbers(new), strict=False):
            if old_line != new_line:
                print(f"{path}:\n- {old_line}\n+ {new_line}")
                stale = True
        stale = stale or len(page.splitlines()) != len(new.splitlines())
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
