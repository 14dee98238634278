"""No command, and no process that it starts, runs code of the working directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest
from platformdirs import user_cache_path

from lior_cli.main import GroupOptions, cli
from tests.project.commands import ARGUMENTS, FURTHER, SERVERS, write_inputs

ROOT = Path(__file__).parents[2]
LIOR = str(Path(sys.executable).with_name("lior"))
CHILDREN = """
import os, subprocess
from lior.compiling import compiled
from lior.reading import isolation
from lior.process import python
from lior.workers import Workers
if __name__ == "__main__":
    isolation._Worker().end()
    with Workers(2) as team:
        print(sorted(team.map(pow, [(2, 3), (2, 4)])))
    subprocess.run(python("-c", "import json"), check=True)
    compiled._start("lior").wait()  # it has nothing to compile
    assert "PYTHONSAFEPATH" not in os.environ
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder of inputs with a hostile module for each name that can be imported, and hostile settings."""
    here = tmp_path_factory.mktemp("found")
    folder = here / "folder"
    folder.mkdir()
    (here / "home/.cache/lior").mkdir(parents=True)  # with the compiled loops alone
    (here / "home/.cache/lior/compiled").symlink_to(user_cache_path("lior") / "compiled")
    write_inputs(folder)
    names = {
        *sys.stdlib_module_names,
        *packages_distributions(),
        *(name.split(".")[0] for name in sys.modules),
    }
    for name in {*names, "sitecustomize", "usercustomize", "conftest"} - {"notes", ""}:
        if "/" not in name:
            line = f"open({str(here / 'ran')!r}, 'a').write(__name__ + ' of {name}\\n')\n"
            (folder / f"{name}.py").write_text(line)
    (folder / ".env").write_text("LIOR_ALLOW_PLUGINS=nothing\nPYTHONPATH=.\n")
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-p conftest"\n')
    (folder / "matplotlibrc").write_text("backend: module://conftest\n")
    meta = folder / "hostile-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[lior.commands]\nhostile = conftest:command\n")
    return folder


def environment(place: Path) -> dict[str, str]:
    """The variables of a user who has never run lior."""
    dropped = ("PYTHON", "LIOR_", "XDG_", "NUMBA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"HOME": str(place.parent / "home"), "MPLBACKEND": "agg", "LIOR_READ_AHEAD": "0"}


def ran(place: Path) -> str:
    """The hostile modules that ran since the last call."""
    marks = place.with_name("ran")
    found = marks.read_text() if marks.exists() else ""
    marks.unlink(missing_ok=True)
    return found


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder, with nothing at its standard input."""
    return subprocess.run(
        command,
        cwd=place,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def leaves(command: click.Command, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The commands below a group, as they are typed."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    for name in command.list_commands(context):
        if below := command.get_command(context, name):
            inside = click.Context(below, parent=context, info_name=name)
            yield from leaves(below, inside, (*path, name))


def test_the_trap_works(place):
    run(place, sys.executable, "-c", "import json")
    assert "json" in ran(place)


def test_processes_that_are_started_import_nothing_from_the_working_directory(place):
    program = place.with_name("program.py")
    program.write_text(CHILDREN)
    done = run(place, sys.executable, str(program))
    assert (done.returncode, done.stdout) == (0, "[(0, 8), (1, 16)]\n"), done.stderr
    assert ran(place) == ""


def test_one_place_starts_python():
    folders = [ROOT / "lior", ROOT / "cli", *(ROOT / "plugins").glob("*/src"), ROOT / "plugins/lior_plugins"]
    starts = re.compile(r"\[sys\.executable,|get_context\(.spawn|set_start_method|os\.(exec|spawn)[lv]")
    files = (file for folder in folders for file in folder.rglob("*.py"))
    found = {file for file in files if starts.search(file.read_text("utf-8"))}
    assert found == {ROOT / "lior/process.py"}


@pytest.mark.slow
def test_no_command_runs_code_of_the_working_directory(place, monkeypatch):
    for changed in ("LD_LIBRARY_PATH", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"):
        monkeypatch.setenv(changed, "")  # by OpenCV and scikit-learn, when their commands are listed
    every = [*leaves(cli, click.Context(cli, obj=GroupOptions()))]
    given = {name: it for name, it in (ARGUMENTS | FURTHER).items() if any(map(partial(_is, name), every))}
    faults = []
    for name in [*given, *(name for name in every if name not in {*given, *SERVERS})]:
        done = run(place, LIOR, *name.split(), *given.get(name, ["--help"]))
        if (modules := ran(place)) or done.returncode:
            faults.append((name, done.returncode, done.stderr[-300:], modules))
    assert faults == []


def _is(name: str, command: str) -> bool:
    """Whether a command, or one of its group, has this name."""
    return command == name or command.startswith(f"{name} ")


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_no_server_runs_code_of_the_working_directory(place, name):
    command = [LIOR, name, *SERVERS[name]]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        cwd=place,
        env=environment(place),
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if name == "serve":
            address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
            assert b"4711" in urllib.request.urlopen(f"{address}?q=gate", timeout=900).read()
            process.terminate()
        process.communicate("")
    assert ran(place) == ""
