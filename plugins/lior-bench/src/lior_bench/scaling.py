"""Seconds and memory by the size of the text: `python -m lior_bench.scaling [RECIPE | MEGABYTES ...]`.

The text is the source code of Python's standard library, cut to size. Each
size is trained in a process of its own; linear growth means that seconds per
megabyte stay level.
"""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path

from lior_bench.training import train

SIZES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Megabytes."""


def text(size: int) -> bytes:
    """``size`` bytes of source code."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts: list[bytes] = []
    total = 0
    for path in sorted(folder.rglob("*.py")):
        if "site-packages" not in path.parts and total < size:
            parts.append(path.read_bytes())
            total += len(parts[-1])
    return b"".join(parts)[:size]


def seconds(recipe: str, size: float) -> dict[str, float]:
    """Seconds of the stages and peak memory of a run on ``size`` megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.txt"
        source.write_bytes(text(int(size * 1e6)))
        summary = train(source, "--config", recipe)
    kept = ("peak_rss_bytes", "val_bytes", "val_bits_per_byte")
    return {**summary["seconds"], **{key: summary[key] for key in kept}}


def main(arguments: list[str]) -> None:
    """Print a table."""
    sizes = [float(a) for a in arguments if a[0].isdigit()]
    for recipe in [a for a in arguments if not a[0].isdigit()] or ["fast", "default"]:
        print(
            f"recipe {recipe}\n  MB  total s  s/MB  memory s  geometry s  mixer s  validate s  peak MiB",
            end="",
        )
        print("  validated bytes/s  bits/byte")
        for size in sizes or SIZES:
            s = seconds(recipe, size)
            stages = "  ".join(f"{s[k]:8.1f}" for k in ("memory", "geometry", "mixer", "validate"))
            peak = s["peak_rss_bytes"] / 2**20
            print(f"{size:4.2f}  {s['total']:7.1f}  {s['total'] / size:4.1f}  {stages}  {peak:,.0f}", end="")
            print(f"  {s['val_bytes'] / s['validate']:,.0f}  {s['val_bits_per_byte']:.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
