"""The effect of each frame, source, product, updater and memory, all else as in the default recipe.

``python -m lior_bench.ablation [--seeds N] [--bytes N] TEXT [TEXT ...]`` trains every variant on the first
bytes of every text, in a process of its own, and prints a table of bits per byte: mean and spread over
the seeds.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from lior_bench.training import train

GATES = '["longest", "previous", "words", "position", "layout", "pair", "always"]'
VARIANTS: dict[str, tuple[str, ...]] = {
    "default (lowrank, constitutive, tensor, contrastive)": (),
    "frame derived": ("--frame", "derived"),
    "frame rotor": ("--frame", "rotor"),
    "rsource curvature": ("--rsource", "curvature"),
    "product wedge": ("--product", "wedge"),
    "product spinor": ("--product", "spinor"),
    "updater spsa": ("--updater", "spsa"),
    "no geometry": ("--set", f"memory.sdm.gates={GATES}"),
    "retrieval beside it": (
        "--memory", "sdm,exact", "--set", "memory.exact.capacity=0", "--set", "memory.exact.probes=4",
    ),
}  # fmt: skip
"""Name -> what it adds to the command line of ``lior train``."""


def spread(values: Sequence[float]) -> str:
    """Mean, and half of the range."""
    return f"{statistics.mean(values):.4f} ± {(max(values) - min(values)) / 2:.4f}"


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--bytes", "size", default=150_000, show_default=True)
def main(texts: Sequence[Path], seeds: int, size: int) -> None:
    """Print the table, a row as soon as it is known."""
    print(f"| all else default | {' | '.join(text.name for text in texts)} |")
    print("|---|" + "---|" * len(texts))
    with tempfile.TemporaryDirectory() as folder:
        cut = [Path(folder) / f"{number}.txt" for number in range(len(texts))]
        for here, text in zip(cut, texts, strict=True):
            here.write_bytes(text.read_bytes()[:size])
        for name, arguments in VARIANTS.items():
            row = [
                spread(
                    [
                        train(text, "--config", "default", "--set", f"seed={seed}", *arguments)[
                            "val_bits_per_byte"
                        ]
                        for seed in range(seeds)
                    ]
                )
                for text in cut
            ]
            print(f"| {name} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
