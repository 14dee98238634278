"""Learn, forget and generate in random order for a time, and check the result.

    python -m lior_bench.soak 3600

Documents are learned and forgotten in a run, which also generates and is saved and loaded. At the end memory
use must not have grown, and the memories must be equal to those of a new run that learned the remaining
documents. Prints a line per minute and a summary.
"""

from __future__ import annotations

import gc
import math
import random
import sys
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import torch

import lior
from lior.config import load
from lior.process import resident_bytes
from lior.reading.documents import RawDocument
from lior.runs.run import Run
from lior.training.preparation import train

RECIPE = {
    "geometry.updates": 4, "geometry.batch": 32, "geometry.keys": 256, "mixer.positions": 256,
    "mixer.cells": 4, "encoder.n": 8, "encoder.lags": 4, "memory.name": "sdm,exact,match",
    "memory.exact.capacity": 0, "fit.passes": 0, "memory.sdm.orders": "[0,1,2,3,4]",
    "memory.sdm.patterns": '["word","word-1 word"]', "memory.sdm.joint": "[]", "memory.sdm.base_order": 2,
    "memory.sdm.gates": '["longest","cell"]',
}  # fmt: skip

ACTIONS = {"learn": 10, "forget": 10, "generate": 10, "load": 3}
"""What is done, and how often."""


class Outcome(NamedTuple):
    """What a soak found."""

    cycles: int
    learned: int
    forgotten: int
    generated: int
    loaded: int
    """How often it was saved and loaded."""
    grown_bytes: int
    """Resident memory at the end less that after the first tenth."""
    handles: int
    """Open files at the end less those at the beginning."""
    equal: bool
    """Whether the memories hold what those of a new run would."""


def soak(seconds: float, *, most: float = math.inf, seed: int = 0, say: bool = False) -> Outcome:
    """Cycles for so many seconds, ``most`` of them at most."""
    draw = random.Random(seed)
    texts = [text[:2000] for _, text in sorted(topics.items())]
    base = [RawDocument("base", "\n".join(texts[:8]).encode())]
    config = load(env={}, overrides=[f"{key}={value}" for key, value in RECIPE.items()]).config
    counts = dict.fromkeys(ACTIONS, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        run = train(config, path, documents=base)
        begin = time.monotonic()
        handles, after_tenth, told = open_files(), 0, begin
        while (now := time.monotonic()) < begin + seconds and sum(counts.values()) < most:
            what = draw.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            run, done = act(run, what, path, texts, draw, sum(counts.values()))
            counts[done] += 1
            if not after_tenth and (now > begin + seconds / 10 or sum(counts.values()) > most / 10):
                after_tenth = resident()
            if say and now > told + 60:
                told, cycles = now, sum(counts.values())
                files = f"{open_files()} files open"
                print(f"{now - begin:,.0f} s, {cycles:,} cycles, {resident() >> 20} MiB, {files}", flush=True)
        grown, opened = resident() - after_tenth, open_files() - handles
        fresh = train(config, documents=base)
        for document in run.documents()[1:]:
            fresh.learn({document.name: text_of(run, document.name)})
        learned, forgotten, generated, loaded = counts.values()
        equal = same(run, fresh)
        return Outcome(sum(counts.values()), learned, forgotten, generated, loaded, grown, opened, equal)


def act(
    run: Run, what: str, path: Path, texts: list[str], draw: random.Random, number: int
) -> tuple[Run, str]:
    """One cycle; the run afterwards, and what was done: with nothing to forget it generates."""
    later = [document.name for document in run.documents()[1:]]
    if what == "learn" and len(later) < 20:
        run.learn({str(number): draw.choice(texts)})
    elif what == "forget" and later:
        run.forget(draw.choice(later))
    elif what == "load":
        run.save()
        run = lior.load(path)
    else:
        run.complete(draw.choice(texts)[:20], 10, seed=number)
        return run, "generate"
    return run, what


def text_of(run: Run, name: str) -> bytes:
    """A document as the run holds it."""
    lo, hi = run.checkpoint.corpus.bounds(run.checkpoint.corpus.names.index(name))
    return run.model.tokenizer.decode(run.checkpoint.corpus.tokens[lo:hi].tolist())


def same(run: Run, fresh: Run) -> bool:
    """Whether the memories of two runs are equal, byte for byte."""
    equal = torch.equal(run.model.token_counts, fresh.model.token_counts)
    for name, memory in run.model.memories.items():
        one, other = memory.snapshot(), fresh.model.memories[name].snapshot()
        equal = equal and one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    return equal


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    return resident_bytes()


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    print(soak(float(sys.argv[1]) if sys.argv[1:] else 3600.0, say=True))
