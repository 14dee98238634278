"""The laws of the field, each measured, compared with its bound, and drawn: ``lior field laws``."""

from __future__ import annotations

import torch

from lior_field.laws import dynamics, geometry
from lior_field.laws.law import Law

__all__ = ["Law", "measure"]


def measure() -> dict[str, list[Law]]:
    """Measure all laws; returns them by the name of their group. It takes some seconds of a core."""
    with torch.no_grad():
        return {"dynamics": [law() for law in dynamics.LAWS], "geometry": [law() for law in geometry.LAWS]}
