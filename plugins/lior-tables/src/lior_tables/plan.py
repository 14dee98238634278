"""Options of a model, and the candidates that they select."""

from __future__ import annotations

from typing import Any

import attrs

from lior import registry as lior_registry
from lior.config import option
from lior.errors import UsageError
from lior_tables import readouts
from lior_tables.agop import Agop
from lior_tables.kernel import Parts
from lior_tables.members import Candidate
from lior_tables.power import Power

_WIDTHS, _NARROW = (0.3, 0.55, 1.0, 1.7, 3.0, 5.5, 10.0), (0.25, 0.5, 0.85, 1.5, 3.0)
"""Bandwidths in median distances; a Gaussian is flat within its bandwidth, so that it takes smaller ones."""
_ROOT, _GAUSS = tuple(width**0.7 for width in _WIDTHS), tuple(width**2 for width in _NARROW)
_RIDGES = (1e-5, 1e-4, 1e-3, 6e-3, 3e-2, 0.1, 0.3, 1.0, 3.0)
_MANY_INPUTS = 100
"""Maximum number of inputs for the L1 product, which takes a pass over the kernel matrix for each input."""


@attrs.frozen(kw_only=True)
class Options:
    """Options of a model; the defaults need no tuning.

    A plugin is a name, ``package.module:Class`` or an instance.
    """

    frame: Any = "agop"
    """Metric. The default plans full and diagonal metrics."""
    rsource: Any = None
    """Resilience source; ``None`` for ``R = 1``."""
    product: Any = "power"
    """Cost. The default plans several exponents and the L1 form."""
    readout: Any = "ridge"
    """``ridge`` solves, ``vote`` averages the nearest rows."""
    members: int = option(6, help="number of candidates to try", low=1)
    rounds: int = option(5, help="maximum rounds of learning the metric, as long as each helps", low=0)
    exact_rows: int = option(8000, help="rows of a kernel matrix; functions are fitted to more", low=2)
    time_limit: float | None = attrs.field(default=None)
    """Seconds for choosing and fitting, which limit the number of candidates tried; ``None`` for no limit."""
    precision: str = option(
        "mixed", help="mixed solves in float32 and edits in float64", choices=("mixed", "float64")
    )

    @time_limit.validator
    def _check_time(self, _: attrs.Attribute[Any], value: float | None) -> None:
        if value is not None and not value > 0:
            raise UsageError(f"time_limit = {value!r}: allowed is a number of seconds above 0, or None")


def plugin(kind: str, given: Any) -> Any:
    """Return the instance that an option names."""
    if not isinstance(given, str):
        return given
    registry = readouts.registry if kind == "readout" else lior_registry
    return registry.get(kind, given)()


def plan(options: Options, inputs: int) -> list[Candidate]:
    """Return the candidates for tables of ``inputs`` columns, the most helpful first."""
    readout = plugin("readout", options.readout)
    rsource = None if options.rsource is None else plugin("rsource", options.rsource)
    full, diagonal, sharp = Agop(), Agop(diagonal=True), Agop(diagonal=True, power=2.0)
    kinds: list[tuple[str, Any, Any, tuple[float, ...]]] = [
        ("laplace", Power(), full, _WIDTHS),
        ("l1", Power(norm=1), diagonal, _WIDTHS),
        ("gauss", Power(exponent=2.0), full, _GAUSS),
        ("power .7", Power(exponent=0.7), full, _ROOT),
        ("diagonal", Power(), diagonal, _WIDTHS),
        ("l1 sharp", Power(norm=1), sharp, _WIDTHS),  # where most inputs do not matter
    ]
    if options.product != "power":
        product = plugin("product", options.product)
        kinds = [("full", product, full, _WIDTHS), ("diagonal", product, diagonal, _WIDTHS)]
    if options.frame != "agop":
        frame = plugin("frame", options.frame)
        first = 4 if options.product == "power" else 1  # the others have the same product again
        kinds = [(name, product, frame, widths) for name, product, _, widths in kinds[:first]]
    if options.product == "power" and inputs > _MANY_INPUTS:
        kinds = [kind for kind in kinds if kind[1].norm != 1]
    return [
        Candidate(
            name=name,
            parts=Parts(frame=frame, rsource=rsource, product=product),
            readout=readout,
            bandwidths=widths,
            ridges=_RIDGES,
            rounds=options.rounds,
        )
        for name, product, frame, widths in kinds[: options.members]
    ]
