"""`lior plugins new`: what it writes works at once, for every kind, and what it cannot write it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import lior as core
import lior_ask
import lior_cli
from lior.plugins.kinds import KINDS
from lior_cli import scaffold
from lior_cli.scaffold import templates
from tests.cases import cases

ROOT = Path(__file__).resolve().parents[2]
FILES = ["pyproject.toml", "README.md", "src/lior_myframe.py", "tests/test_contract.py"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with a package `lior-my-KIND` for every kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        made = scaffold.package(f"lior-my-{kind}", kind)
        scaffold.write(made, folder / made.distribution)
    return folder


@pytest.fixture(scope="module")
def path(packages: Path) -> str:
    """The ``PYTHONPATH`` of a process in which they are installed, as their ``pyproject.toml`` says."""
    for package in packages.glob("lior-my-*"):
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        info = packages / f"{package.name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(metadata)
        groups = project["entry-points"].items()
        lines = [line for group, table in groups for line in (f"[{group}]", *map(" = ".join, table.items()))]
        (info / "entry_points.txt").write_text("\n".join(lines))
    return os.pathsep.join(map(str, (packages, *packages.glob("*/src"))))


def run(path: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A module in a child process that sees the packages."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LIOR_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", *args],
        cwd=folder,
        env={**env, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
def test_a_package_of_every_kind_passes_its_own_tests(packages, path):
    options = ["-v", "--import-mode=importlib", "-p", "no:cacheprovider"]
    done = run(path, packages, "pytest", *options, *(f"lior-my-{kind}" for kind in KINDS))
    assert done.returncode == 0, done.stdout
    assert all(f"::TestMy{kind.title()}::" in done.stdout for kind in KINDS if KINDS[kind].suite)
    assert "test_command.py::" in done.stdout


@pytest.mark.slow
def test_a_package_of_every_kind_is_typed(packages, monkeypatch, tmp_path):
    api = pytest.importorskip("mypy.api")
    for kind in KINDS:  # their tests have names in common
        package = packages / f"lior-my-{kind}"
        [test] = package.glob("tests/*.py")
        shutil.copy(test, tmp_path / f"test_{kind}.py")
        shutil.copy(package / f"src/lior_my_{kind}.py", tmp_path)
    sources = {str(Path(module.__file__).parents[1]) for module in (core, lior_ask, lior_cli)}
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(sources - {sysconfig.get_path("purelib")}))
    monkeypatch.chdir(tmp_path)
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={ROOT / '.mypy_cache/plugins'}"]
    said, _, code = api.run([*options, *(path.name for path in tmp_path.glob("*.py"))])
    assert code == 0, said


@pytest.mark.slow
def test_a_run_of_nothing_but_new_plugins(path, sample, tmp_path):
    (tmp_path / "text").write_bytes(sample.read_bytes()[:20_000])
    chosen = {kind: f"my-{kind}" for kind in KINDS if KINDS[kind].option} | {"memory": "my-memory,exact"}
    flags = [part for kind, name in chosen.items() for part in (f"--{kind}", name)]
    fixed = "--config tiny --set memory.my-memory.order=1 --holdout keep --out run --quiet --json"
    done = run(path, tmp_path, "lior_cli.main", "train", "text", *flags, *fixed.split())
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["components"]["tokenizer"] == "my-tokenizer"
    assert summary["val_bits_per_byte"] < summary["baseline"]["unigram"]
    scored = run(path, tmp_path, "lior_cli.main", "eval", "run", "--json", "--quiet")
    assert json.loads(scored.stdout)["bits_per_byte"] == pytest.approx(summary["val_bits_per_byte"], rel=1e-6)


def test_what_is_printed(lior, tmp_path):
    done = lior("plugins", "new", "Lior_MyFrame", "--kind", "frame")
    assert done.returncode == 0, done.stderr
    wrote = [f"Wrote lior-myframe/{name}" for name in FILES]
    use = "lior train --frame myframe --memory exact --config tiny"
    commands = ["pip install -e 'lior-myframe[test]'", "pytest lior-myframe", use]
    assert done.stdout.splitlines() == [*wrote, "Next:", *(f"  {command}" for command in commands)]
    folder = tmp_path / "work" / "lior-myframe"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == sorted(FILES)
    code = (folder / "src/lior_myframe.py").read_text()
    assert code.startswith('"""')
    assert "class Myframe:" in code
    test = (folder / "tests/test_contract.py").read_text()
    assert len(test.splitlines()) == 4
    assert "$" not in "".join((folder / name).read_text() for name in FILES)


def test_json(command, tmp_path):
    done = command("plugins", "new", "myframe", "--kind", "frame", "--out", "a b/c", "--json")
    row = json.loads(done.out)
    assert {name: row[name] for name in ("kind", "name", "distribution", "module", "folder")} == {
        "kind": "frame",
        "name": "myframe",
        "distribution": "myframe",
        "module": "myframe",
        "folder": "a b/c",
    }
    assert row["next"][:2] == ["pip install -e 'a b/c[test]'", "pytest 'a b/c'"]
    assert all(Path(file).is_file() for file in row["files"])


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("my frame", "frame", "'my frame' is not the name of a distribution"),
        ("-x", "frame", "Try 'lior plugins new --help'"),
        ("x;import os", "frame", "is not the name of a distribution"),
        ("größe", "frame", "is not the name of a distribution"),
        ("3d-frame", "frame", "module '3d_frame', which Python cannot import; try 'lior-3d-frame'"),
        ("class", "frame", "module 'class', which Python cannot import; try 'lior-class'"),
        ("lior-rotor", "frame", "there is a frame 'rotor' already, of lior "),
        ("bytes", "tokenizer", "there is a tokenizer 'bytes' already, of lior "),
        ("lior-train", "command", "there is a command 'train' already"),
        ("PyTest", "frame", "pytest"),
        ("json", "frame", "there is a module 'json' already"),
        ("lior", "frame", "lior 0"),
        ("lior-x", "fram", "'fram' is not one of"),
        ("lior-x", "", "--kind is missing; it is one of frame, rsource, "),
    ],
)
def test_names_that_cannot_be(command, tmp_path, name, kind, message):
    done = command("plugins", "new", name, *(["--kind", kind] if kind else []))
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("out", ["full", "file", "file/below"])
def test_only_a_new_or_empty_folder_is_written_to(command, tmp_path, out):
    work = tmp_path / "work"
    (work / "full").mkdir()
    (work / "full" / "mine.py").write_text("mine")
    (work / "file").write_text("mine")
    done = command("plugins", "new", "lior-x", "--kind", "frame", "--out", out)
    assert done.code != 0
    assert done.err.startswith(f"lior: error: {out.removesuffix('/below')}")
    assert done.err.count("\n") == 1
    assert sorted(str(p.relative_to(work)) for p in work.rglob("*")) == ["file", "full", "full/mine.py"]
    (work / "empty").mkdir()
    assert command("plugins", "new", "lior-x", "--kind", "frame", "--out", "empty").code == 0


def test_what_cannot_be_finished_leaves_nothing(monkeypatch, tmp_path):
    write, full = Path.write_text, OSError(28, "No space left on device")

    def fail(self, *args, **named):
        if self.name == "lior_x.py":
            raise full
        return write(self, *args, **named)

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        scaffold.write(scaffold.package("lior-x", "frame"), tmp_path / "deep" / "x")
    assert not (tmp_path / "deep" / "x").exists()


@cases(
    ("name", "expected"),
    [
        ("lior-my-frame", "MyFrame"),
        ("lior-mine", "Mine"),
        ("lior-tensor", "TensorFrame"),
        ("lior-metric.form", "MetricFormFrame"),
        ("lior-none", "NoneFrame"),
        ("lior-3d", "Lior3DFrame"),
        ("lior-exception", "ExceptionFrame"),
    ],
)
def test_the_class_is_named_for_the_plugin_and_hides_nothing(name, expected):
    code = scaffold.package(name, "frame").files()
    [module] = [text for path, text in code.items() if path.startswith("src/")]
    names: dict[str, object] = {"__name__": "made"}
    exec(compile(module, "made", "exec"), names)
    assert isinstance(names[expected], type)


def test_the_templates_ship():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    data = project["tool"]["setuptools"]["package-data"]["lior_cli.scaffold.templates"]
    others = {item.suffix for item in Path(templates.__file__).parent.iterdir() if item.is_file()} - {".py"}
    assert {f"*{suffix}" for suffix in others} == set(data)
