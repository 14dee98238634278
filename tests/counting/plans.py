"""Plans of small counting memories, whose other options are the same in all tests."""

from __future__ import annotations

from lior_plugins.counting import layout


def small_plan(
    patterns: tuple[str, ...], nested: int, *, gates: tuple[str, ...] = (), slowest: float = 0.1
) -> layout.Plan:
    """A plan of these patterns, the first ``nested`` of which go on from one another."""
    return layout.plan(
        patterns,
        nested=nested,
        base=1,
        joint=(),
        gates=gates,
        cells=1,
        discounts=(0.7, 0.9, 1.1),
        novel_discounts=(0.7, 0.9, 1.1),
        recent=0.3,
        slowest=slowest,
    )
