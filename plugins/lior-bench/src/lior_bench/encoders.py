"""How often an encoder alone, and with the score of a retriever, has the right passage on top.

python -m lior_bench.encoders [--set report_de] [--embedder minilm] [--embedder e5]

Asks the sets of lior_bench.questions, of their folders only the notes, and ranks all passages: by ``settle``
and ``dense``, by the cosine of each embedder with the text alone, with the text behind its context (the
heading and the file) and with the sum of both vectors, and by the second + weight x score. Prints right first
/ among three by kind of question, and two areas under the ROC curve: how well the best score, and its
distance to the second, tell a right first passage from an unanswerable question (chance is 0.5).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

import lior_ask
from lior.interfaces import Passage
from lior_ask.index.embedding import embedder, reading
from lior_bench.questions import SETS, load, questions

RETRIEVERS = ("settle", "dense")
WEIGHTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Of a retriever's score beside the cosine."""


def methods(
    indexes: dict[str, lior_ask.Index],
    passages: list[Passage],
    questions: list[str],
    embedders: tuple[str, ...],
) -> Iterator[tuple[str, np.ndarray]]:
    """Name of a method and its scores, float64 ``(questions, passages)``."""
    kept = {}
    for name, index in indexes.items():
        kept[name] = np.zeros((len(questions), len(passages)))
        for row, question in enumerate(questions):
            found = index.rank(question, len(passages))
            kept[name][row, found.passages] = found.scores
        yield name, kept[name]
    for name in embedders:
        read = embedder(name)
        asked = read.embed(questions, question=True).astype(float)
        alone = read.embed([passage.text for passage in passages]).astype(float)
        behind = read.embed([reading(passage) for passage in passages]).astype(float)
        both = alone + behind
        yield f"{name}, text alone", asked @ alone.T
        yield f"{name}, both", asked @ (both / np.linalg.norm(both, axis=1, keepdims=True)).T
        yield name, asked @ behind.T
        for retriever, scores in kept.items():
            for weight in WEIGHTS:
                yield f"{name} + {retriever} x {weight:g}", asked @ behind.T + weight * scores


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """Share of pairs in which the right one has more, half for equals."""
    return float((np.sign(right[:, None] - wrong[None]).mean() + 1) / 2) if len(right) else float("nan")


def measure(name: str, embedders: tuple[str, ...]) -> None:
    """Print the table of a set."""
    with tempfile.TemporaryDirectory() as place:
        asked = questions(name)
        for path, text in load(name)["texts"].items():
            (Path(place) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(place) / path).write_text(text, "utf-8")
        indexes = {each: lior_ask.Index(place, retriever=each, cache=False) for each in RETRIEVERS}
        passages = [*map(indexes["settle"].passage, range(len(indexes["settle"])))]
        right = np.array([[each.answered_by(passage) for passage in passages] for each in asked])
        kinds = dict.fromkeys(each.kind for each in asked)
        rows = {kind: [i for i, each in enumerate(asked) if each.kind == kind] for kind in kinds}
        none = rows.pop("unanswerable")
        counts = "".join(f"{f'{kind} {len(chosen)}':>16}" for kind, chosen in rows.items())
        print(f"{f'{name}, {len(passages)} passages':30}{counts}{'best':>8}{'distance':>10}")
        for method, scores in methods(indexes, passages, [each.text for each in asked], embedders):
            order = np.argsort(-scores, axis=1, kind="stable")[:, :3]
            hits, best = (np.take_along_axis(each, order, 1) for each in (right, scores))
            found = [f"{hits[each, 0].sum()}/{hits[each].any(1).sum()}" for each in rows.values()]
            areas = [area(each[hits[:, 0]], each[none]) for each in (best[:, 0], best[:, 0] - best[:, 1])]
            shown = "".join(f"{each:>16}" for each in found)
            print(f"{method:30}{shown}{areas[0]:8.2f}{areas[1]:10.2f}", flush=True)


@click.command(help=__doc__)
@click.option("--set", "names", multiple=True, type=click.Choice(SETS), default=SETS)
@click.option("--embedder", "embedders", multiple=True, default=("minilm", "e5"))
def main(names: tuple[str, ...], embedders: tuple[str, ...]) -> None:
    for name in names:
        if name != "trial" and "texts" in load(name):
            measure(name, embedders)


if __name__ == "__main__":
    main()
