"""Public names of a package, each loaded from its module on first use (PEP 562).

A package lists its public names once, in the stub ``__init__.pyi`` beside it, which type checkers and editors
read too (`SPEC 1 <https://scientific-python.org/specs/spec-0001/>`_). So a command that needs one name of a
package does not import the other modules of it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["exports"]


def exports(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of the package of this name.

    The stub consists of statements ``from module import name as name``. No name is that of a module of the
    package, which would hide it.
    """
    names = vars(sys.modules[package])
    stub = ast.parse(Path(names["__file__"]).with_suffix(".pyi").read_text(encoding="utf-8"))
    modules = {
        alias.name: str(node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = names[name] = getattr(import_module(modules[name]), name)
        return value

    def listed() -> list[str]:
        return sorted({*modules, *(name for name in names if name.startswith("__"))})

    return sorted(modules), load, listed
