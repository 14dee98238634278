"""What is on disk is what ships, and what is installed is what pyproject says."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lior
from lior.errors import UsageError
from lior.plugins.kinds import KINDS
from tests.cases import cases

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
MEND = "run `pip install -e .` again"
ALL = [PROJECT, *(tomllib.loads(path.read_text()) for path in ROOT.glob("plugins/*/pyproject.toml"))]
ASKED = [
    Requirement(line)
    for each in ALL
    for lines in [
        each["build-system"]["requires"],
        each["project"]["dependencies"],
        *each["project"].get("optional-dependencies", {}).values(),
    ]
    for line in lines
    if not line.startswith("lior")
]
HOLED = """
click 8.3.2, distributed 2025.12.0, fonttools 4.60.1, fsspec 2026.5.0, h11 0.15.0, jinja2 3.1.5,
langchain-core 1.3.2, mcp 2.1.0, onnxruntime 1.28.2, opencv-python-headless 4.11.0.86, pillow 12.3.0,
psycopg 3.3.4, pyarrow 14.0.0, pyjwt 2.12.1, pypdf 6.21.3, pypdfium2 5.14.0, pytest 9.0.2,
python-multipart 0.0.30, rawpy 0.26.1, requests 2.32.5, scikit-learn 1.4.2, setuptools 82.0.1, starlette
1.3.0, torch 2.10.0, tornado 6.5.9, urllib3 2.6.3"""
"""The last version of each before a hole was mended, which pyproject.toml names beside the bound."""
UNPINNED = {
    "torch",
    "langchain-core",
    "llama-index-core",
    "llm",
    "rawpy",
    "lensfunpy",
    "scikit-image",
    "wordfreq",
}
"""Not in constraints.txt: torch has an index for each processor; the others are of no extra of CI's."""


def test_every_package_on_disk_ships():
    on_disk = set()
    for top, base in (("lior", ROOT), ("lior_plugins", ROOT / "plugins"), ("lior_cli", ROOT / "cli")):
        on_disk |= {".".join(p.parent.relative_to(base).parts) for p in (base / top).rglob("__init__.py")}
    on_disk.add("lior.configs")
    listed = set(SETUPTOOLS["packages"])
    assert listed == on_disk, f"[tool.setuptools] packages: add {on_disk - listed}, remove {listed - on_disk}"


def test_all_distributions_have_one_version():
    assert {each["project"]["version"] for each in ALL} == {PROJECT["project"]["version"]}
    minor = PROJECT["project"]["version"].rpartition(".")[0]
    bounds = [line for each in ALL for line in each["project"]["dependencies"] if line.startswith("lior")]
    assert {line.partition(">")[2] for line in bounds} == {f"={minor},<0.{int(minor.split('.')[1]) + 1}"}


def test_every_folder_with_code_is_a_package():
    folders = {
        p.parent
        for top in ("lior", "plugins/lior_plugins", "cli/lior_cli")
        for p in (ROOT / top).rglob("*.py")
    }
    bare = sorted(str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists())
    assert not bare, f"without an __init__.py these do not ship: {bare}"


def test_package_directories_exist():
    for package, directory in SETUPTOOLS["package-dir"].items():
        assert (ROOT / directory / "__init__.py").is_file(), f"{package}: no package at {directory}"


def test_installed_entry_points_are_current():
    declared = PROJECT["project"]["entry-points"]
    want = {(group, name, value) for group, table in declared.items() for name, value in table.items()}
    have = {(e.group, e.name, e.value) for e in distribution("lior").entry_points if e.group in declared}
    assert want == have, f"the entry points changed: {MEND}"


def test_declared_groups_are_known():
    assert set(PROJECT["project"]["entry-points"]) <= {"llm", *(kind.group for kind in KINDS.values())}


def test_version_is_current():
    assert lior.__version__ == version("lior") == PROJECT["project"]["version"], MEND


def test_recipes_ship():
    shipped = {item.name for item in files("lior.configs").iterdir() if item.name.endswith(".toml")}
    assert shipped == {path.name for path in (ROOT / "configs").glob("*.toml")} != set()


def test_only_public_names_are_shown():
    shown = [name for name in dir(lior) if not (name.startswith("__") and name.endswith("__"))]
    assert shown == sorted(lior.__all__)
    assert "__version__" in dir(lior)


def named(name: str) -> list[Requirement]:
    return [each for each in ASKED if canonicalize_name(each.name) == name]


def test_no_version_with_a_known_hole_is_admitted():
    holed = dict(each.split() for each in HOLED.split(","))
    assert not [name for name in holed if not named(name)]
    assert not [str(each) for name in holed for each in named(name) if each.specifier.contains(holed[name])]


def test_each_package_has_a_lower_bound():
    assert not [str(each) for each in ASKED if not {">=", "=="} & {part.operator for part in each.specifier}]


def test_what_is_pinned_is_what_is_asked():
    text = (ROOT / "constraints.txt").read_text()
    pins = set(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    assert {canonicalize_name(each.name) for each in ASKED} - {name for name, _ in pins} == UNPINNED
    wrong = [f"{each} {pin}" for name, pin in pins for each in named(name) if pin not in each.specifier]
    assert not wrong, "make constraints.txt anew (CONTRIBUTING.md)"


OWN = {
    each["project"]["name"]: [
        *each["project"]["dependencies"],
        *(
            f'{line} ; extra == "{extra}"'
            for extra, lines in each["project"].get("optional-dependencies", {}).items()
            for line in lines
        ),
    ]
    for each in ALL
}
"""Distribution of lior -> what it asks for, as installed metadata have it."""


def needed(name: str, *extras: str, own: bool = False) -> set[str]:
    """Distributions that are installed with ``name`` and these extras; ``own``: what ours name."""
    found: set[str] = set()
    todo = [(name, frozenset(extras))]
    while todo:
        name, chosen = todo.pop()
        try:
            asked = OWN.get(name, [] if own else distribution(name).requires or [])
            requires = list(map(Requirement, asked))
        except PackageNotFoundError:  # an optional one that is not installed here
            continue
        for each in requires:
            environments = [{"extra": extra} for extra in chosen or ("",)]
            if not each.marker or any(map(each.marker.evaluate, environments)):
                if each.name not in found or each.extras:
                    todo.append((each.name, frozenset(each.extras)))
                found.add(canonicalize_name(each.name))
    return found


@cases("name", OWN)
def test_a_bound_is_asked_for_by_the_extra_that_brings_the_package(name):
    holed = {each.split()[0] for each in HOLED.split(",")} - {"setuptools"}  # what builds, not what runs
    extras = next(each for each in ALL if each["project"]["name"] == name)["project"].get(
        "optional-dependencies", {}
    )
    missing = {
        extra: found
        for extra in ("", *extras)
        if (found := (needed(name, extra) - needed(name, extra, own=True)) & holed)
    }
    assert missing == {}


def test_the_light_install_has_neither_torch_nor_numba():
    assert not needed("lior") & {"torch", "numba", "llvmlite", "scipy", "pandas", "tokenizers"}
    assert {"torch", "numba"} <= needed("lior", "model")


@cases("extra", ["bpe", "plots", "check", "dev"])
def test_an_extra_of_the_model_installs_the_model(extra):
    assert {"torch", "numba"} <= needed("lior", extra)


def test_hypothesis_is_an_extra():
    assert "hypothesis" not in needed("lior")
    assert "hypothesis" in needed("lior", "check")


@cases(
    ("call", "said"),
    [
        (lambda: lior.train(recepe="tiny"), "train: no argument 'recepe'. Did you mean 'recipe'?"),
        (lambda: lior.train(framme="rotor"), "train: no argument 'framme'. Did you mean 'frame'?"),
        (lambda: lior.load("r", devise="cpu"), "load: no argument 'devise'. Did you mean 'device'?"),
    ],
)
def test_a_mistyped_keyword_is_one_line(call, said):
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == said
