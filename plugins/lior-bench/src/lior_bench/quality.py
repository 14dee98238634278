"""Quality of retrievers on judged collections: Cranfield and CACM in the SMART format.

    python -m lior_bench.quality FOLDER [--retriever settle --retriever bm25]

FOLDER has cran.all, cran.qry, cran.rel, cacm.all, cacm.qry and cacm.rel. Prints nDCG@10, MAP and recall@100,
also for questions of which a tenth of the letters is wrong (mean of five draws), and the time of a question.
Nothing is fitted to them. `lior bench --retrieval FOLDER` compares with other programs.
"""

from __future__ import annotations

import random
import string
import time
from pathlib import Path

import click
import numpy as np

from lior.interfaces import Retriever
from lior.plugins.registry import registry
from lior_ask.index.inverted import InvertedIndex
from lior_bench.relevance import load, metrics, passages, sentences, vectors_of

DRAWS = 5
"""Draws of wrong letters; the mean counts."""


def wrong(text: str, seed: int, rate: float = 0.1) -> str:
    """``text`` with each letter replaced by a random one with probability ``rate``."""
    draw = random.Random(seed)
    return "".join(
        draw.choice(string.ascii_lowercase) if c.isalpha() and draw.random() < rate else c for c in text
    )


def counted(documents: list[tuple[str, str, str]]) -> InvertedIndex:
    """Documents cut into sentences, each with the title as its first; with vectors, where there are any."""
    cut = {name: [(sentence, "") for sentence in sentences(title, body)] for name, title, body in documents}
    index, content = InvertedIndex(), {name: passages(name, texts) for name, texts in cut.items()}
    store = vectors_of(index, content)
    for name, texts in cut.items():
        store.add(index.add(name, texts), content[name])
    return index


def asked(
    retriever: Retriever, whole: InvertedIndex, questions: dict[str, str], gains: dict[str, dict[str, int]]
) -> tuple[np.ndarray, float]:
    """Mean of the measures, and milliseconds of a question."""
    names, rows, begin = whole.documents, [], time.process_time()
    rankings = {q: retriever.rank(whole, text, len(names)).passages for q, text in questions.items()}
    passed = time.process_time() - begin
    for question, ranking in rankings.items():
        rows.append(metrics([names[row] for row in ranking], gains[question]))
    return np.mean(rows, axis=0), 1e3 * passed / len(rows)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--retriever", "names", multiple=True, default=("settle", "bm25"), show_default=True)
def main(folder: Path, names: tuple[str, ...]) -> None:
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


if __name__ == "__main__":
    main()
