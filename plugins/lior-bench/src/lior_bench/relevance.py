"""Test collections with relevance judgements, the measures of rankings, and the results of retrievers.

Cranfield (``cran.all``, ``cran.qry``, ``cran.rel``) and CACM (``cacm.all`` …) in the SMART format.
"""

from __future__ import annotations

import random
import re
import string
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from lior import registry
from lior.interfaces import Passage, Retriever
from lior_ask.index.embedding import default_embedder
from lior_ask.index.inverted import InvertedIndex, PassageCounts
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.vector_store import VectorStore
from lior_ask.question.question import Question

Judged = tuple[list[tuple[str, str, str]], dict[str, str], dict[str, dict[str, int]]]
"""The documents (name, title, text), the questions, and the gains of documents for each question."""
DEEPEST = 1000
"""The number of documents of a ranking that are judged, as usual."""


def records(path: Path) -> list[dict[str, str]]:
    """Return records ``.I n`` with fields ``.T``, ``.W``, ``.K`` …, as one line each."""
    found: list[dict[str, str]] = []
    field = ""
    for line in path.read_text("latin-1").splitlines():
        if start := re.match(r"\.I\s+(\d+)", line):
            found.append(defaultdict(str, I=start[1]))
            field = ""
        elif re.fullmatch(r"\.[A-Z]\s*", line):
            field = line[1]
        elif field:
            found[-1][field] += line + " "
    return [defaultdict(str, {name: " ".join(text.split()) for name, text in r.items()}) for r in found]


def load(folder: Path, name: str) -> Judged:
    """Read a collection. In Cranfield questions are numbered in order, 1 is the best grade and −1 is none."""
    cran = name == "cran"
    documents = []
    for record in records(folder / f"{name}.all"):
        body = record["W"].removeprefix(record["T"]) if cran else f"{record['W']} {record['K']}"
        documents.append((record["I"], record["T"], body.strip()))
    asked = records(folder / f"{name}.qry")
    questions = {str(i) if cran else r["I"]: r["W"] for i, r in enumerate(asked, 1)}
    gains: dict[str, dict[str, int]] = defaultdict(dict)
    known = {document for document, _, _ in documents}
    for line in (folder / f"{name}.rel").read_text().splitlines():
        question, document, *rest = line.split()
        question, document = str(int(question)), str(int(document))
        grade = 5 - int(rest[0]) if cran else 1
        if document in known and question in questions and 1 <= grade <= 4:
            gains[question][document] = grade
    return documents, {q: questions[q] for q in questions if q in gains}, gains


def metrics(order: list[str], gains: dict[str, int]) -> tuple[float, float, float]:
    """Return nDCG@10, average precision and recall@100."""
    discount = 1 / np.log2(np.arange(2, 12))
    got = np.array([gains.get(document, 0) for document in order[:10]])
    ideal = np.array(sorted(gains.values(), reverse=True)[:10])
    hits = [place for place, document in enumerate(order) if document in gains]
    precision = sum(found / (place + 1) for found, place in enumerate(hits, 1)) / len(gains)
    ndcg = got @ discount[: len(got)] / (ideal @ discount[: len(ideal)])
    return float(ndcg), precision, sum(place < 100 for place in hits) / len(gains)


def mean_metrics(orders: dict[str, list[str]], gains: dict[str, dict[str, int]]) -> np.ndarray:
    """Return the means of the :func:`metrics` over questions, ``(3,)``."""
    return np.mean([metrics(order, gains[question]) for question, order in orders.items()], axis=0)


def sentences(title: str, body: str) -> list[str]:
    """Return the title and the sentences of a document; one empty sentence if it has none."""
    return [s for s in [title, *re.split(r"(?<=[.!?])\s+|\s\.\s", body)] if s] or [""]


def vectors_of(index: InvertedIndex) -> VectorStore:
    """Return the vectors of an index by the installed encoder, which retrievers use from now on."""
    store = VectorStore(index, lambda row: index.passages(range(row, row + 1))[0], default_embedder())
    index.vectors = store if store.table.name else None
    return store


def add(index: InvertedIndex, store: VectorStore, documents: Iterable[Sequence[Any]]) -> None:
    """Add documents: name, texts with contexts and, optionally, paragraph numbers."""
    texts = PassageStore(index.database)
    with index.database.writing():
        for name, pairs, *groups in documents:
            key = index.add(name, pairs, *groups)
            found = [Passage(document=name, line=1, text=text, context=context) for text, context in pairs]
            texts.add(key, found)
            store.table.add(key, found)
        index.flush()


# --- the command ---

DRAWS = 5
"""The number of random draws of wrong letters; the mean counts."""


def wrong(text: str, seed: int, rate: float = 0.1) -> str:
    """Return ``text`` with each letter replaced by a random one with probability ``rate``."""
    draw = random.Random(seed)
    return "".join(
        draw.choice(string.ascii_lowercase) if c.isalpha() and draw.random() < rate else c for c in text
    )


def count(documents: list[tuple[str, str, str]]) -> InvertedIndex:
    """Index documents by sentences, each with its title first, and with vectors if there are any."""
    index = InvertedIndex()
    cut = ((name, [(each, "") for each in sentences(title, body)]) for name, title, body in documents)
    add(index, vectors_of(index), cut)
    return index


def asked(
    retriever: Retriever, whole: PassageCounts, questions: dict[str, str], gains: dict[str, dict[str, int]]
) -> tuple[np.ndarray, float]:
    """Return the mean of the measures, and the milliseconds of a question."""
    names, begin = whole.documents, time.process_time()
    asked = {q: Question(text) for q, text in questions.items()}
    rankings = {q: retriever.rank(whole, each, len(names)).passages for q, each in asked.items()}
    passed = time.process_time() - begin
    found = {q: [names[row] for row in ranking] for q, ranking in rankings.items()}
    return mean_metrics(found, gains), 1e3 * passed / len(found)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--retriever", "names", multiple=True, default=("settle", "bm25"), show_default=True)
def rank_judged(folder: Path, names: tuple[str, ...]) -> None:
    """Measure retrievers on Cranfield and CACM, in the SMART format.

    FOLDER has cran.all, cran.qry, cran.rel, cacm.all, cacm.qry and cacm.rel. Prints nDCG@10, MAP and
    recall@100, also for questions of which a tenth of the letters is wrong (mean of five draws), and the
    time of a question. Nothing is fitted to them.
    """
    for name in names:
        retriever = registry.get("retriever", name)()
        for judged in ("cran", "cacm"):
            documents, questions, gains = load(folder, judged)
            whole = count(documents).by_document()
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
