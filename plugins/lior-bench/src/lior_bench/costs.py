"""What the language model takes and gives: its pace beside another version, and the effect of each part."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

RECIPES = ("fast", "default")
TOKENS = 4000
"""Tokens that are generated."""
CODED = 100_000
"""Most bytes that are compressed."""
LAST = 51_540
"""Bytes at the end of the held-out part on which the online score is also shown, as results.md has it."""

_STORED = """
import sys, lior
from lior.counting import locations
engine = lior.load(sys.argv[1]).model.memories["sdm"]._engine
print(locations.size(engine.store) / engine.clock)
"""


@attrs.frozen
class Tree:
    """A version of lior, by the Python of its environment."""

    python: str
    folder: Path
    """For its runs and its compiled code."""
    cores: int = 1

    def _bind(self) -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-self.cores :])

    def command(self, *arguments: str) -> tuple[float, str]:
        """CPU seconds and standard output of a command of lior, on its cores."""
        return self._run("-m", "lior_cli.main", *arguments)

    def script(self, code: str, *arguments: str) -> str:
        """Standard output of a program."""
        return self._run("-c", code, *arguments)[1]

    def _run(self, *arguments: str) -> tuple[float, str]:
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(self.folder / "compiled"),
            "OMP_NUM_THREADS": str(self.cores),
            "LIOR_ALLOW_PLUGINS": "lior",
        }
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(
                [self.python, "-P", *arguments],
                stdout=out,
                stderr=err,
                env=environment,
                preexec_fn=self._bind,
            )
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if child.returncode:
                raise click.ClickException(f"{' '.join(arguments)}: {err.read().decode()[-400:]}")
            return usage.ru_utime + usage.ru_stime, out.read().decode()


Measured = tuple[str, float, str]
"""What was measured, its value, and the format of the value."""


def warm(tree: Tree, sample: Path) -> Measured:
    """Seconds that the first run takes more than the second, by the clock."""
    passed = []
    for turn in range(2):
        begin = time.perf_counter()
        tree.command(
            "train", str(sample), "--config", "fast", "--out", f"{tree.folder}/warm{turn}", "--quiet"
        )
        passed.append(time.perf_counter() - begin)
    tree.script("from lior.counting import compiled; compiled.finish()")
    return "first run, s more than the second", passed[0] - passed[1], ".1f"


def train(tree: Tree, recipe: str, text: Path) -> list[Measured]:
    """The time of training, the static score, and the bytes of the memory."""
    run = f"{tree.folder}/{recipe}"
    passed, said = tree.command(
        "train", str(text), "--config", recipe, "--holdout", "keep", "--out", run, "--quiet", "--json"
    )
    stored = float(tree.script(_STORED, run))
    summary = json.loads(said.splitlines()[-1])
    return [
        ("train, CPU s", passed, ".1f"),
        ("train, s", summary["seconds"]["total"], ".1f"),
        ("static, nats/byte", summary["val_nats_per_byte"], ".4f"),
        ("memory, bytes for a byte", stored, ".0f"),
    ]


def score(tree: Tree, recipe: str, size: int) -> list[Measured]:
    """Online scores with their speed, and scores with errors."""
    run, found = f"{tree.folder}/{recipe}", []
    last = max(size - LAST, 0)
    for name, options in (
        (f"online, last {size - last:,} bytes", ("--online", "--from-byte", str(last))),
        ("a tenth of the letters wrong", ("--noise", "0.1")),
        ("edits, 5 %", ("--noise", "0.05", "--noise-kind", "edits")),
    ):
        answer = json.loads(tree.command("eval", run, *options, "--quiet", "--json")[1].splitlines()[-1])
        found.append((f"{name}, nats/byte", answer["nats_per_byte"], ".4f"))
        if "--online" in options:
            found.append(("online, kB/s", answer["bytes_per_second"] / 1e3, ".1f"))
    return found


def generate(tree: Tree, recipe: str) -> list[Measured]:
    """Bytes that are generated in a second."""
    run = f"{tree.folder}/{recipe}"
    long, short = (tree.command("generate", run, "--max-tokens", str(n))[0] for n in (TOKENS, 1))
    return [("generation, bytes/s", TOKENS / max(long - short, 1e-9), ",.0f")]


def code(tree: Tree, recipe: str, text: Path) -> list[Measured]:
    """Speed and size of the held-out text compressed by the run; what comes out must be what went in."""
    run, held = f"{tree.folder}/{recipe}", text.read_bytes()[-(len(text.read_bytes()) // 10) :][:CODED]
    whole, begun = tree.folder / "whole.txt", tree.folder / "begun.txt"
    whole.write_bytes(held)
    begun.write_bytes(held[:1])
    rates = []
    for verb, options in (
        ("compress", "{path} -o {path}.lior"),
        ("decompress", "{path}.lior -o {path}.back"),
    ):
        passed = [
            tree.command(verb, "--run", run, "--force", "--quiet", *options.format(path=path).split())[0]
            for path in (whole, begun)
        ]
        rates.append(len(held) / 1e3 / max(passed[0] - passed[1], 1e-9))
    if Path(f"{whole}.back").read_bytes() != held:
        raise click.ClickException(f"{tree.python}: what was decompressed is not what was compressed")
    return [
        ("compress, kB/s", rates[0], ".1f"),
        ("decompress, kB/s", rates[1], ".1f"),
        ("compressed, bits/byte", 8 * Path(f"{whole}.lior").stat().st_size / len(held), ".4f"),
    ]


def rows(trees: Sequence[Tree], text: Path, recipes: Sequence[str]) -> Iterator[tuple[str, list[Measured]]]:
    """Recipe, and one measurement of each tree, in turn."""
    whole = text.read_bytes()
    for tree in trees:
        tree.folder.mkdir(parents=True)
    first = trees[0].folder / "sample.txt"
    first.write_bytes(whole[:20_000])
    yield "", [warm(tree, first) for tree in trees]
    for recipe in recipes:
        steps: tuple[Callable[[Tree], list[Measured]], ...] = (
            lambda tree: train(tree, recipe, text),  # noqa: B023 - called before the next recipe
            lambda tree: score(tree, recipe, len(whole) // 10),  # noqa: B023
            lambda tree: generate(tree, recipe),  # noqa: B023
            lambda tree: code(tree, recipe, text),  # noqa: B023
        )
        for step in steps:
            for each in zip(*(step(tree) for tree in trees), strict=True):
                yield recipe, list(each)


@click.command()
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--beside", metavar="PYTHON", help="Python of an environment with another version.")
@click.option("--recipe", "recipes", multiple=True, default=RECIPES, show_default=True)
@click.option("--cores", default=1, show_default=True, type=click.IntRange(1), help="That a command may use.")
@click.option("--bytes", "size", default=0, help="Only the first bytes of TEXT; 0 is all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a row.")
def measure_pace(
    text: Path, beside: str | None, recipes: tuple[str, ...], cores: int, size: int, as_json: bool
) -> None:
    """Measure speed, bits and memory of the language model.

    Each recipe learns the first nine tenths of TEXT and is scored on the rest: static, online and with
    errors. Then it generates, and compresses and decompresses what was held out. With --beside, the Python
    of an environment with another version of lior, both are measured in turn, step by step, and their ratio
    is shown. Every step is a command in a process of its own; the start of Python and of the model is
    subtracted where a rate is shown. Nothing is compiled during a measured step.
    """

    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / text.name
        cut.write_bytes(text.read_bytes()[: size or None])
        pythons = ([beside] if beside else []) + [sys.executable]
        trees = [Tree(python, Path(folder) / str(number), cores) for number, python in enumerate(pythons)]
        if not as_json:
            print("| recipe | measured | " + ("before | now | ratio |" if beside else "value |"))
            print("|---" * (5 if beside else 3) + "|")
        for recipe, each in rows(trees, cut, recipes):
            print(_row(recipe, each, as_json), flush=True)


def _row(recipe: str, each: list[Measured], as_json: bool) -> str:
    values = [value for _, value, _ in each]
    if as_json:
        answer: dict[str, Any] = {"recipe": recipe, "measured": each[0][0], "values": values}
        return json.dumps(answer)
    cells = [recipe, each[0][0], *(format(value, kind) for _, value, kind in each)]
    if len(values) == 2:
        cells.append(f"{values[1] / values[0]:.3f}" if values[0] else "")
    return "| " + " | ".join(cells) + " |"


# --- the effect of each part ---

GATES = '["longest","previous","words","position","layout","pair","always"]'
VARIANTS = {
    "default (lowrank, constitutive, tensor, contrastive)": "--config default",
    "frame derived": "--frame derived",
    "frame rotor": "--frame rotor",
    "rsource curvature": "--rsource curvature",
    "product wedge": "--product wedge",
    "product spinor": "--product spinor",
    "updater spsa": "--updater spsa",
    "no geometry": f"--set memory.sdm.gates={GATES}",
    "retrieval beside it": "--memory sdm,exact --set memory.exact.capacity=0 --set memory.exact.probes=4",
}
"""Name -> what it adds to the command line of ``lior train``."""


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--bytes", "size", default=150_000, show_default=True)
def compare_parts(texts: Sequence[Path], seeds: int, size: int) -> None:
    """Measure the effect of each frame, source, product, updater and memory, all else as in the default.

    Trains every variant on the first bytes of every text, in a process of its own, and prints a table of bits
    per byte, a row as soon as it is known: mean and half of the range over the seeds.
    """
    print(f"| all else default | {' | '.join(text.name for text in texts)} |")
    print("|---|" + "---|" * len(texts))
    with tempfile.TemporaryDirectory() as folder:
        for name, options in VARIANTS.items():
            row = []
            for text in texts:
                cut = Path(folder) / text.name
                cut.write_bytes(text.read_bytes()[:size])
                arguments = [(*options.split(), "--set", f"seed={seed}") for seed in range(seeds)]
                bits = [
                    train_once(cut, "--config", "default", *each)["val_bits_per_byte"] for each in arguments
                ]
                row.append(f"{statistics.mean(bits):.4f} ± {(max(bits) - min(bits)) / 2:.4f}")
            print(f"| {name} | {' | '.join(row)} |", flush=True)


def train_once(text: Path, *arguments: str) -> dict[str, Any]:
    """The numbers that ``lior train TEXT`` prints with these arguments; the run is not kept."""
    command = [sys.executable, "-m", "lior_cli.main", "train", str(text), *arguments, "--quiet", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "--out", f"{folder}/run"], capture_output=True, text=True, check=True
        )
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary
