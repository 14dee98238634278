"""Learn, forget and generate in random order for a time, and look at what is left.

    python -m tests.bench.soak 3600

Documents come and go in a model's memories; between them it generates and scores.
At the end nothing may have grown, and the memories must hold exactly what new ones
hold that were told the remaining documents. Prints one line a minute and a summary.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import torch

from lior import corpus
from lior.config import load
from lior.corpus import Corpus, Source
from lior.generation import generate
from lior.model import Model
from lior.sampling import Sampling
from lior.training import train

RECIPE = {
    "geometry.steps": 4, "geometry.batch": 32, "geometry.keys": 256, "mixer.positions": 256, "mixer.cells": 4,
    "encoder.n": 8, "encoder.lags": 4, "memory.name": "sdm,exact", "memory.exact.capacity": 0,
    "study.passes": 0, "memory.sdm.orders": "[0,1,2,3,4]", "memory.sdm.patterns": '["word","word-1 word"]',
    "memory.sdm.joint": "[]", "memory.sdm.base_order": 2, "memory.sdm.gates": '["longest","cell"]',
}  # fmt: skip


class Outcome(NamedTuple):
    """What a soak found."""

    cycles: int
    learned: int
    forgotten: int
    generated: int
    grown_bytes: int
    """Resident memory at the end less that after the first tenth."""
    handles: int
    """Open files at the end less those at the beginning."""
    equal: bool
    """Whether the memories hold what new ones would."""


def soak(seconds: float, *, seed: int = 0, say: bool = False) -> Outcome:
    """Cycles for so many seconds."""
    draw = random.Random(seed)
    texts = [text.encode()[:2000] for _, text in sorted(topics.items())]
    base = Source("base", b"\n".join(texts[:8]))
    config = load(env={}, overrides=[f"{key}={value}" for key, value in RECIPE.items()]).config
    model = train(config, sources=[base]).model
    held: dict[int, Corpus] = {}
    begin = time.monotonic()
    handles, after_tenth, told = open_files(), 0, begin
    counts = {"learn": 0, "forget": 0, "generate": 0}
    number, cycles = 0, 0
    while (now := time.monotonic()) < begin + seconds:
        what = draw.choice(["learn", "forget", "generate"])
        if what == "learn" and len(held) < 20:
            number += 1
            held[number] = one_document(draw.choice(texts), number, model)
            tell(model, held[number])
        elif what == "forget" and held:
            document = held.pop(draw.choice(sorted(held)))
            forget(model, document)
        else:
            what = "generate"
            prompt = list(draw.choice(texts)[:20])
            generator = torch.Generator().manual_seed(cycles)
            list(generate(model, prompt, 10, Sampling(), generator=generator))
        counts[what] += 1
        cycles += 1
        if not after_tenth and now > begin + seconds / 10:
            after_tenth = resident()
        if say and now > told + 60:
            told = now
            print(
                f"{now - begin:,.0f} s, {cycles:,} cycles, {resident() >> 20} MiB, {open_files()} files",
                flush=True,
            )
    return Outcome(
        cycles, counts["learn"], counts["forget"], counts["generate"], resident() - after_tenth,
        open_files() - handles, same_as_new(model, config, base, held),
    )  # fmt: skip


def one_document(data: bytes, number: int, model: Model) -> Corpus:
    """A text as document ``number``."""
    built = corpus.build([Source(str(number), data)], model.tokenizer)
    return Corpus(built.tokens, built.starts, built.names, built.bytes, first_document=number)


def tell(model: Model, document: Corpus) -> None:
    """Write a document to all memories."""
    model.stage(*document.text(0, len(document)))
    model.commit()


def forget(model: Model, document: Corpus) -> None:
    """Take a document out of all memories."""
    text, start = document.text(0, len(document))
    items = model.items(text, start)
    for memory in model.memories.values():
        memory.erase(items)
    model.token_counts = model.token_counts - torch.bincount(text.tokens, minlength=model.tokenizer.vocab)


def same_as_new(model: Model, config: object, base: Source, held: dict[int, Corpus]) -> bool:
    """Whether the memories are those of a model that was told only what is held."""
    fresh = train(config, sources=[base]).model  # type: ignore[arg-type]
    for number in sorted(held):
        tell(fresh, held[number])
    same = torch.equal(model.token_counts, fresh.token_counts)
    for name, memory in model.memories.items():
        one, other = memory.snapshot(), fresh.memories[name].snapshot()
        same = same and one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    return same


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    print(soak(float(sys.argv[1]) if sys.argv[1:] else 3600.0, say=True))
