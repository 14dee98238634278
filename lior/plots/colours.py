"""The colours of pictures, told apart with any colour vision."""

from __future__ import annotations

from importlib import import_module
from typing import Any

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000")
"""Told apart with any colour vision (M. Okabe and K. Ito, *Color Universal Design*, 2002)."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
"""The same classes once more, for a print without colours."""
CURVES = (COLOURS[0], COLOURS[3], COLOURS[2], COLOURS[5])
STYLES = ("-", "--", ":")
"""Curves beyond the fourth have the same colours in another style."""
LEVELS = COLOURS[4:]

DIVERGING = (
    "#1F59A1", "#637DB6", "#96A4CC", "#C6CCE1", "#F6F6F6", "#E5C7B8", "#CF987E", "#B46B46", "#963F0E",
)  # fmt: skip
"""Blue over white to orange, equal steps in CIELAB: L* 38 to 97 and back, chroma 45 to 0 to 56."""


def field_map(diverging: bool) -> Any:
    """A perceptually uniform colour map of Matplotlib, with 0 in the middle if ``diverging``."""
    if not diverging:
        return "viridis"
    colors = import_module("matplotlib.colors")
    return colors.LinearSegmentedColormap.from_list("blue to orange", DIVERGING)
