"""A family of devices: the ranges of its options, and the values it is made from and tested at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz.problem import Device

Values: TypeAlias = "dict[str, Tensor]"
"""Option -> its values, float64 ``[P]``, for P devices."""
MOST = 256
"""Devices that a family is made from at most."""


@attrs.frozen
class Range:
    """Between which values an option of the potential is varied, in the option's own unit.

    Raises ``UsageError`` when the values are not finite or do not rise.
    """

    name: str
    low: float
    high: float

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsageError(f"{self.name} from {self.low:g} to {self.high:g}: LOW has to be below HIGH")

    def at(self, shares: Tensor) -> Tensor:
        """The values that lie so far, from 0 to 1, between the ends; the ends themselves are exact."""
        return (self.low + shares * (self.high - self.low)).clamp(self.low, self.high)


def chebyshev(ranges: Sequence[Range], count: int) -> Values:
    """All combinations of ``count`` values of each option, the extrema of a Chebyshev polynomial.

    They include the ends and lie closer together there, where interpolation between equal distances fails
    first (L. N. Trefethen, *Approximation Theory and Approximation Practice*, 2013, ch. 2).

    Raises ``UsageError`` when there are fewer than two values or more than 256 combinations.
    """
    if count < 2 or count ** len(ranges) > MOST:
        most = math.floor(MOST ** (1 / len(ranges)) + 1e-9)
        raise UsageError(
            f"{count} values of each of {len(ranges)} options: allowed are 2 to {most}, "
            f"so that there are at most {MOST} devices"
        )
    shares = (1 - torch.cos(torch.pi * torch.arange(count, dtype=torch.float64) / (count - 1))) / 2
    mesh = torch.meshgrid(*(each.at(shares) for each in ranges), indexing="ij")
    return {each.name: values.reshape(-1).clone() for each, values in zip(ranges, mesh, strict=True)}


def unseen(ranges: Sequence[Range], count: int, seed: int) -> Values:
    """``count`` devices spread over the ranges, with those of one option in rising order: scrambled Sobol
    points (:func:`lior_ritz.training.assembly.random_rule`)."""
    drawn = torch.quasirandom.SobolEngine(len(ranges), scramble=True, seed=seed).draw(
        count, dtype=torch.float64
    )
    drawn = drawn[drawn[:, 0].argsort()]
    return {each.name: each.at(drawn[:, i]) for i, each in enumerate(ranges)}


def columns(values: Mapping[str, Tensor]) -> Device:
    """Values as a potential takes them, ``[P, 1]``."""
    return {name: each[:, None] for name, each in values.items()}


def rows(values: Mapping[str, Tensor]) -> list[dict[str, float]]:
    """One table of numbers for each device."""
    numbers = [each.tolist() for each in values.values()]
    return [dict(zip(values, row, strict=True)) for row in zip(*numbers, strict=True)]


def check(ranges: Sequence[Range], device: Mapping[str, float | Tensor]) -> tuple[Values, bool]:
    """Values of every option of a family, ``[P]``, and whether they are of one device given by numbers.

    Raises ``UsageError`` when an option is missing or unknown, lists differ in length, or a value is outside
    of its range.
    """
    names = [each.name for each in ranges]
    for name in device:
        if name not in names:
            known = f"It varies {', '.join(names)}."
            raise UsageError(
                sentences(f"{name} is not varied in this family.", did_you_mean(name, names), known)
            )
    found: Values = {}
    for each in ranges:
        if each.name not in device:
            raise UsageError(f"{each.name}: give its value; the family varies {', '.join(names)}")
        value = torch.as_tensor(device[each.name], dtype=torch.float64)
        bad = ~((value >= each.low) & (value <= each.high))
        if bool(bad.any()):
            worst = float(value[bad].reshape(-1)[0]) if value.dim() else float(value)
            raise UsageError(
                f"{each.name} = {worst:g}: the family was made from {each.low:g} to {each.high:g}"
            )
        found[each.name] = value
    single = all(value.dim() == 0 for value in found.values())
    try:
        spread = torch.broadcast_tensors(*(value.reshape(-1) for value in found.values()))
    except RuntimeError:
        lengths = ", ".join(f"{len(value.reshape(-1))} of {name}" for name, value in found.items())
        raise UsageError(f"as many values of each option are needed, not {lengths}") from None
    return dict(zip(found, spread, strict=True)), single
