"""Quality and speed of retrievers on judged collections: Cranfield and CACM in the SMART format.

    python -m lior_bench.quality FOLDER [--retriever settle --retriever bm25] [--speed 10000]

FOLDER has cran.all, cran.qry, cran.rel, cacm.all, cacm.qry and cacm.rel. Prints nDCG@10, MAP and recall@100,
also for questions of which a tenth of the letters is wrong (mean of five draws), and the time of a question.
Nothing is fitted to them. `lior bench --retrieval FOLDER` compares with other programs.
"""

from __future__ import annotations

import random
import re
import string
import time
from pathlib import Path

import click
import numpy as np

from lior.ask.collection import Collection
from lior.interfaces import Retriever
from lior.plugins.registry import registry
from lior_bench.relevance import load, metrics, sentences

DRAWS = 5
"""Draws of wrong letters; the mean counts."""


def wrong(text: str, seed: int, rate: float = 0.1) -> str:
    """``text`` with each letter replaced by a random one with probability ``rate``."""
    draw = random.Random(seed)
    return "".join(
        draw.choice(string.ascii_lowercase) if c.isalpha() and draw.random() < rate else c for c in text
    )


def counted(documents: list[tuple[str, str, str]]) -> Collection:
    """Documents cut into sentences, each with the title as its first."""
    collection = Collection.empty()
    for name, title, body in documents:
        collection.add(name, [(sentence, "") for sentence in sentences(title, body)])
    return collection


def asked(
    retriever: Retriever, whole: Collection, questions: dict[str, str], gains: dict[str, dict[str, int]]
) -> tuple[np.ndarray, float]:
    """Mean of the measures, and milliseconds of a question."""
    names, rows, begin = whole.documents, [], time.process_time()
    rankings = {q: retriever.rank(whole, text, len(names)).passages for q, text in questions.items()}
    passed = time.process_time() - begin
    for question, ranking in rankings.items():
        rows.append(metrics([names[row] for row in ranking], gains[question]))
    return np.mean(rows, axis=0), 1e3 * passed / len(rows)


def speed(
    retriever: Retriever, documents: list[tuple[str, str, str]], questions: list[str], size: int
) -> str:
    """CPU time of indexing, opening, a question and one more note, for ``size`` passages of drawn text."""
    draw = np.random.default_rng(0)
    sentences = [s for _, _, body in documents for s in re.split(r"\s\.\s", body) if s]
    chosen = draw.integers(0, len(sentences), size)
    unique = (f"{sentences[i]} n{i % 977}x{place % 9973}" for place, i in enumerate(chosen))
    texts = list(unique)
    begin = time.process_time()
    collection = Collection.empty()
    for first in range(0, size, 40):
        part = texts[first : first + 40]
        collection.add(
            f"{first:09}", [(text, f"heading {first}") for text in part], [i // 5 for i in range(len(part))]
        )
    arrays = collection.arrays()
    index = time.process_time() - begin
    begin = time.process_time()
    collection = Collection.from_arrays(arrays)
    retriever.rank(collection, questions[0], 10)
    first_time = time.process_time() - begin
    times = []
    for question in questions[:50]:
        begin = time.process_time()
        retriever.rank(collection, question, 10)
        times.append(time.process_time() - begin)
    begin = time.process_time()
    collection.add("note", [(texts[0], "")])
    collection.remove("000000000")
    len(collection)
    learn = time.process_time() - begin
    megabytes = sum(map(len, texts)) / 1e6
    counts = sum(a.nbytes for a in arrays.values()) / 1e6
    return (
        f"{size:>9,} passages, {megabytes:.1f} MB: indexed {megabytes / index:.1f} MB/s, opened and "
        f"first question {first_time:.3f} s, then {1e3 * np.median(times):.1f} ms "
        f"(worst {1e3 * max(times):.0f}), learn and forget {1e3 * learn:.0f} ms, counts {counts:.0f} MB"
    )


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--retriever", "names", multiple=True, default=("settle", "bm25"), show_default=True)
@click.option("--speed", "sizes", multiple=True, type=int, help="Passages of a test of speed.")
def main(folder: Path, names: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    for name in names:
        retriever = registry.get("retriever", name)()
        for judged in ("cran", "cacm"):
            documents, questions, gains = load(folder, judged)
            whole = counted(documents).by_document()
            mean, passed = asked(retriever, whole, questions, gains)
            print(
                f"{name} {judged}: nDCG@10 {mean[0]:.3f} MAP {mean[1]:.3f} R@100 {mean[2]:.3f}, "
                f"{passed:.1f} ms"
            )
            drawn = []
            for draw in range(DRAWS):
                garbled = {q: wrong(text, 1000 * draw + i) for i, (q, text) in enumerate(questions.items())}
                drawn.append(asked(retriever, whole, garbled, gains)[0])
            mean = np.mean(drawn, axis=0)
            print(f"  10 % of letters wrong: {mean[0]:.3f} {mean[1]:.3f} {mean[2]:.3f}", flush=True)
        documents, questions, _ = load(folder, "cran")
        for size in sizes:
            print(name, speed(retriever, documents, list(questions.values()), size), flush=True)


if __name__ == "__main__":
    main()
