"""What confirmed answers change, on the sets of lior_bench.questions that have reworded questions.

python -m lior_bench.confirming [--retriever dense] [--set home]

Every second paraphrased question is confirmed for its right passage, and all questions are asked before and
after. Its rewordings, in tests/ask/meaning/reworded.json, were written before they were asked. Prints how
many have the right passage first, among three, and are refused; "lost" are those that were right first before
and are not after.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

import lior
from lior_bench.checkout import folder
from lior_bench.questions import PLACE, SETS, load, squeezed, write


def asked(index: lior.Index, questions: dict[str, str]) -> list[tuple[bool, bool, bool]]:
    """Of each question: whether the right passage is first, is among three, and whether it was refused."""
    found = []
    for question, words in questions.items():
        answer = index.ask(question, top=3)
        right = [bool(words) and squeezed(words) in squeezed(p.text) for p, _ in answer.passages] or [False]
        found.append((right[0], any(right), not answer.found))
    return found


def confirm(index: lior.Index, question: str, words: str) -> None:
    """Confirm the first passage that has the words."""
    passages = map(index.passage, range(len(index)))
    index.confirm(question, next(p for p in passages if squeezed(words) in squeezed(p.text)))


def reworded() -> dict[str, dict[str, str]]:
    """Set -> paraphrased question -> the same question in other words."""
    return dict(json.loads((folder(PLACE) / "reworded.json").read_text("utf-8")))


def measure(name: str, again: dict[str, str], retriever: str | None) -> None:
    """Print the table of a set."""
    content = load(name)
    right = content["paraphrased"]
    kinds = {
        "confirmed": {q: right[q] for q in again},
        "reworded": {again[q]: right[q] for q in again},
        "others": {q: words for q, words in right.items() if q not in again},
        "plain": content["plain"],
        "unanswerable": dict.fromkeys(content["unanswerable"], ""),
    }
    with tempfile.TemporaryDirectory() as place:
        write(name, Path(place))
        index = lior.Index(place, retriever=retriever, cache=False)
        before = {kind: asked(index, questions) for kind, questions in kinds.items()}
        for question in again:
            confirm(index, question, right[question])
        for kind, questions in kinds.items():
            after = asked(index, questions)
            lost = sum(old[0] and not new[0] for old, new in zip(before[kind], after, strict=True))
            sums = "".join(
                f"{sum(old[i] for old in before[kind]):>6} →{sum(new[i] for new in after):>3}"
                for i in range(3)
            )
            print(f"{name:10}{kind:14}{len(questions):>10}{sums}{lost:>6}", flush=True)


@click.command(help=__doc__)
@click.option("--retriever", help="Name; the default one if not given.")
@click.option("--set", "names", multiple=True, type=click.Choice(SETS), help="All if not given.")
def main(retriever: str | None, names: tuple[str, ...]) -> None:
    print(f"{'set':10}{'kind':14}{'questions':>10}{'first':>11}{'three':>11}{'refused':>11}{'lost':>6}")
    for name, again in reworded().items():
        if not names or name in names:
            measure(name, again, retriever)


if __name__ == "__main__":
    main()
