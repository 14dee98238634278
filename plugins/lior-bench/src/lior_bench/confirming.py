"""What confirmed answers change, on the sets of lior_bench.questions that have reworded questions.

python -m lior_bench.confirming [--retriever dense] [--set home]

Every second paraphrased question is confirmed for its right passage, and all questions are asked before and
after. Its rewordings, in plugins/lior-ask/tests/ask/meaning/reworded.json, were written before they were
asked. Prints how many have the right passage first, among three, and are refused; "lost" are those that were
right first before and are not after.
"""

from __future__ import annotations

import json

import attrs
import click

import lior_ask
from lior_bench.asking import Question, ask_all
from lior_bench.checkout import folder
from lior_bench.questions import PLACE, SETS, opened, questions


def asked(index: lior_ask.Index, wanted: list[Question]) -> list[tuple[bool, bool, bool]]:
    """Of each question: whether the right passage is first, is among three, and whether it was refused."""
    return [(any(each.passages[:1]), any(each.passages), each.refused) for each in ask_all(index, wanted)]


def confirm(index: lior_ask.Index, question: Question) -> None:
    """Confirm the first passage that answers it."""
    passages = map(index.passage, range(len(index)))
    index.confirm(question.text, next(filter(question.answered_by, passages)))


def reworded() -> dict[str, dict[str, str]]:
    """Set -> paraphrased question -> the same question in other words."""
    return dict(json.loads((folder(PLACE) / "reworded.json").read_text("utf-8")))


def measure(name: str, again: dict[str, str], retriever: str | None) -> None:
    """Print the table of a set."""
    kinds: dict[str, list[Question]] = {"confirmed": [], "reworded": [], "others": []}
    for question in questions(name):
        if question.text in again:
            kinds["confirmed"].append(question)
            kinds["reworded"].append(attrs.evolve(question, text=again[question.text]))
        else:
            kind = "others" if question.kind == "paraphrased" else question.kind
            kinds.setdefault(kind, []).append(question)
    with opened(name, retriever) as index:
        before = {kind: asked(index, wanted) for kind, wanted in kinds.items()}
        for question in kinds["confirmed"]:
            confirm(index, question)
        for kind, wanted in kinds.items():
            after = asked(index, wanted)
            lost = sum(old[0] and not new[0] for old, new in zip(before[kind], after, strict=True))
            sums = "".join(
                f"{sum(old[i] for old in before[kind]):>6} →{sum(new[i] for new in after):>3}"
                for i in range(3)
            )
            print(f"{name:10}{kind:14}{len(wanted):>10}{sums}{lost:>6}", flush=True)


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
