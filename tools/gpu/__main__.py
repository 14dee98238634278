"""All that can only be known on a GPU, written to docs/gpu.md.

    python -m tools.gpu                  # at most 30 minutes, on the first GPU
    python -m tools.gpu --rehearse       # the same on the CPU, with tiny problems, printed

Each step is a process of its own with a limit of time: one that fails is a row, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import attrs
import torch

from tools.gpu.measuring import Place, Row
from tools.gpu.steps import STEPS

ROOT = Path(__file__).parents[2]
_HEAD = "| step | what | verdict | difference | allowed | CPU ms | device ms | note |\n" + "|---" * 8 + "|"


def run_step(name: str, place: Place, seconds: float) -> list[Row]:
    """The rows of a step in its own process, or one that says why there are none."""
    command = [sys.executable, "-m", "tools.gpu", "--step", name, *["--rehearse"] * place.tiny]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return [Row(name, "FAILED", f"it took more than {seconds:.0f} s")]
    try:
        return [Row(**each) for each in json.loads(done.stdout.splitlines()[-1])]
    except (ValueError, IndexError, TypeError):
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return [Row(name, "FAILED", last)]


def run_all(names: list[str], place: Place, minutes: float) -> list[tuple[str, Row]]:
    """The rows of all steps, within so many minutes."""
    end, rows = time.monotonic() + 60 * minutes, list[tuple[str, Row]]()
    for name in names:
        left = min(STEPS[name][1], end - time.monotonic())
        found = run_step(name, place, left) if left > 0 else [Row(name, "not run", "the minutes were over")]
        rows += [(name, row) for row in found]
        print(f"{name}: {', '.join(row.verdict for row in found)}", file=sys.stderr, flush=True)
    return rows


def page(rows: list[tuple[str, Row]], place: Place) -> str:
    """The document."""

    def number(value: float | None, form: str, scale: float = 1) -> str:
        return "" if value is None else format(value * scale, form)

    day = datetime.now(UTC).date()
    what = "a rehearsal on the CPU: nothing ran on a GPU" if place.tiny else "`python -m tools.gpu`"
    lines = [
        "# On a GPU",
        "",
        f"{day}, {what}. Differences are parts of the CPU's largest number.",
        "",
        _HEAD,
    ]
    for step, row in rows:
        cells = [
            step, row.what, row.verdict, number(row.difference, ".1e"), number(row.allowed, ".0e"),
            number(row.cpu, ".2f", 1e3), number(row.device, ".2f", 1e3), row.note,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Read the command line; 1 if a step failed, or the device differs from the CPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, tiny")
    parser.add_argument("--minutes", type=float, default=30.0, help="of all steps together")
    parser.add_argument("--out", type=Path, help="file to write; docs/gpu.md, and none in a rehearsal")
    parser.add_argument("--only", nargs="+", choices=[*STEPS], default=[*STEPS], help="some steps")
    parser.add_argument("--step", choices=[*STEPS], help=argparse.SUPPRESS)
    given = parser.parse_args()
    place = Place("cpu" if given.rehearse else "cuda", given.rehearse)
    if not given.rehearse and not torch.cuda.is_available():
        parser.error("no CUDA GPU is visible to PyTorch here; --rehearse tries the command on the CPU")
    if given.step:
        with torch.no_grad():
            print(json.dumps([attrs.asdict(row) for row in STEPS[given.step][0](place)]))
        return 0
    rows = run_all(given.only, place, given.minutes)
    out = given.out or (None if given.rehearse else ROOT / "docs/gpu.md")
    text = page(rows, place)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
    return int(any(row.verdict not in ("equal", "told") for _, row in rows))


if __name__ == "__main__":
    sys.exit(main())
