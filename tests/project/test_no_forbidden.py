"""What must not be in the code: what runs code from data, autograd, names of plugins, giants.

All of it is read from the syntax tree, so comments and texts may say anything.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lior.plugins.kinds import KINDS
from lior.plugins.registry import registry
from tests.cases import cases

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("lior", "plugins", "cli")
PRODUCT = sorted(
    path for top in TOPS for path in (ROOT / top).rglob("*.py") if "tests" not in path.relative_to(ROOT).parts
)
CORE = [path for path in PRODUCT if path.is_relative_to(ROOT / "lior")]
ORACLES = ROOT / "lior" / "testing"
"""The contract suites, where autograd is the oracle that plugins are checked against."""
BACKPROP = tuple(ROOT / "plugins" / name for name in ("lior-ritz", "lior-lens", "lior-bench"))
"""Systems that learn with autograd, and say so; in lior-bench it is the transformer."""

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen"}
UNSAFE_CALLS |= {"yaml.load", "torch.load", "torch.save"}
AUTOGRAD = {"autograd", "requires_grad", "requires_grad_", "backward", "grad_fn"}
AUTOGRAD |= {"enable_grad", "set_grad_enabled", "functorch", "jacrev", "jacfwd", "vjp"}
MAX_FUNCTION = 60
MAX_METHODS, MAX_PUBLIC = 28, 20
LARGE = {"Episode", "Geometric"}
"""Classes that may have more methods: steps of a simulated user, and an estimator of scikit-learn."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All nodes of a tree, which several checks look at."""
    return tuple(ast.walk(tree))


def trees(paths: list[Path]) -> Iterator[tuple[str, ast.Module]]:
    for path in paths:
        yield str(path.relative_to(ROOT)), parsed(path)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for an attribute of a name, and its last part else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
    return []


def aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Other names of modules, such as ``np`` of ``numpy``."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    modules = dict(aliases(tree))
    for node in nodes(tree):
        for name in imported(node):
            if name.split(".")[0] in UNSAFE_MODULES or name in UNSAFE_CALLS:
                yield node.lineno, name
        if isinstance(node, ast.Call):
            first, dot, rest = dotted(node.func).partition(".")
            if (name := f"{modules.get(first, first)}{dot}{rest}") in UNSAFE_CALLS:
                yield node.lineno, name
            given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
            if given.get("shell", False) is not False:
                yield node.lineno, "shell=True"
            if name.endswith(".load") and given.get("allow_pickle", False) is not False:
                yield node.lineno, "allow_pickle=True"


def autograd(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in nodes(tree):
        names = [part for name in imported(node) for part in name.split(".")]
        names += [node.attr] if isinstance(node, ast.Attribute) else []
        names += [keyword.arg or "" for keyword in node.keywords] if isinstance(node, ast.Call) else []
        for name in AUTOGRAD & set(names):
            yield node.lineno, name


def plugin_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """String literals that are the name of a built-in plugin; modules may have such names."""
    listed = [
        node.value for node in nodes(tree) if isinstance(node, ast.Assign) and "__all__" in ast.dump(node)
    ]
    modules = {id(part) for value in listed for part in ast.walk(value)}
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and node.value in PLUGIN_NAMES and id(node) not in modules:
            yield node.lineno, node.value


WORDS = {
    "bytes",
    "cpu",
    "cuda",
    "docx",
    "ics",
    "lines",
    "mail",
    "pptx",
    "rows",
    "static",
    "suffix",
    "text",
    "xlsx",
}
"""Names of plugins that are words of the field too: keys of a summary, kinds of text, encodings, endings,
devices."""
DEFAULTS = {"lior/config/schema.py", "lior/runs/editing.py", "lior/packages.py"}
"""The files that may name plugins: those that are used where the user names none, and extras of that name."""

PLUGIN_NAMES = {
    name
    for kind in KINDS
    for name in registry.names(kind)
    if registry.origin(kind, name).distribution == "lior"
} - WORDS


def long_functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Functions too long for a screen, without the docstring and the classes that a factory makes."""
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            aside = [part for part in node.body if isinstance(part, ast.ClassDef)]
            aside += node.body[:1] if ast.get_docstring(node) is not None else []
            size -= sum((part.end_lineno or 0) - part.lineno + 1 for part in aside)
            if size > MAX_FUNCTION:
                yield node.lineno, f"{node.name} has {size} lines"


def large_classes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Classes of many methods, properties among them; overloads are one."""
    for node in nodes(tree):
        if isinstance(node, ast.ClassDef) and node.name not in LARGE:
            names = {
                part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            public = {name for name in names if not name.startswith("_")}
            if len(public) > MAX_PUBLIC or len(names) > MAX_METHODS:
                yield node.lineno, f"{node.name} has {len(names)} methods, {len(public)} of them public"


def found(check, paths: list[Path]) -> list[str]:
    """``file:line: what`` for all that ``check`` finds."""
    return [f"{name}:{line}: {what}" for name, tree in trees(paths) for line, what in check(tree)]


def test_nothing_runs_code_from_data():
    """numba's cache is compiled code and pickles, of the user's own making; each has its digest checked."""
    [allowed] = [path for path in PRODUCT if path.match("lior/compiling/compiled.py")]
    assert [line.split(": ")[1] for line in found(unsafe, [allowed])] == ["pickle"]
    assert not found(unsafe, [path for path in PRODUCT if path != allowed])


def test_no_autograd_outside_of_the_contract_suites():
    checked = [path for path in PRODUCT if not any(map(path.is_relative_to, (ORACLES, *BACKPROP)))]
    assert not found(autograd, checked)


def test_the_core_names_plugins_as_defaults_only():
    """All else goes through the registry."""
    assert {"sdm", "rotor", "contrastive"} <= PLUGIN_NAMES
    assert {line.split(":")[0] for line in found(plugin_names, CORE)} == DEFAULTS


def test_the_checks_look_at_files_of_every_depth():
    depths = {top: {len(path.parts) for path in PRODUCT if path.is_relative_to(ROOT / top)} for top in TOPS}
    assert all(len(found) > 1 for found in depths.values()), "a list of files has lost its rooms"
    assert len({path.parent for path in CORE}) > 10


def test_no_function_is_longer_than_a_screen():
    assert not found(long_functions, PRODUCT)


def test_a_class_has_one_job():
    assert not found(large_classes, PRODUCT)


@cases(
    ("check", "source"),
    [
        (unsafe, "import pickle"),
        (unsafe, "from marshal import loads"),
        (unsafe, "from torch import load"),
        (unsafe, "import torch\ntorch.load(path)"),
        (unsafe, "import torch as t\nt.load(path)"),
        (unsafe, "numpy.load(path, allow_pickle=flag)"),
        (unsafe, "eval(text)"),
        (unsafe, "run(command, shell=True)"),
        (unsafe, "run(command, shell=flag)"),
        (autograd, "import torch.autograd"),
        (autograd, "from torch import autograd"),
        (autograd, "torch.zeros(3, requires_grad=True)"),
        (autograd, "x.requires_grad_()"),
        (autograd, "loss.backward()"),
        (autograd, "torch.func.vjp(f, x)"),
        (plugin_names, "x = 'rotor'"),
        (long_functions, "def f():\n" + "    x = 1\n" * MAX_FUNCTION),
        (large_classes, "class A:\n" + "".join(f"    def f{i}(self): ...\n" for i in range(MAX_PUBLIC + 1))),
        (large_classes, "class A:\n" + "".join(f"    def _{i}(self): ...\n" for i in range(MAX_METHODS + 1))),
    ],
)
def test_the_checks_find_what_they_look_for(check, source):
    assert list(check(ast.parse(source)))


@cases(
    ("check", "source"),
    [
        (unsafe, "# eval(x)\n'pickle'\nmodel.eval_text()\nrun(c, shell=False)\nnp.load(path)\nrevaluate(x)"),
        (autograd, "'no autograd'\nwith torch.no_grad(): pass\nbackward = 1"),
        (plugin_names, "'the rotor frame'"),
        (plugin_names, "__all__ = ['rotor']"),
        (large_classes, "class A:\n" + "    def f(self): ...\n" * 30),
        (long_functions, "def f():\n    '''" + "text\n" * MAX_FUNCTION + "'''"),
        (long_functions, "def f():\n    class A:\n" + "        x = 1\n" * MAX_FUNCTION),
    ],
)
def test_the_checks_find_nothing_else(check, source):
    assert not list(check(ast.parse(source)))


IMPORT_ALL = """
import importlib, os, pkgutil, random, signal, sys, threading, warnings
import numpy, torch
from importlib.util import find_spec

sys.modules["hypothesis"] = None  # as if it were not installed

def settings():
    return {
        "grad mode": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "torch generator": torch.get_rng_state().sum().item(),
        "python generator": hash(random.getstate()),
        "numpy generator": hash(numpy.random.get_state()[1].tobytes()),
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "SIGINT": signal.getsignal(signal.SIGINT),
        "recursion": sys.getrecursionlimit(),
        "warnings": list(warnings.filters),
        "running threads": threading.active_count(),
        "excepthook": sys.excepthook,
        "streams": (sys.stdout, sys.stderr),
    }

before = settings()
apart = ["lior.testing."]
if not all(map(find_spec, ("starlette", "uvicorn", "mcp"))):  # the extra lior[serve]
    apart += ["lior_serve.", "lior_serve.cli.serving"]
for top in ("lior", "lior_plugins", "lior_cli"):
    package = importlib.import_module(top)
    for module in pkgutil.walk_packages(package.__path__, top + "."):
        if not module.name.startswith(tuple(apart)):
            importlib.import_module(module.name)
after = settings()
changed = [name for name in before if before[name] != after[name]]
sys.exit(f"importing changes: {changed}" if changed else 0)
"""


@pytest.mark.slow
def test_importing_needs_no_hypothesis_and_changes_nothing_global():
    """The contract suites alone need it."""
    result = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
