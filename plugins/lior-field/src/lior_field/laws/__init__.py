"""The laws of the field, each measured, compared with what it must be, and drawn: ``lior field laws``."""

from __future__ import annotations

import torch

from lior_field.laws import dynamics, geometry
from lior_field.laws.law import Law

__all__ = ["Law", "measure"]


def measure() -> dict[str, list[Law]]:
    """All of them, by the name of their group; some seconds of a core."""
    with torch.no_grad():
        return {"dynamics": [law() for law in dynamics.LAWS], "geometry": [law() for law in geometry.LAWS]}
