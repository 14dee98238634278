"""Questions for overviews of invented folders, and the facts that their quotations should have.

The questions are in ``plugins/lior-bench/data/overviews.jsonl``. ``facts`` are parts of the lines that should
be quoted; ``also`` are parts of other lines, or documents, that are on the topic.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import lior_ask
from lior.interfaces import Passage
from lior_ask.answer.record import Answer
from lior_bench.talks import expectations, plain
from lior_bench.worlds import DATA, unpack


def counts(expected: Mapping[str, Any], quoted: list[Passage]) -> tuple[int, int]:
    """Return how many facts are quoted, and how many quotations are beside the point."""
    texts = [plain(passage.text) for passage in quoted]
    facts = [plain(fact) for fact in expected["facts"]]
    about = [*facts, *map(plain, expected["also"])]
    beside = [
        passage
        for passage, text in zip(quoted, texts, strict=True)
        if passage.document not in expected["also"] and not any(part in text for part in about)
    ]
    return sum(any(fact in text for text in texts) for fact in facts), len(beside)


@click.command()
@click.option("--part", type=click.Choice(["choose", "seen", "last"]), default="choose", show_default=True)
@click.option("--all", "every", is_flag=True, help="Show all quotations.")
def overviews(part: str, every: bool) -> None:
    """Ask for overviews of invented folders.

    Prints the share of the facts that are quoted, the share of quotations beside the point, and how many
    questions about absent topics are refused. ``choose`` is for choosing constants, ``last`` for reporting.
    """
    asked = [each for each in expectations(f"{DATA}/overviews.jsonl") if each["part"] == part]
    found = [reply for name in dict.fromkeys(each["folder"] for each in asked) for reply in _ask(name, asked)]
    total = Counter[str]()
    for expected, answer in found:
        quoted = [passage for passage, _ in answer.passages] if answer.found else []
        has, beside = counts(expected, quoted)
        if wanted := len(expected["facts"]):
            total.update(facts=has, wanted=wanted, quoted=len(quoted), beside=beside)
        else:
            total.update(absent=1, refused=not answer.found)
        print(f"{has} of {wanted} facts, {beside} of {len(quoted)} beside the point: {expected['question']}")
        for passage, date in zip(quoted, answer.dates, strict=True) if every else ():
            print(f"    {date:10} {passage.document}:{passage.line} {plain(passage.text)[:90]}")
    print(f"facts quoted {total['facts']} of {total['wanted']}; ", end="")
    print(f"quotations beside the point {total['beside']} of {total['quoted']}; ", end="")
    print(f"absent topics refused {total['refused']} of {total['absent']}")


def _ask(name: str, asked: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Answer]]:
    """Yield the questions about a folder with their answers."""
    with tempfile.TemporaryDirectory() as temporary:
        unpack(name, Path(temporary))
        index = lior_ask.Index(temporary, cache=False)
        for expected in asked:
            if expected["folder"] == name:
                yield expected, index.ask(expected["question"])
