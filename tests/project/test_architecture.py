"""The architecture page shows the code as it is."""

from __future__ import annotations

import ast
from pathlib import Path

from tools import architecture

ROOT = Path(__file__).resolve().parents[2]


def test_picture_and_table_are_those_of_the_code(capsys):
    assert architecture.main(check=True) == 0, capsys.readouterr().out


def test_every_room_has_a_job():
    names = [*(name for layer in architecture.LAYERS for name in layer), *architecture.BESIDE]
    assert [name for name in names if not architecture.room(name).job] == []


def test_every_package_is_a_room():
    drawn = {name for layer in architecture.LAYERS for name in layer} | set(architecture.BESIDE)
    on_disk = {path.parent.name for path in (ROOT / "lior").glob("*/__init__.py")}
    assert on_disk <= drawn


def test_the_first_level_is_small():
    assert len(list((ROOT / "lior").glob("*.py"))) <= 14


def test_modules_have_at_most_600_lines():
    sources = [
        *(ROOT / "lior").rglob("*.py"),
        *(ROOT / "cli").rglob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
    ]
    assert [str(path) for path in sources if len(path.read_text().splitlines()) > 600] == []


def test_only_the_package_itself_imports_what_is_private():
    """A leading underscore means: imported only inside the same package."""
    for path in [
        *(ROOT / "lior").rglob("*.py"),
        *(ROOT / "cli").rglob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module or not node.module.startswith("lior"):
                continue
            package = str(path.parent.relative_to(ROOT)).replace("/", ".")
            private = [
                alias.name for alias in node.names if alias.name.startswith("_") and alias.name[1] != "_"
            ]
            private += [part for part in node.module.split(".") if part.startswith("_")]
            home = node.module.rpartition(".")[0]
            assert not private or package.endswith((home, node.module)), f"{path}: {node.module}: {private}"
