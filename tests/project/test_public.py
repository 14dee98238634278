"""Public modules: docs/public.md lists them, each lists its names, and products import no others."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = re.findall(r"^\| `(lior[\w.]*)` \|", (ROOT / "docs" / "public.md").read_text(), re.M)
CORE = ("lior", "lior_cli", "lior_plugins")


def test_there_are_few():
    assert len(set(PUBLIC) - {"lior_ask", "lior_ask.testing"}) <= 25
    assert sorted(PUBLIC) == sorted(set(PUBLIC))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_and_hides_no_module(name):
    module = import_module(name)
    path = Path(str(module.__file__))
    beside = {each.stem for each in path.parent.iterdir()} if path.stem == "__init__" else set()
    assert module.__all__
    assert all(getattr(module, each, None) is not None for each in module.__all__)
    assert not beside & {*module.__all__}, "a name that hides a module"


def test_an_unknown_name_is_no_attribute():
    for name in ("lior", "lior.reading"):
        with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
            getattr(import_module(name), "nothing")  # noqa: B009


def modules_imported(path: Path) -> set[str]:
    """Modules of the core that a file imports, also those that it imports as names of their package."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (module := str(node.module)).split(".")[0] in CORE:
            for alias in node.names:
                full = f"{module}.{alias.name}"
                known = full not in PUBLIC and alias.name in getattr(import_module(module), "__all__", ())
                found.add(module if known else full)
    return {name for name in found if name.split(".")[0] in CORE}


def test_products_and_templates_import_no_others():
    files = [
        *ROOT.glob("plugins/lior-*/src/**/*.py"),
        *ROOT.glob("cli/lior_cli/scaffold/templates/*.py"),
    ]
    found = {str(path.relative_to(ROOT)): modules_imported(path) - {*PUBLIC} for path in files}
    assert not {path: others for path, others in found.items() if others}
