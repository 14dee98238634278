"""Tables by a learned metric: regression and classification that stay exact, editable and explained.

>>> from lior_tables import GeometricClassifier, GeometricRegressor, load
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lior_tables.estimators import GeometricClassifier, GeometricRegressor
    from lior_tables.loading import load

__all__ = ["GeometricClassifier", "GeometricRegressor", "load"]
_MODULES = {
    "GeometricClassifier": "lior_tables.estimators",
    "GeometricRegressor": "lior_tables.estimators",
    "load": "lior_tables.loading",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: ``lior table --help`` needs neither torch nor pandas."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
