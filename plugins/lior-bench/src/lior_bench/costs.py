"""Costs and scores of the language model, compared with another version and by parts; costs of a question."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import click

from lior.process import python
from lior_bench import children
from lior_bench.children import Unmeasured
from lior_bench.report import markdown, markdown_line
from lior_bench.systems import COMPILE

RECIPES = ("fast", "default")
TOKENS = 4000
"""The number of tokens to generate."""
LAST = 51_540
"""The number of bytes at the end of the hold-out split for a second online score, as in results.md."""

_STORED = """
import sys, lior
from lior_plugins.counting import locations
engine = lior.load(sys.argv[1]).model.memories["sdm"]._engine
print(locations.size(engine.store) / engine.clock)
"""


@attrs.frozen
class Tree:
    """A version of lior, given by the Python of its environment."""

    python: str
    folder: Path
    """The folder for its runs and its compiled code."""

    def command(self, *arguments: str) -> children.Ended:
        """Run a command of lior."""
        return self.finish("-m", "lior_cli.main", *arguments)

    def answer(self, *arguments: str) -> dict[str, Any]:
        """Return the JSON object that a command of lior prints."""
        return children.read_answer(self.command(*arguments, "--quiet", "--json").output)

    def finish(self, *arguments: str) -> children.Ended:
        """Run Python with these arguments."""
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(self.folder / "compiled"),
            "OMP_NUM_THREADS": "1",
            "LIOR_ALLOW_PLUGINS": "lior",
            "LIOR_READ_AHEAD": "0",
        }
        try:
            return children.finish([self.python, "-P", *arguments], environment)
        except Unmeasured as fault:
            raise click.ClickException(f"{' '.join(arguments)}: {fault}") from fault


Measured = tuple[str, float, str]
"""A name, a measured value and its format."""


def warm(tree: Tree, sample: Path) -> Measured:
    """Return the extra wall-clock seconds of the first run over the second."""
    passed = []
    for turn in range(2):
        begin = time.perf_counter()
        run = f"{tree.folder}/warm{turn}"
        tree.command("train", str(sample), "--config", "fast", "--out", run, "--quiet")
        passed.append(time.perf_counter() - begin)
    tree.finish("-c", COMPILE)
    return "first run, s more than the second", passed[0] - passed[1], ".1f"


def train(tree: Tree, recipe: str, text: Path) -> list[Measured]:
    """Return the time of training, the static score, and the size of the memory in bytes."""
    run = f"{tree.folder}/{recipe}"
    options = ("--config", recipe, "--holdout", "keep", "--out", run, "--quiet", "--json")
    ended = tree.command("train", str(text), *options)
    stored = float(tree.finish("-c", _STORED, run).output)
    summary = children.read_answer(ended.output)
    return [
        ("train, CPU s", ended.cpu_seconds, ".1f"),
        ("train, s", summary["seconds"]["total"], ".1f"),
        ("static, nats/byte", summary["val_nats_per_byte"], ".4f"),
        ("memory, bytes for a byte", stored, ".0f"),
    ]


def score(tree: Tree, recipe: str, text: Path) -> list[Measured]:
    """Return online scores with their speed, and scores with errors, of the last tenth of the text."""
    run, found, size = f"{tree.folder}/{recipe}", list[Measured](), text.stat().st_size // 10
    last = max(size - LAST, 0)
    for name, options in (
        (f"online, last {size - last:,} bytes", ("--online", "--from-byte", str(last))),
        ("a tenth of the letters wrong", ("--noise", "0.1")),
        ("edits, 5 %", ("--noise", "0.05", "--noise-kind", "edits")),
    ):
        answer = tree.answer("eval", run, *options)
        found.append((f"{name}, nats/byte", answer["nats_per_byte"], ".4f"))
        if "--online" in options:
            found.append(("online, kB/s", answer["bytes_per_second"] / 1e3, ".1f"))
    return found


def generate(tree: Tree, recipe: str, text: Path) -> list[Measured]:
    """Return the number of bytes generated in a second."""
    run = f"{tree.folder}/{recipe}"
    long, short = (tree.command("generate", run, "--max-tokens", str(n)).cpu_seconds for n in (TOKENS, 1))
    return [("generation, bytes/s", TOKENS / max(long - short, 1e-9), ",.0f")]


def rows(trees: Sequence[Tree], text: Path, recipes: Sequence[str]) -> Iterator[tuple[str, list[Measured]]]:
    """Yield each recipe with one measurement of every tree, in turn."""
    for tree in trees:
        tree.folder.mkdir(parents=True)
    first = trees[0].folder / "sample.txt"
    first.write_bytes(text.read_bytes()[:20_000])
    yield "", [warm(tree, first) for tree in trees]
    for recipe, step in product(recipes, (train, score, generate)):
        for each in zip(*(step(tree, recipe, text) for tree in trees), strict=True):
            yield recipe, list(each)


@click.command()
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--beside", metavar="PYTHON", help="Python of an environment with another version.")
@click.option("--recipe", "recipes", multiple=True, default=RECIPES, show_default=True)
def measure_pace(text: Path, beside: str | None, recipes: tuple[str, ...]) -> None:
    """Measure speed, bits and memory of the language model.

    Each recipe learns the first nine tenths of TEXT and is scored on the rest: static, online and with
    errors. Then it generates. With --beside, the Python
    of an environment with another version of lior, both are measured in turn, step by step, and their ratio
    is shown. Every step is a command in a process of its own, on one core; the start of Python and of the
    model is subtracted where a rate is shown. Nothing is compiled during a measured step.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])  # the commands', too
    columns = ["before", "now", "ratio"] if beside else ["value"]
    print(markdown(["recipe", "measured", *columns], ()), end="")
    with tempfile.TemporaryDirectory() as folder:
        pythons = ([beside] if beside else []) + [sys.executable]
        trees = [Tree(python, Path(folder) / str(number)) for number, python in enumerate(pythons)]
        for recipe, each in rows(trees, text, recipes):
            values = [value for _, value, _ in each]
            cells = [recipe, each[0][0], *(format(value, kind) for _, value, kind in each)]
            if beside:
                cells.append(f"{values[1] / values[0]:.3f}" if values[0] else "")
            print(markdown_line(cells), end="", flush=True)


# --- a later question ---

ASKED = {"CPU, s": 0.6, "memory, MB": 250.0}
"""The targets for a later question."""
UNCHANGED = 1000
"""The number of files of the run whose sync is measured."""
_ASK = "from lior_cli.main import main; main()"  # like the command, except for the exit code


def ask_later(python: str, cache: Path, question: str, *where: str) -> dict[str, float]:
    """Return the cost of a question to a folder in a process of its own; without ``where`` to the last
    folder.

    Raises ``Unmeasured`` when the process fails.
    """
    dropped = ("LIOR_", "OPENBLAS_") if python == sys.executable else ("LIOR_", "OPENBLAS_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    begin = time.perf_counter()
    command = [python, "-P", "-c", _ASK, "ask", *where, question]
    ended = children.finish(command, kept | {"XDG_CACHE_HOME": str(cache), "LIOR_READ_AHEAD": "0"})
    seconds = time.perf_counter() - begin
    if not ended.output:
        raise Unmeasured(f"{python}: nothing was answered")
    return {"CPU, s": ended.cpu_seconds, "clock, s": seconds, "memory, MB": ended.peak_rss_bytes / 1e6}


def starts(place: Path, times: int) -> dict[str, float]:
    """Return the minimum CPU seconds of commands that do almost nothing, beginning with Python itself."""
    many, run = place / "many", str(place / "run")
    many.mkdir()
    for number in range(UNCHANGED):
        (path := many / f"{number}.txt").write_text(f"This is note {number}.\n", encoding="utf-8")
        os.utime(path, (10**9, 10**9))  # a file that has just changed would be read again
    lior, small = ("-m", "lior_cli.main"), ("--set", "memory.name=match", "--set", "geometry.updates=0")
    train = (*lior, "train", str(many), "--out", run, "--quiet", *small)
    children.finish(python(*train), os.environ)
    commands = {
        "python -c pass": ("-c", "pass"),
        "lior --help": (*lior, "--help"),
        f"lior sync, {UNCHANGED:,} unchanged files": (*lior, "sync", run),
    }
    return {
        name: min(children.finish(python(*words), os.environ).cpu_seconds for _ in range(times))
        for name, words in commands.items()
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--beside", metavar="PYTHON", help="Python of an environment with another version.")
@click.option("--times", default=10, show_default=True)
def measure_later(folder: Path, beside: str | None, times: int) -> None:
    """Measure a later question to FOLDER as a process of its own, and other commands that must be quick.

    The index is made first; then new questions are asked, with --beside of both versions in turn. Medians and
    the least are shown. The exit code is 1 where the least is above what is asked. Then the question, the
    help and a sync of 1,000 unchanged files are compared with the start of Python, which depends on the
    machine, too.
    """
    pythons = {"before": beside, "now": sys.executable} if beside else {"now": sys.executable}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as place:
        for turn in range(-1, times):
            for name, program in pythons.items():
                where = (str(folder.absolute()),) if turn < 0 else ()
                question = f"Who wrote the letter of number {turn}?"
                found[name].append(ask_later(str(program), Path(place) / name, question, *where))
        least_cpu = starts(Path(place), times)
    print(markdown(["a later question", *pythons, "least", "asked"], ()), end="")
    missed = False
    for key in found["now"][0]:
        values = {name: [each[key] for each in told[1:]] for name, told in found.items()}
        least, most = min(values["now"]), ASKED.get(key)
        missed |= most is not None and least > most
        cells = [key, *(f"{statistics.median(each):.3g}" for each in values.values()), f"{least:.3g}"]
        print(markdown_line([*cells, "" if most is None else f"≤ {most:g}"]), end="")
    least_cpu["a later question"] = min(each["CPU, s"] for each in found["now"][1:])
    start = least_cpu["python -c pass"]
    rows = [[each, f"{seconds:.3g}", f"{seconds / start:.1f}"] for each, seconds in least_cpu.items()]
    print("", markdown(["least of a process", "CPU, s", "by python"], rows), sep="\n", end="")
    sys.exit(missed)


# --- the effect of each part ---

CELLS = '--set memory.sdm.gates=["longest","previous","words","position","layout","pair","expected","cell"]'
ROTOR = f"{CELLS} --frame rotor --rsource curvature"
VARIANTS = {
    "default (counts)": "",
    "gate of the cells, learned metric": CELLS,
    "gate of the cells, random metric": f"{CELLS} --set geometry.updates=0",
    "the same, rotor and curvature, learned": ROTOR,
    "the same, rotor and curvature, random": f"{ROTOR} --set geometry.updates=0",
    "recipe geometry (lowrank, constitutive, tensor, contrastive)": "--config geometry",
    "frame derived": "--config geometry --frame derived",
    "frame rotor": "--config geometry --frame rotor",
    "rsource curvature": "--config geometry --rsource curvature",
    "product wedge": "--config geometry --product wedge",
    "product spinor": "--config geometry --product spinor",
    "updater spsa": "--config geometry --updater spsa",
    "metric at random": "--config geometry --set geometry.updates=0",
}
"""The arguments that each variant adds to ``lior train --config default``, by name."""


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--bytes", "size", default=150_000, show_default=True)
def compare_parts(texts: Sequence[Path], seeds: int, size: int) -> None:
    """Measure the effect of each frame, source, product, updater and memory, all else as in the default.

    Trains every variant on the first bytes of every text, in a process of its own, and prints a table of bits
    per byte, a row as soon as it is known: mean and half of the range over the seeds. Beside a geometry
    stands what `lior train` itself says that it saves, in the mean.
    """
    print(markdown(["all else default", *(text.name for text in texts)], ()), end="")
    with tempfile.TemporaryDirectory() as folder:
        for name, options in VARIANTS.items():
            row = []
            for text in texts:
                cut = Path(folder) / text.name
                cut.write_bytes(text.read_bytes()[:size])
                found = [train_once(cut, *options.split(), "--set", f"seed={seed}") for seed in range(seeds)]
                bits = [answer["val_bits_per_byte"] for answer in found]
                said = [answer["geometry_bits_per_byte"] or 0.0 for answer in found]
                shown = f"{statistics.mean(bits):.4f} ± {(max(bits) - min(bits)) / 2:.4f}"
                row.append(f"{shown}, said {statistics.mean(said):+.4f}" if any(said) else shown)
            print(markdown_line([name, *row]), end="", flush=True)


def train_once(text: Path, *arguments: str) -> dict[str, Any]:
    """Return the output of ``lior train TEXT --json`` with these arguments; the run is deleted."""
    command = ["-m", "lior_cli.main", "train", str(text), "--config", "default", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        done = children.run([*command, "--quiet", "--json", "--out", f"{folder}/run"])
    return done.answer
