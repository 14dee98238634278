"""Questions for overviews of invented folders, and the facts that their quotations should have.

The questions are in ``plugins/lior-bench/data/overviews.jsonl``. ``facts`` are parts of the lines that should
be quoted; ``also`` are parts of other lines, or documents, that are on the topic.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import lior_ask
from lior.interfaces import Passage
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
@click.option("--part", type=click.Choice(["choose", "last"]), default="choose", show_default=True)
@click.option("--all", "every", is_flag=True, help="Show all quotations.")
def overviews(part: str, every: bool) -> None:
    """Ask for overviews of invented folders.

    Prints the share of the facts that are quoted, the share of quotations beside the point, and how many
    questions about absent topics are refused. ``choose`` is for choosing constants, ``last`` for reporting.
    """
    every_question = [each for each in expectations(f"{DATA}/overviews.jsonl") if each["part"] == part]
    facts = quoted = beside = wanted = refused = absent = 0
    for name in dict.fromkeys(each["folder"] for each in every_question):
        with tempfile.TemporaryDirectory() as temporary:
            unpack(name, Path(temporary))
            index = lior_ask.Index(temporary, cache=False)
            for expected in (each for each in every_question if each["folder"] == name):
                answer = index.ask(expected["question"])
                shown = [passage for passage, _ in answer.passages] if answer.found else []
                if not expected["facts"]:
                    absent, refused = absent + 1, refused + (not answer.found)
                else:
                    has, off = counts(expected, shown)
                    facts, wanted = facts + has, wanted + len(expected["facts"])
                    quoted, beside = quoted + len(shown), beside + off
                    print(
                        f"{has} of {len(expected['facts'])} facts, {off} of {len(shown)} beside the point: ",
                        end="",
                    )
                print(expected["question"], f"({answer.confidence:.0%})")
                for passage, date in zip(shown, answer.dates or [""] * len(shown), strict=True):
                    if every:
                        print(f"    {date:10} {passage.document}:{passage.line} {plain(passage.text)[:90]}")
    print(f"facts quoted {facts} of {wanted} ({facts / wanted:.2f}); quotations beside the point {beside} of")
    print(f"{quoted} ({beside / max(quoted, 1):.2f}); absent topics refused {refused} of {absent}")
