"""The architecture page shows the code as it is, and no module escapes the layers."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import grimp

from tests.cases import cases
from tools import architecture

ROOT = Path(__file__).resolve().parents[2]


def sources(*tops: str) -> Iterator[Path]:
    """The Python files below these folders, without the copies that an installation leaves in ``build``."""
    for path in (path for top in tops for path in (ROOT / top).rglob("*.py")):
        if "build" not in path.relative_to(ROOT).parts:
            yield path


PRODUCT = sorted(path for path in sources("lior", "plugins", "cli") if "tests" not in path.parts)
PACKAGES = {path.parent.name for path in ROOT.glob("plugins/*/src/lior_*/__init__.py")} | {
    *architecture.PACKAGES
}
"""The packages of all distributions beside ``lior``."""
CIRCLES: set[tuple[str, ...]] = set()
"""Files that import each other on purpose; any other circle is a defect."""


def test_picture_and_table_are_those_of_the_code(capsys):
    assert architecture.main(check=True) == 0, capsys.readouterr().out


def test_every_package_has_a_job():
    assert [name for name in architecture.DRAWN if not architecture.package(name).job] == []


def test_every_module_is_in_one_layer():
    inside = {path.parent.name for path in (ROOT / "lior").glob("*/__init__.py")}
    inside |= {path.stem for path in (ROOT / "lior").glob("*.py")} - {"__init__", "__main__"}
    on_disk = {f"lior.{name}" for name in inside} | PACKAGES
    listed = Counter(name for layer in architecture.CONTRACT for name in layer)
    assert listed == Counter(on_disk), "[tool.importlinter]: each module stands in one layer, once"


def test_only_the_circles_listed_remain():
    packages = {name for name in PACKAGES | {"lior"} if find_spec(name)}
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    assert {tuple(sorted(circle)) for circle in circles(graph)} == CIRCLES


def circles(graph: grimp.ImportGraph) -> Iterator[set[str]]:
    """Groups of modules that import each other: the strongly connected components of more than one."""
    above = {module: graph.find_upstream_modules(module) for module in graph.modules}
    left = {module for module, found in above.items() if any(module in above[other] for other in found)}
    while left:
        module = left.pop()
        circle = {module} | {other for other in above[module] & left if module in above[other]}
        left -= circle
        yield circle


def test_a_circle_is_found():
    graph = grimp.ImportGraph()
    for importer, imported in [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]:
        graph.add_import(importer=importer, imported=imported)
    assert list(circles(graph)) == [{"b", "c"}]


def test_the_first_level_is_small():
    assert len(list((ROOT / "lior").glob("*.py"))) <= 14


def test_docstrings_of_attributes_are_not_code(tmp_path):
    source = """'Of the module.'
        PAGE = 1
        '''Of the constant,
        two lines.'''
        'a statement'
        class Shape:
            # A comment.
            size: int = 2
            'Of the attribute.'
            def __init__(self):
                'Of the method.'
                self.text = '''text,
                    two lines'''
                'Of what it has.'
        """
    path = tmp_path / "shape.py"
    path.write_text("\n".join(line.removeprefix(" " * 8) for line in source.splitlines()))
    code = "PAGE", "statement", "class", "size", "def", "text", "lines"
    assert architecture.code_lines(path) == len(code)


def private_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    """What a file imports that has a leading underscore and is of another package."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lior"):
            home = node.module.rpartition(".")[0] or node.module
            if not package.endswith((home, node.module)):
                yield from private([*node.module.split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("lior"):
                    yield from private(alias.name.split("."))


def private(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name.startswith("_") and not name.startswith("__"))


def test_only_the_package_itself_imports_what_is_private():
    found = {str(path): list(private_imports(path, ast.parse(path.read_text()))) for path in PRODUCT}
    assert not {path: names for path, names in found.items() if names}


@cases(
    ("source", "found"),
    [
        ("from lior_plugins.counting.fields import _MULTIPLIER", ["_MULTIPLIER"]),
        ("from lior_plugins.counting._hidden import a", ["_hidden"]),
        ("import lior_plugins.counting._hidden", ["_hidden"]),
        ("from lior.geometry.retrieval import _root", []),
        ("from lior import __version__", []),
    ],
)
def test_what_is_private_is_found(source, found):
    assert list(private_imports(ROOT / "lior" / "geometry" / "metric.py", ast.parse(source))) == found
