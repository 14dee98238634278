"""The effect of the field's encoders on a model of text.

    python plugins/lior-field/bench/connection.py [--part dynamics|far|…] [--seeds 3]

Three texts: the documentation of lior (prose and code), its embedded corpus, and a text with long
dependencies from ``dependencies``. It has brackets and quotes that close 100 to 1,000 bytes after they
opened, names that return, and pronouns that agree with them.
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
from lior import Run
from lior.model import build_corpus, score_documents
from lior.reading import RawDocument, read_embedded

ROOT = Path(__file__).resolve().parents[3]
PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", "“": "”", "«": "»"}
PEOPLE = {
    "Ada": "she",
    "Bela": "he",
    "Carl": "he",
    "Dora": "she",
    "Emil": "he",
    "Greta": "she",
    "The Finns": "they",
    "The Jutes": "they",
}
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
LONG_SIZE = 120_000
"""Bytes of the text with long dependencies, whose events are rare."""


def dependencies(seed: int, size: int) -> tuple[str, dict[str, list[int]]]:
    """Return a text of about ``size`` bytes, and the places that only a distant context determines."""
    draw, data = random.Random(seed), bytearray()
    marks: dict[str, list[int]] = {"bracket": [], "name": [], "agreement": []}
    while len(data) < size:
        who = draw.choice(tuple(PEOPLE))
        data += f"{who} ".encode()
        for _ in range(draw.randint(2, 4)):
            opening = draw.choice(tuple(PAIRS))
            data += opening.encode()
            end = len(data) + round(100 * 10 ** draw.random())
            while len(data) < end:
                data += f"{draw.choice(WORDS)} ".encode()
            marks["bracket"].append(len(data))
            kind = draw.choice(("name", "agreement"))
            word, cue = (who, ";") if kind == "name" else (PEOPLE[who], ".")
            data += f"{PAIRS[opening]} {cue} ".encode()
            marks[kind].append(len(data) + 4 * word.startswith("The "))
            data += f"{word} ".encode()
        data += b"\n"
    return data.decode(), marks


def texts(seed: int) -> dict[str, str]:
    """Return the texts by name."""
    pages = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    reference = "\n".join(document.data.decode("utf-8", "replace") for document in read_embedded())
    return {
        "documentation": pages[:SIZE],
        "reference": reference[:SIZE],
        "dependencies": dependencies(seed, LONG_SIZE)[0],
    }


def train(kind: str, text: str, seed: int, memory: Any, **settings: Any) -> Run:
    """Train a model on the first nine tenths of ``text``.

    With long dependencies, an update compares no items that share the far context of a query.
    """
    geometry = {"updates": 150, "batch": 256, "keys": 4096}
    if kind == "dependencies":
        geometry |= {"exclude": 1200, "near": 8}
    return lior.train(documents={"text": text}, memory=memory, seed=seed, geometry=geometry, **settings)


def decided_bits(run: Run, seed: int) -> dict[str, float]:
    """Return the bits per byte of a fresh text at the places that a distant context determines."""
    text, marked = dependencies(1000 + seed, LONG_SIZE // 3)
    built = build_corpus([RawDocument("fresh", text.encode())], run.model.tokenizer)
    bits = score_documents(run.model, built)[0].bits
    return {kind: float(bits[at].mean()) for kind, at in marked.items()}


def row(part: str, name: str, texts_of: Any, seeds: int, memory: Any, **settings: Any) -> dict[str, Any]:
    """Return means over seeds of the bits per byte of each text."""
    found: dict[str, list[float]] = {}
    begin = time.process_time()
    for seed in range(seeds):
        for kind, text in texts_of(seed).items():
            run = train(kind, text, seed, memory, **settings)
            found.setdefault(kind, []).append((run.summary or {})["val_bits_per_byte"])
            if kind == "dependencies":
                for place, bits in decided_bits(run, seed).items():
                    found.setdefault(place, []).append(bits)
    seconds = (time.process_time() - begin) / seeds
    shown = {
        kind: f"{mean(values):.3f} ± {stdev(values) if len(values) > 1 else 0:.3f}"
        for kind, values in found.items()
    }
    print(json.dumps({"part": part, "what": name, **shown, "seconds": round(seconds, 1)}), flush=True)
    return {"part": part, "what": name, **found}


PARTS: dict[str, dict[str, dict[str, Any]]] = {
    "encoders": {
        "lags, 16 tokens": {"memory": "exact", "encoder": "lags"},
        "lags, 32 tokens": {"memory": "exact", "encoder": {"name": "lags", "lags": 32}},
        "poles, 32 tokens": {"memory": "exact", "encoder": "poles"},
        "field, 32 tokens": {"memory": "exact", "encoder": "field"},
    },
    "dynamics": {
        f"{what}, {memory}": {"memory": memory.split(" and "), "encoder": encoder}
        for memory in ("exact", "sdm and exact")
        for what, encoder in {
            "lags": "lags",
            "poles": "poles",
            "unitary": "field",
            "dissipative": {"name": "field", "dynamics": "dissipative"},
            "symplectic": {"name": "field", "dynamics": "symplectic"},
            "no time": {"name": "field", "time": 0.0},
        }.items()
    },
    "far": {
        f"far, 512 tokens, before {near}": {"memory": "exact", "encoder": {"name": "far", "near": near}}
        for near in ("lags", "poles", "field")
    },
}


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument(
        "--text", action="append", help="documentation, reference, dependencies; default: all"
    )
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()

    def chosen(seed: int) -> dict[str, str]:
        return {kind: text for kind, text in texts(seed).items() if not given.text or kind in given.text}

    for part in given.part or PARTS:
        for name, settings in PARTS[part].items():
            row(part, name, chosen, given.seeds, **settings)


if __name__ == "__main__":
    main()
