"""The architecture page's picture and tables, generated from the code's own imports.

python tools/architecture.py            # writes docs/pictures/architecture.svg and the tables of the page
python tools/architecture.py --check    # exit code 1 if they differ from the code
python tools/architecture.py --lines    # lines of code by package, without docstrings, comments and blanks
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import textwrap
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "pictures" / "architecture.svg"
_SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACT: list[list[str]] = [
    layer.replace(" ", "").split("|") for layer in _SETTINGS["contracts"][0]["layers"]
]
"""Modules from the top down: each imports only from those below it; `lint-imports` checks this."""
FOLDERS = {
    "lior-serve": "plugins/lior-serve/src/lior_serve",
    "lior-ask": "plugins/lior-ask/src/lior_ask",
    "lior-archive": "plugins/lior-archive/src/lior_archive",
    "cli": "cli/lior_cli",
    "built-in plugins": "plugins/lior_plugins",
}
"""Folders of the packages beside ``lior``, by name."""
PACKAGES = {folder.rpartition("/")[2]: name for name, folder in FOLDERS.items()}
BESIDE = ("built-in plugins", "testing")
"""Packages that the others reach by name, through the registry; drawn without arrows."""
ROOTS = {
    "api": ("__init__", "api"),
    "interfaces": (
        "interfaces",
        "errors",
        "events",
        "tensors",
        "files",
        "exports",
        "packages",
        "process",
        "workers",
    ),
}
"""Packages and modules of the first level that are drawn as one."""
JOBS = {
    "api": "the public API: train, resume, load",
    "interfaces": "what a plugin provides; errors, events, states",
    "cli": "the commands, one file each, and what only they compute",
    "built-in plugins": "frames, memories, tokenizers, readers and others",
}
NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)
DOCUMENTED = (type(None), ast.Assign, ast.AnnAssign)
"""Statements before a docstring: none, in a body that begins with it, or an assignment."""
WIDTH, ROW, BOX, MARGIN = 1000, 86, 56, 20


class Package(NamedTuple):
    """A package in the picture."""

    name: str
    job: str
    modules: tuple[str, ...]


def files(name: str) -> list[Path]:
    """Return the source files of a package."""
    if name in ROOTS:
        modules = [ROOT / "lior" / f"{stem}.py" for stem in ROOTS[name]]
        packages = [path for stem in ROOTS[name] for path in (ROOT / "lior" / stem).rglob("*.py")]
        return [*filter(Path.is_file, modules), *sorted(packages)]
    return sorted((ROOT / FOLDERS.get(name, f"lior/{name}")).rglob("*.py"))


def package(name: str) -> Package:
    """Return a package with its job, the first sentence of its docstring."""
    sources = files(name)
    init = next((path for path in sources if path.stem == "__init__"), None)
    job = JOBS.get(name) or (ast.get_docstring(ast.parse(init.read_text())) or "" if init else "")
    modules = tuple(path.stem for path in sources if path.stem != "__init__")
    return Package(name, " ".join(job.split("\n\n")[0].split()).replace("``", "`").rstrip("."), modules)


class AtRuntime(ast.NodeTransformer):
    """A transformer that drops imports for types only."""

    def visit_If(self, node: ast.If) -> ast.If | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def owner(module: str) -> str | None:
    """Return the package that a module of this dotted name belongs to."""
    top, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    if top != "lior":
        return PACKAGES.get(top)
    known = {name.partition(".")[2] for layer in CONTRACT for name in layer}
    return next(
        (name for name, stems in ROOTS.items() if (first or "__init__") in stems),
        first if first in known else None,
    )


def drawn() -> list[list[str]]:
    """Return the packages of each layer, without those beside; one of several modules takes its lowest
    layer."""
    rows: list[list[str]] = []
    placed = set(BESIDE)
    for layer in reversed(CONTRACT):
        found = [name for name in dict.fromkeys(map(owner, layer)) if name and name not in placed]
        placed.update(found)
        rows += [found] if found else []
    return rows[::-1]


LAYERS = drawn()
DRAWN = [*(name for layer in LAYERS for name in layer), *BESIDE]


def imports(name: str) -> Counter[str]:
    """Count the import statements of a package for each other one."""
    found: Counter[str] = Counter()
    for path in files(name):
        for node in ast.walk(AtRuntime().visit(ast.parse(path.read_text()))):
            if isinstance(node, ast.ImportFrom) and node.module:
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = full if node.module == "lior" else [node.module]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                continue
            found.update(other for other in map(owner, targets) if other and other != name)
    return found


def reduced(arrows: dict[str, Counter[str]]) -> dict[str, set[str]]:
    """Return the downward imports without transitive ones (transitive reduction)."""
    height = {name: -row for row, layer in enumerate(LAYERS) for name in layer} | dict.fromkeys(BESIDE, 1)
    down = {name: {o for o in found if height[o] < height[name]} for name, found in arrows.items()}

    def below(name: str) -> set[str]:
        return down[name].union(*(below(other) for other in down[name]))

    return {
        name: {other for other in found if not any(other in below(third) for third in found - {other})}
        for name, found in down.items()
    }


def picture(packages: dict[str, Package], arrows: dict[str, Counter[str]]) -> str:
    """Return the packages as an SVG: one row a layer, an arrow for each import that is not transitive."""
    place: dict[str, tuple[float, float, float]] = {}
    inner = WIDTH - 260
    for row, layer in enumerate(LAYERS):
        width = (inner - MARGIN * (len(layer) + 1)) / len(layer)
        for column, name in enumerate(layer):
            place[name] = (MARGIN + column * (width + MARGIN), MARGIN + row * ROW, width)
    for row, name in enumerate(BESIDE):
        place[name] = (inner + MARGIN, MARGIN + (4 + 2 * row) * ROW, 260 - 2 * MARGIN)
    height = MARGIN + len(LAYERS) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>.package{fill:#f4f7fb;stroke:#44607c}",
        ".beside{fill:#fbf8f1;stroke:#8a7a55;stroke-dasharray:5 4}",
        ".name{font-weight:bold;font-size:15px;fill:#1b2b3a}.job{font-size:11px;fill:#44607c}",
        ".arrow{stroke:#5b7a99;stroke-width:2;fill:none}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0,0L8,4L0,8z" fill="#5b7a99"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for name, found in reduced(arrows).items():
        if name in BESIDE:
            continue
        x, y, width = place[name]
        for other in sorted(found - {"interfaces"}):
            ox, oy, owidth = place[other]
            left, right = max(x, ox), min(x + width, ox + owidth)
            between = [(a, a + w) for a, b, w in place.values() if y < b < oy and w < inner / 2]
            middle = (left + right) / 2
            free = [
                at
                for at in range(int(left) + 10, int(right), 10)
                if not any(a <= at <= b for a, b in between)
            ]
            at = min(free, key=lambda at: abs(at - middle)) if between and free else middle
            parts.append(f'<path class="arrow" marker-end="url(#tip)" d="M{at:.0f},{y + BOX} V{oy}"/>')
    for name, (x, y, width) in place.items():
        job = textwrap.wrap(packages[name].job, int((width - 20) / 5.9), max_lines=2, placeholder=" …")
        kind = "beside" if name in BESIDE else "package"
        parts.append(
            f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
            f'<text class="name" x="{x + 10:.0f}" y="{y + 20:.0f}">{escaped(name)}</text>'
            + "".join(
                f'<text class="job" x="{x + 10:.0f}" y="{y + 36 + 13 * row:.0f}">{escaped(line)}</text>'
                for row, line in enumerate(job)
            )
        )
    return "\n".join([*parts, "</svg>", ""])


def escaped(text: str) -> str:
    """Escape text for XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def table(packages: dict[str, Package], arrows: dict[str, Counter[str]]) -> str:
    """Return the packages as a Markdown table."""
    rows = ["| package | job | imports from |", "|---|---|---|"]
    for name, one in packages.items():
        uses = ", ".join(other for other in packages if arrows[name][other]) or "nothing"
        rows.append(f"| `{name}` | {one.job} | {uses} |")
    return "\n".join(rows)


def docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Yield the docstrings of the module, of classes and functions, and of attributes (PEP 258): a string
    that is the first statement of a body, or follows an assignment there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for before, statement in pairwise((None, *node.body)):
                match statement:
                    case ast.Expr(ast.Constant(str())) if isinstance(before, DOCUMENTED):
                        yield statement


def code_lines(path: Path) -> int:
    """Count the lines with code, without docstrings, comments and blanks."""
    source = path.read_text()
    places: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            places.update(range(token.start[0], token.end[0] + 1))
    for node in docstrings(ast.parse(source)):
        places.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(places)


def lines_by_package() -> Counter[str]:
    """Count the lines of code by package of ``lior``, by distribution, and in all tests."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found: Counter[str] = Counter()
    for name in listed.stdout.splitlines():
        parts = name.split("/")
        depth = 2 if parts[0] in ("lior", "plugins") else 1
        found["tests" if "tests" in parts else "/".join(parts[:depth])] += code_lines(ROOT / name)
    return found


def main(check: bool) -> int:
    """Write both files, or compare them."""
    packages = {name: package(name) for name in DRAWN}
    arrows = {name: imports(name) for name in DRAWN}
    before, marked, rest = PAGE.read_text().partition("<!-- packages -->\n")
    after = rest.partition("<!-- end -->")[2]
    assert after, "the page has lost the marks of its table"
    page = f"{before}{marked}{table(packages, arrows)}\n<!-- end -->{after}"
    wanted = {PAGE: page, PICTURE: picture(packages, arrows)}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    if check:
        print("\n".join(f"{path.relative_to(ROOT)} is stale: run tools/architecture.py" for path in stale))
        return bool(stale)
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    if "--lines" in sys.argv[1:]:
        for package, lines in sorted(lines_by_package().items()):
            print(f"{lines:7,} {package}")
    else:
        sys.exit(main("--check" in sys.argv[1:]))
