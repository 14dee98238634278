"""Training on one core and on two: ``python -m lior_bench.cores TEXT [--recipe NAME] [--rounds 3]``.

Each recipe learns the first nine tenths of TEXT and scores the rest, in processes that may use one core,
then two, in turn. Seconds are those that training says, of the round that took the least; the model must be
the same to the last bit. Before each round it measures how long two cores take to answer each other: on a
machine that others share they are sometimes near and sometimes far. With ``--beside`` so many processes
keep the cores busy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numba import njit

from lior.counting.elementary import post, wait_for

STAGES = ("memory", "geometry", "mixer", "validate", "total")
_ANSWERS = 100_000


@njit(nogil=True)
def _answer(signs: Any, mine: int, other: int, begins: int) -> None:
    for k in range(1, _ANSWERS + 1):
        if begins:
            post(signs, mine, k)
        wait_for(signs, other, k, 32, 0, 48)
        if not begins:
            post(signs, mine, k)


def nanoseconds() -> float:
    """How long a core takes until it sees the answer of the other one."""
    signs = np.zeros(64, np.int64)
    _answer(np.full(64, 1 << 60), 0, 16, 1)  # compiled
    other = threading.Thread(target=_answer, args=(signs, 16, 0, 0))
    other.start()
    began = time.perf_counter()
    _answer(signs, 0, 16, 1)
    other.join()
    return (time.perf_counter() - began) / _ANSWERS * 1e9


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing, without an end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def trained(text: Path, recipe: str, cores: int, folder: Path) -> tuple[dict[str, float], str, float]:
    """Seconds of each stage, a digest of the model, and the score in nats a byte."""
    allowed = sorted(os.sched_getaffinity(0))[-cores:]
    run = folder / f"{recipe}{cores}"
    shutil.rmtree(run, ignore_errors=True)
    command = [
        sys.executable, "-P", "-m", "lior_cli.main", "train", str(text), "--config", recipe,
        "--holdout", "keep", "--json", "--out", str(run),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": str(cores)}, preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(done.stderr.strip()[-400:])
    summary = json.loads(done.stdout.splitlines()[-1])
    newest = max((run / "checkpoints").iterdir(), key=lambda path: int(path.name.rsplit("-", 1)[1]))
    digest = hashlib.sha256((newest / "model.safetensors").read_bytes()).hexdigest()
    return summary["seconds"], digest, summary["val_nats_per_byte"]


@click.command()
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", "recipes", multiple=True, default=("fast", "default"), show_default=True)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option(
    "--beside", default=0, show_default=True, type=click.IntRange(0), help="Busy processes of others."
)
def main(text: Path, recipes: tuple[str, ...], rounds: int, beside: int) -> None:
    """Print a table of seconds by stage, on one core and on two."""
    if len(os.sched_getaffinity(0)) < 2:
        raise click.ClickException("this process may use one core only; it compares one with two")
    print(f"| recipe | cores | {' | '.join(STAGES)} | nats/byte |")
    print("|---" * (len(STAGES) + 3) + "|")
    answers = []
    with tempfile.TemporaryDirectory() as folder, busy(beside):
        for recipe in recipes:
            found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
            digests, nats = set(), 0.0
            for number in range(-1, rounds):  # the first compiles
                answers.append(nanoseconds())
                for cores, rows in found.items():
                    took, digest, nats = trained(text, recipe, cores, Path(folder))
                    digests.add(digest)
                    rows += [took] if number >= 0 else []
            best = {cores: min(rows, key=lambda row: row["total"]) for cores, rows in found.items()}
            for cores, row in best.items():
                print(f"| {recipe} | {cores} | {' | '.join(f'{row[s]:.1f}' for s in STAGES)} | {nats:.4f} |")
            ratios = [one["total"] / two["total"] for one, two in zip(*found.values(), strict=True)]
            print(
                f"{recipe}: {best[1]['total'] / best[2]['total']:.2f} times; each round",
                *map("{:.2f}".format, ratios),
            )
            print("the same bits" if len(digests) == 1 else "NOT the same bits")
    print("a core sees the answer of the other after", *map("{:.0f}".format, answers), "ns")


if __name__ == "__main__":
    main()
