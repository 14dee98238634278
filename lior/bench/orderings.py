"""Which system must be better than which. Times are never checked: they belong to the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from lior.bench.results import Key, Results, Row
from lior.bench.systems import PEERS, recipe_name

RIVALS = {"static": PEERS["ngram"]["ngram4"], "online": PEERS["ppmd"]["ppmd"]}
"""Mode of lior -> the peer that it must beat: the baseline of `lior train`, and the usual text compressor."""


@attrs.frozen
class Ordering:
    """A recipe must take fewer bits per byte than a peer."""

    better: Row
    worse: Row

    @property
    def holds(self) -> bool | None:
        """``None`` when it cannot be told, because the peer was skipped."""
        if self.better.bits is not None and self.worse.bits is not None:
            return self.better.bits < self.worse.bits
        return None if "skipped" in (self.better.status, self.worse.status) else False

    def __str__(self) -> str:
        text = self.better.key.text
        return f"{_shown(self.better)} < {_shown(self.worse)} on {text}"

    def summary(self) -> dict[str, Any]:
        """The ordering's entry in the report."""
        better, worse = (
            {"system": r.key.system, "mode": r.key.mode, "bits_per_byte": r.bits}
            for r in (self.better, self.worse)
        )
        return {"text": self.better.key.text, "better": better, "worse": worse, "holds": self.holds}


def orderings(results: Results, texts: Iterable[str], recipes: Sequence[str]) -> Iterator[Ordering]:
    """What must hold for each recipe on each text, as far as both were measured or tried."""
    for text in texts:
        for recipe in recipes:
            for mode, rival in RIVALS.items():
                better = results.rows.get(Key(text, recipe_name(recipe), mode))
                worse = next(
                    (r for k, r in results.rows.items() if (k.text, k.system) == (text, rival)), None
                )
                if better and worse:
                    yield Ordering(better, worse)


def _shown(row: Row) -> str:
    number = f"{row.bits:.4f}" if row.bits is not None else f"{row.status}: {row.reason}"
    return f"{row.key.system} {row.key.mode} ({number})"
