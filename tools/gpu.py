"""All measurements that need a GPU, written to docs/gpu.md.

    python -m tools.gpu                  # at most 30 minutes, on the first GPU
    python -m tools.gpu --rehearse       # the same on the CPU, with tiny problems, printed

Each step compares results of the device with the CPU, or reports a fact, in a separate process with a time
limit. A failing step becomes a row, and the others continue. Run it in a checkout installed with ``pip
install -e``: the folder hides any other installation, whose recipes have another place.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import attrs
import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils._pytree import tree_leaves, tree_map

import lior
from lior import registry
from lior.errors import DeviceError
from lior.geometry import adam
from lior.geometry.retrieval import Batch, Geometry, Part, Retrieval
from lior.interfaces import Items, Query, Text
from lior.model.generation import Session
from lior.plugins import device_plugin, pick_device
from lior_plugins.counting import batch_counting, layout, totals
from lior_plugins.counting.engine import Segment
from lior_plugins.encoders.lags import Lags
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm_options import PATTERNS

ROOT = Path(__file__).parents[1]
ROUNDING = 1e-8
"""Tolerance for float64 numbers that are summed in another order."""
VOCAB = 96


@attrs.frozen
class Place:
    """The device to compare with the CPU, and the size of the problems."""

    device: str
    """``cuda``; ``cpu`` in a rehearsal, which compares the CPU with itself."""
    tiny: bool

    def size(self, full: int, tiny: int) -> int:
        """Return a size of a problem."""
        return tiny if self.tiny else full


@attrs.frozen
class Row:
    """A finding."""

    what: str
    verdict: str
    """``equal``, ``DIFFERENT``, ``FAILED``, ``not run`` or ``fact``."""
    note: str = ""
    numbers: tuple[float, ...] = ()
    """Largest difference and the allowed one, relative to the CPU's largest number; seconds of both."""


def compare(what: str, place: Place, allowed: float, work: Callable[[str], object]) -> Row:
    """Return a row of ``work(device)`` on the CPU and on the device: numbers and seconds."""
    (expected, cpu), (found, device) = (measure(work, each) for each in (Place("cpu", place.tiny), place))
    numbers = difference(expected, found), allowed, 1e3 * cpu, 1e3 * device
    return Row(what, "equal" if numbers[0] <= allowed else "DIFFERENT", numbers=numbers)


def difference(expected: object, found: object) -> float:
    """Return the largest difference of all tensors and numbers, relative to their largest expected value."""
    worst = 0.0
    for pair in zip(tree_leaves(expected), tree_leaves(found), strict=True):
        # NumPy keeps all digits of a Python number.
        a, b = (torch.as_tensor(x if isinstance(x, Tensor) else np.asarray(x)).detach().cpu() for x in pair)
        a, b = (x.to(torch.complex128 if x.is_complex() else torch.float64) for x in (a, b))
        apart = (a - b).abs()
        if a.shape != b.shape or not bool(apart.isfinite().all()):
            return float("inf")
        if a.numel():
            worst = max(worst, float(apart.max() / a.abs().max().clamp(min=1e-30)))
    return worst


def measure(work: Callable[[str], object], place: Place) -> tuple[object, float]:
    """Return the result and the seconds of a call, after one that warms up."""
    wait = device_plugin(torch.device(place.device)).synchronize
    work(place.device)
    wait()
    begun = time.perf_counter()
    found = work(place.device)
    wait()
    return found, time.perf_counter() - begun


def tell_facts(place: Place) -> list[Row]:
    """Return versions, driver and device."""
    rows = [Row("torch, its CUDA", "fact", f"{torch.__version__}, {torch.version.cuda}")]
    if place.device == "cuda":
        command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        rows.append(Row("device, driver", "fact", subprocess.check_output(command, text=True).strip()))
    return rows


# --- the language model ---


def make_geometry(frame: str = "lowrank", source: str = "constitutive", product: str = "tensor") -> Geometry:
    """Return a geometry of small contexts."""
    parts: Any = {"frame": frame, "rsource": source, "product": product}
    parts = {kind: registry.get(kind, name)() for kind, name in parts.items()}
    return Geometry(**parts, encoder=Lags(n=16, lags=8), vocab=VOCAB, resilience_at="both")


def make_batch(geometry: Geometry, queries: int, items: int) -> tuple[dict[str, Tensor], Batch]:
    """Return a state and a batch to learn from, on the CPU, so that both devices get the same."""
    random, reach = Generator().manual_seed(1), geometry.encoder.reach
    state = geometry.init(generator=random)
    state = geometry.observe(state, torch.randint(VOCAB, (items, reach), generator=random), total=items)
    shapes = (queries, reach), (queries,), (items, reach), (items,)
    none = torch.zeros(0, dtype=torch.int64)
    part = Part(slice(0, queries), slice(0, items), (none, none))
    asked, after, held, then = (torch.randint(VOCAB, shape, generator=random) for shape in shapes)
    return state, Batch(asked, after, held, then, (part,))


def move(state: dict[str, Tensor], batch: Batch, device: str) -> tuple[dict[str, Tensor], Batch]:
    """Move both to a device."""
    here: Any = tree_map(lambda each: each.to(device) if isinstance(each, Tensor) else each, (state, batch))
    return cast(tuple[dict[str, Tensor], Batch], here)


def compare_metric(place: Place) -> list[Row]:
    """Compare the derivatives that contrastive updates follow, and the loss that spsa measures.

    This is done in float64: a derivative that is nearly 0 is a small difference of large numbers, which no
    device resolves in float32.
    """
    rows = []
    for names in ("lowrank constitutive tensor", "rotor curvature spinor", "derived constitutive wedge"):
        geometry = make_geometry(*names.split())
        state, batch = make_batch(geometry, place.size(256, 8), place.size(8192, 40))
        state = {name: each.double() if each.is_floating_point() else each for name, each in state.items()}

        def learn(
            device: str, geometry: Geometry = geometry, state: Any = state, batch: Any = batch
        ) -> object:
            moved = move(state, batch, device)
            return geometry.phases(*moved, float("inf")), geometry.loss(*moved)

        rows.append(compare(f"metric: derivatives and loss of {names}", place, ROUNDING, learn))
    return rows


def make_memory(place: Place, device: str) -> tuple[Exact, Query, Tensor, Retrieval]:
    """Return a memory with items, a query, the alphabet and the scorer."""
    geometry, random = make_geometry(), Generator().manual_seed(3)
    scorer = geometry.scorer(move(*make_batch(geometry, 1, 64), device)[0])
    count, asked = place.size(1 << 17, 100), place.size(512, 7)
    tokens = torch.randint(VOCAB, (count,), generator=random).to(device)
    z = torch.randn(count, 16, generator=random).to(device)
    depth = torch.arange(count, device=device)
    text, memory = Text(tokens, depth, torch.zeros_like(depth)), Exact(capacity=0)
    memory.learn([Items(text, 0, z)])
    asked_z = torch.randn(asked, 16, generator=random).to(device)
    query = Query(text, depth[:asked], asked_z, scorer=scorer)
    return memory, query, tokens.unique(), scorer


def compare_retrieval(place: Place) -> list[Row]:
    """Compare the whole memory, read in blocks."""
    made = {device: make_memory(place, device) for device in ("cpu", place.device)}

    def read(device: str) -> Tensor:
        memory, query, alphabet, _ = made[device]
        return memory.predict(query, alphabet).log_p.exp()

    return [compare("exact: whole-memory retrieval", place, 1e-3, read)]


def compare_counting(place: Place) -> list[Row]:
    """Compare the rows of a text with those of the compiled code on one core."""
    text = b"".join(path.read_bytes() for path in sorted(ROOT.glob("lior/**/*.py")))
    tokens = np.frombuffer(text[: place.size(1 << 20, 3000)], np.uint8).astype(np.int64)
    some = batch_counting.pieces([Segment(tokens, np.arange(len(tokens)), 0)], 1)[0]
    given = some, PATTERNS, layout.parents(PATTERNS)

    def count(device: str) -> object:
        there = torch.device(device)
        rows = batch_counting.part(*given) if device == "cpu" else totals.part_on(*given, there)
        return [column.view(np.uint32) for each in rows for column in each]

    return [compare("sdm: counts of 29 patterns in a text", place, 0.0, count)]


def compare_training(place: Place) -> list[Row]:
    """Compare bits per byte of retrieval over the whole memory, trained on each device (random numbers
    differ)."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")[: place.size(20_000, 3_000)]

    def train(device: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            (source := Path(folder) / "text.md").write_text(text, "utf-8")
            sets = f"--set=geometry.updates={place.size(30, 2)}", f"--set=device={device}"
            said = _run(folder, "train", str(source), "--config", "whole", "--quiet", *sets)
        return float(said["val_bits_per_byte"])

    return [compare("whole memory: bits per byte after training", place, 0.05, train)]


def compare_generation(place: Place) -> list[Row]:
    """Compare probabilities of tokens after many prompts; the seconds are for continuing them together."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")[: place.size(20_000, 3_000)]
    prompts = [text[at : at + 40] for at in range(0, 40 * place.size(64, 3), 40)]
    few: dict[str, Any] = {"geometry": {"updates": 2}, "mixer": {"positions": 2048}, "device": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        lior.train(documents={"text": text}, recipe="whole", out=f"{folder}/run", **few)
        runs = {device: lior.load(f"{folder}/run", device=device) for device in ("cpu", place.device)}

    def generate(device: str) -> Tensor:
        run = runs[device]
        run.complete(prompts, place.size(64, 4), seed=1)
        return Session.together([Session(run.model, [*each.encode()]) for each in prompts]).exp()

    return [compare(f"generation of {len(prompts)} prompts together", place, 1e-3, generate)]


def compare_inference(place: Place) -> list[Row]:
    """Compare scores and prompts of recipe ``fast`` with those of the compiled code on all cores."""
    text = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("lior/**/*.py")))
    text, scored = text[: place.size(1 << 20, 3_000)], text[: place.size(1 << 18, 500)]
    prompts = [text[at : at + 40] for at in range(0, 40 * 64, 40)]
    with tempfile.TemporaryDirectory() as folder:
        lior.train(documents={"text": text}, recipe="fast", out=f"{folder}/run", device="cpu")
        runs = {device: lior.load(f"{folder}/run", device=device) for device in ("cpu", place.device)}
    said = {}

    def generate(device: str) -> Tensor:
        said[device] = runs[device].complete(prompts, place.size(200, 4), seed=1)
        return Session.together([Session(runs[device].model, [*each.encode()]) for each in prompts]).exp()

    one = compare("sdm: score of a text", place, 1e-5, lambda device: runs[device].score(scored))
    many = compare(f"sdm: {len(prompts)} prompts, {place.size(200, 4)} tokens each", place, 1e-4, generate)
    same = sum(map(str.__eq__, said["cpu"], said[place.device]))
    return [one, attrs.evolve(many, note=f"{same} of {len(prompts)} texts are the same")]


def compare_ritz(place: Place) -> list[Row]:
    """Compare energies that a network finds, trained on each device in float64."""

    def solve(device: str) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            sets = [f"--set=training.device={device}", f"--set=training.steps={place.size(60, 2)}"]
            sets += ["--set=training.optimizer=adam"] * place.tiny
            said = _run(folder, "ritz", "run", "--network", *sets)
        return [level["E_E0"] for level in said["levels"]]

    return [compare("lior-ritz: energies of a network", place, 1e-6, solve)]


def _run(folder: str, *arguments: str) -> dict[str, Any]:
    """Run a command; returns the JSON that it prints."""
    command = [sys.executable, "-m", "lior_cli.main", *arguments, "--json", "--out", f"{folder}/run"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def find_waits(place: Place) -> list[Row]:
    """Find operations that make the processor wait for the device, where none should."""
    geometry = make_geometry()
    state, batch = move(*make_batch(geometry, 64, 256), place.device)
    params = geometry.learned(state)
    inner = adam.init(params)
    memory, query, alphabet, scorer = make_memory(place, place.device)
    items, asked = (scorer.features(cast(Tensor, query.z), query=side) for side in (False, True))
    windows: dict[str, Callable[[], object]] = {
        "adam.update": lambda: adam.update(params, inner, b1=0.9, b2=0.99, eps=1e-8),
        "Geometry.phases": lambda: geometry.phases(state, batch, float("inf")),
        "Retrieval.scores": lambda: scorer.scores(asked, items),
        "exact: read": lambda: memory.predict(query, alphabet),
    }
    return [_watch(what, place, window) for what, window in windows.items()]


def _watch(what: str, place: Place, window: Callable[[], object]) -> Row:
    window()  # work that is done once may wait
    if place.device != "cuda":
        return Row(what, "fact", "a CPU does not wait")
    torch.cuda.set_sync_debug_mode("error")
    try:
        window()
    except RuntimeError as error:
        calls = [call for call in traceback.extract_tb(error.__traceback__) if str(ROOT) in call.filename]
        at = f"{Path(calls[-1].filename).relative_to(ROOT)}:{calls[-1].lineno}"
        return Row(what, "DIFFERENT", f"waits: {str(error).splitlines()[0]} at {at}")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Row(what, "equal", "does not wait")


def compare_lens(place: Place) -> list[Row]:
    """Compare losses of training steps."""
    from lior_lens import config as configuration
    from lior_lens.training import Trainer

    sets = ["data.batch_size=2", "data.photos=0", f"data.long_side={place.size(512, 64)}", "train.epochs=2"]
    sets += [f"model.width={place.size(4, 1) / 4}", f"train.steps_per_epoch={place.size(5, 1)}"]

    def train(device: str) -> list[float]:
        trainer = Trainer(configuration.load([], [*sets, f"train.device={device}"], env={}).config)
        return [trainer.step()["total"] for _ in range(place.size(5, 1))]

    return [compare("lior-lens: losses of steps of training", place, 1e-2, train)]


Step = Callable[[Place], list[Row]]
STEPS: dict[str, tuple[Step, int]] = {
    "facts": (tell_facts, 60),
    "metric": (compare_metric, 240),
    "retrieval": (compare_retrieval, 120),
    "counting": (compare_counting, 120),
    "training": (compare_training, 300),
    "generation": (compare_generation, 200),
    "inference": (compare_inference, 200),
    "waits": (find_waits, 60),
    "lens": (compare_lens, 240),
    "ritz": (compare_ritz, 240),
}
"""Steps with their time limits in seconds; the total is less than 30 minutes."""


def run_step(name: str, place: Place) -> list[Row]:
    """Return the rows of a step in its own process, or one row with the reason why there are none."""
    command, seconds = [sys.executable, "-m", "tools.gpu", "--step", name], STEPS[name][1]
    command += ["--rehearse"] * place.tiny
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
        return [Row(**each) for each in json.loads(done.stdout.splitlines()[-1])]
    except subprocess.TimeoutExpired:
        return [Row(name, "FAILED", f"it took more than {seconds} s")]
    except (ValueError, IndexError, TypeError):
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return [Row(name, "FAILED", last)]


_LEGEND = """Geometry, retrieval, the mixer, lior-lens,
counts from totals, and 64 or more contexts of `sdm` at once are computed on the GPU; counting in sequence and
learning the weights of `sdm` stay on the CPU. Rows compare the GPU with the CPU of the same machine, or state
a fact. A difference is a share of the CPU's largest number, and at most the allowed one where `equal`. `does
not wait`: the program goes on while the GPU computes."""


def write_page(rows: list[Row], place: Place) -> str:
    """Return the document."""
    what = "a rehearsal on the CPU: nothing ran on a GPU" if place.tiny else "`python -m tools.gpu`"
    day = datetime.now(UTC).date()
    lines = [f"# On a GPU\n\n{day}, {what}. {_LEGEND}\n"]
    lines += ["| what | verdict | difference | allowed | CPU ms | device ms | note |", "|---" * 7 + "|"]
    for row in rows:
        numbers = [f"{number:.3g}" for number in row.numbers] or [""] * 4
        lines.append(
            "| " + " | ".join([row.what, row.verdict, *numbers, row.note.replace("|", "\\|")]) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the command line; returns 1 if a step failed, or the device differs from the CPU."""
    parser = argparse.ArgumentParser(prog="python -m tools.gpu", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, tiny")
    parser.add_argument("--step", choices=[*STEPS], help=argparse.SUPPRESS)
    given = parser.parse_args()
    place = Place("cpu" if given.rehearse else "cuda", given.rehearse)
    try:
        pick_device(place.device)
    except DeviceError as error:
        parser.error(f"{error}; --rehearse tries the command on the CPU")
    if given.step:
        with torch.no_grad():
            print(json.dumps([attrs.asdict(row) for row in STEPS[given.step][0](place)]))
        return 0
    rows = [row for name in STEPS for row in run_step(name, place)]
    print(text := write_page(rows, place), end="")
    if not given.rehearse:
        (ROOT / "docs/gpu.md").write_text(text, encoding="utf-8")
    return int(any(row.verdict not in ("equal", "fact") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
