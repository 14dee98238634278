"""Default patterns of ``sdm``, and checks of its options and snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lior.errors import UsageError
from lior.interfaces import State
from lior.tensors import Expected, check
from lior_plugins.counting import addresses, journal, layout
from lior_plugins.counting.layout import GATES, JOINT, Plan, Weights

ORDERS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 18)
PATTERNS = (
    "word",
    "word-1 word",
    "word-2 word-1 word",
    "word-2 word",
    "word-3 word",
    "word-1 1",
    "2-3",
    "2-4",
    "1,3",
    "3-6",
    "1,3-5",
    "2-6",
    "1-2,4-5",
    "1,5-7",
    "column 1",
    "above 1",
    "margin half 1",
    "opening word",
    "heading word",
    "shape word",
    "~1-4",
    "marks",
    "length 1-2",
    "after after-2 1",
    "next next-2 1",
    "next next-2 next-3",
    "after next next-2",
    "sentence stop word",
    "word-1 suffix",
)
JOINTS = (
    "1 | 1-2 | 1-3 | 1-4 | 1-5 | 1-6",
    "1-3 | 1-5 | word | word-1 word | ~1-4 | word-2 word",
    "1-2 | 2-3 | 1,3 | 1,3-5 | 2-6 | word-1 1",
    "word | word-1 word | word-2 word-1 word | word-2 word | word-3 word | sentence stop word",
)
"""Groups of patterns whose states for a token are looked up together."""

SNAPSHOT = journal.SNAPSHOT | {
    "clock": Expected("int64", ()),
    "addresses": Expected("int64", (None,)),
    "sizes": Expected("int32", (None,)),
    "counters": Expected("uint8", (None, 12)),
}
"""Tensors of a snapshot besides the learned parameters."""

_RATES = ("weight_rate", "token_rate", "table_rate")


def check_options(sdm: Any, address_patterns: Sequence[str]) -> None:
    """Refuse options that contradict each other; each alone has been checked against its declaration.

    Raises
    ------
    UsageError
        With the option's name, its value and the allowed values.
    """
    if not sdm.orders or sdm.orders[0] != 0 or sorted(set(sdm.orders)) != list(sdm.orders):
        raise UsageError(f"orders = {list(sdm.orders)}: allowed are ascending lengths from 0")
    if sdm.base_order not in sdm.orders:
        raise UsageError(f"base_order = {sdm.base_order}: allowed is one of {list(sdm.orders)}")
    if len(address_patterns) > addresses.MAX_PATTERNS:
        raise UsageError(f"{len(address_patterns)} patterns; at most {addresses.MAX_PATTERNS} fit")
    for name in ("discounts", "novel_discounts"):
        values = getattr(sdm, name)
        if len(values) != 3 or not all(0 < d <= i for i, d in enumerate(values, 1)):
            raise UsageError(f"{name} = {list(values)}: three numbers, the k-th of them in (0, k]")
    for name in (*_RATES, *("static_" + each for each in _RATES), "logit_rate"):
        if len(values := getattr(sdm, name)) != 2 or not all(0 < v <= 1 for v in values):
            raise UsageError(f"{name} = {list(values)}: two numbers in (0, 1], first and last")
    if unknown := set(sdm.gates) - set(GATES):
        raise UsageError(f"gates: {sorted(unknown)} unknown; allowed are {', '.join(GATES)}")
    for pattern in address_patterns:
        addresses.parse(pattern)
    for group in sdm.joint:
        if len(group.split("|")) != JOINT:
            raise UsageError(f"joint: {group!r} are not {JOINT} patterns separated by |")


NOT_SETTLED = (-1, -1)
"""Mark for the end of a training's text if there was no training."""


def settle_in(snapshot: State) -> tuple[int, tuple[int, int] | None]:
    """Return the number of a snapshot's tokens counted from totals, and the end of the training's text.

    Raises
    ------
    UsageError
        When it is not a valid number of its tokens.
    """
    if (noted := snapshot.get("settled")) is None:
        return 0, None
    check({"settled": noted}, {"settled": Expected("int64", (3,))}, of="memory sdm")
    settled, document, place = noted.tolist()
    if not 0 <= settled <= int(snapshot["clock"]):
        raise UsageError(f"memory sdm: settled is {settled}, of {int(snapshot['clock'])} tokens")
    return settled, None if (document, place) == NOT_SETTLED else (document, place)


def weights_in(snapshot: State, plan: Plan) -> dict[str, Weights]:
    """Return the weights of a snapshot, by mode.

    Raises
    ------
    UsageError
        When their shapes or types do not belong to a memory with this ``plan``.
    """
    modes = {name.split(".")[0] for name in snapshot if "." in name}
    found = {}
    for mode in sorted(modes):
        fresh = layout.fresh(plan, snapshot[f"{mode}.bias"].numel())
        learned = found[mode] = Weights(
            *(snapshot[f"{mode}.{k}"].cpu().numpy().copy() for k in Weights._fields)
        )
        for name, own, wanted in zip(Weights._fields, learned, fresh, strict=True):
            if own.shape != wanted.shape or own.dtype != wanted.dtype:
                raise UsageError(
                    f"memory sdm: {mode}.{name} is {own.dtype} {own.shape}, and with these options it is"
                    f" {wanted.dtype} {wanted.shape}: the snapshot is of a memory with others"
                )
    return found
