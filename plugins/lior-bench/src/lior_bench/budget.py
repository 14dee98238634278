"""Bits per byte against bytes of memory: ``python -m lior_bench.budget TEXT [--out PICTURE]``.

Every recipe is trained on the first bytes of TEXT without a budget, and then with budgets in bytes per
byte of text; each run is a process of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from lior_bench.training import train

BUDGETS = {"default": (0, 200, 150, 100, 50, 25), "fast": (0, 60, 45, 30, 15)}
"""Recipe -> budgets in bytes per byte of text; 0 is no limit."""


def draw(curves: dict[str, list[tuple[int, float]]], unlimited: dict[str, float], out: Path) -> None:
    """A picture of the curves, with a dashed line for the bits without a limit."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for recipe, points in curves.items():
        (line,) = axes.plot(*zip(*points, strict=True), marker="o", label=recipe)
        axes.axhline(unlimited[recipe], color=line.get_color(), linestyle="--", linewidth=1)
    axes.set(xscale="log", xlabel="budget, bytes per byte of text", ylabel="nats per byte, held out")
    ticks = sorted({budget for points in curves.values() for budget, _ in points})
    axes.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(title="recipe (dashed: no limit)")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)


@click.command()
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--bytes", "size", default=460_000, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
def main(text: Path, size: int, out: Path | None) -> None:
    """Print a row for each run, and draw the curves."""
    curves: dict[str, list[tuple[int, float]]] = {}
    unlimited: dict[str, float] = {}
    print("| recipe | bytes per byte | nats/byte |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / "text.txt"
        cut.write_bytes(text.read_bytes()[:size])
        for recipe, budgets in BUDGETS.items():
            for budget in budgets:
                arguments = ("--config", recipe, "--memory-budget", str(budget * size))
                value = train(cut, *arguments)["val_nats_per_byte"]
                print(f"| {recipe} | {budget or 'no limit'} | {value:.4f} |", flush=True)
                if budget:
                    curves.setdefault(recipe, []).append((budget, value))
                else:
                    unlimited[recipe] = value
    if out:
        draw(curves, unlimited, out)


if __name__ == "__main__":
    main()
