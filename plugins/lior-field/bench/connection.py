"""What the field adds to a model of text: encoders, resilience sources and the reservoir.

    python plugins/lior-field/bench/connection.py [--part encoders|rsources|reservoir] [--seeds 3]

Three texts: the documentation of lior (prose and code), its embedded corpus, and one with long dependencies,
which ``dependencies`` makes: brackets that close 100 to 400 bytes after they opened, and names that return.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import lior
from lior.data import corpus
from lior.data.documents import RawDocument, embedded
from lior.model import scoring
from lior.runs.run import Run

ROOT = Path(__file__).resolve().parents[3]
PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
NAMES = ("Ada", "Bela", "Carl", "Dora", "Emil", "Fritz", "Greta", "Hugo")
WORDS = (
    "the",
    "a",
    "of",
    "in",
    "and",
    "to",
    "was",
    "is",
    "it",
    "on",
    "for",
    "as",
    "with",
    "at",
    "by",
    "from",
)
SIZE = 60_000


def dependencies(seed: int, size: int) -> tuple[str, list[int]]:
    """A text of about ``size`` bytes, and the places of those that only what stands far before decides."""
    draw, pieces, marked, length = random.Random(seed), [], [], 0

    def add(text: str, *, decided: bool = False) -> None:
        nonlocal length
        if decided:
            marked.append(length)
        pieces.append(text)
        length += len(text)

    while length < size:
        name, opening = draw.choice(NAMES), draw.choice(tuple(PAIRS))
        add(f"{name} {opening}")
        end = length + draw.randint(100, 400)
        while length < end:
            add(f"{draw.choice(WORDS)} ")
        add(PAIRS[opening], decided=True)
        add(" ")
        add(name[0], decided=True)
        add(f"{name[1:]}\n")
    return "".join(pieces), marked


def texts(seed: int) -> dict[str, str]:
    """Name -> text."""
    pages = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    reference = "\n".join(document.data.decode("utf-8", "replace") for document in embedded())
    return {
        "documentation": pages[:SIZE],
        "reference": reference[:SIZE],
        "dependencies": dependencies(seed, SIZE)[0],
    }


def trained(text: str, seed: int, memory: Any, **settings: Any) -> Run:
    """A model of the first nine tenths of ``text``."""
    geometry = {"updates": 150, "batch": 256, "keys": 4096}
    return lior.train(documents={"text": text}, memory=memory, seed=seed, geometry=geometry, **settings)


def decided_bits(run: Run, seed: int) -> float:
    """Bits per byte of a fresh text at the places that something far before decides."""
    text, marked = dependencies(1000 + seed, SIZE // 3)
    built = corpus.build([RawDocument("fresh", text.encode())], run.model.tokenizer)
    return float(scoring.score(run.model, built)[0].bits[marked].mean())


def row(part: str, name: str, texts_of: Any, seeds: int, memory: Any, **settings: Any) -> dict[str, Any]:
    """Means over seeds of the bits per byte of each text."""
    found: dict[str, list[float]] = {}
    begin = time.process_time()
    for seed in range(seeds):
        for kind, text in texts_of(seed).items():
            run = trained(text, seed, memory, **settings)
            found.setdefault(kind, []).append(run.summary["val_bits_per_byte"])
            if kind == "dependencies":
                found.setdefault("decided far before", []).append(decided_bits(run, seed))
    seconds = (time.process_time() - begin) / seeds
    shown = {
        kind: f"{mean(values):.3f} ± {stdev(values) if len(values) > 1 else 0:.3f}"
        for kind, values in found.items()
    }
    print(json.dumps({"part": part, "what": name, **shown, "seconds": round(seconds, 1)}), flush=True)
    return {"part": part, "what": name, **found}


LONG = {"reach": 448}
PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "encoders": {
        "lags, 32 tokens": {"memory": "exact", "encoder": "lags"},
        "poles, 32 tokens": {"memory": "exact", "encoder": "poles"},
        "field, 32 tokens": {"memory": "exact", "encoder": "field"},
        "poles, 448 tokens": {
            "memory": "exact",
            "encoder": {"name": "poles", "horizon": 448.0, "tail": 0.5, **LONG},
        },
        "field, 448 tokens": {"memory": "exact", "encoder": {"name": "field", "horizon": 448.0, **LONG}},
    },
    "rsources": {
        "constitutive": {"memory": "exact", "rsource": "constitutive"},
        "curvature": {"memory": "exact", "rsource": "curvature"},
        "field": {"memory": "exact", "rsource": "field"},
        "field, power 0 (R constant at first)": {
            "memory": "exact",
            "rsource": {"name": "field", "power": 0.0},
        },
    },
    "reservoir": {
        "reservoir": {"memory": "reservoir"},
        "sdm": {"memory": "sdm"},
        "sdm, reservoir": {"memory": ["sdm", "reservoir"]},
        "sdm, exact": {"memory": ["sdm", "exact"]},
    },
}


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for part in given.part or PARTS:
        for name, settings in PARTS[part].items():
            row(part, name, texts, given.seeds, **settings)


if __name__ == "__main__":
    main()
