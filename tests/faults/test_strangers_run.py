"""A run of a stranger: opening it imports only what is installed, whatever it names and lies beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lior.errors import UntrustedPlugin
from lior.plugins.registry import registry
from lior.runs import directory as rundir
from lior.runs import inspection
from tests.faults.faults import forge

TRAP = "from pathlib import Path\nPath(__file__).with_name('sprung').touch()\n"
FRAME = "from lior_plugins.frames.lowrank import LowRank as Theirs\n"


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> Path:
    """A run that is the working directory, from which Python imports, with traps in it."""
    path = Path(shutil.copytree(finished, tmp_path / "r"))
    (path / "trap_mod.py").write_text(TRAP + FRAME)
    info = path / "trap-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trap\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lior.frames]\ntrap = trap_mod:Theirs\n")
    monkeypatch.chdir(path)
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setattr(registry, "_index", None)
    yield path
    monkeypatch.undo()
    sys.modules.pop("trap_mod", None)
    registry._index = None


def name_frame(run: Path, name: str) -> None:
    forge(run, lambda m: m["components"]["frame"][0].update(name=name))


def test_a_name_is_that_of_an_installed_distribution(run):
    name_frame(run, "trap")
    with pytest.raises(Exception, match=r"needs frame 'trap' of lior 0.1.0, which is not installed"):
        rundir.open_run(Path())
    assert "trap" not in registry.names("frame")
    assert not (run / "sprung").exists()


def test_a_class_needs_the_users_word(run, command, monkeypatch):
    name_frame(run, "trap_mod:Theirs")
    for name in ("eval", "docs", "inspect"):
        done = command(name, run)
        assert (done.code, done.err.count("\n")) == (1, 1), done.err
        assert "names the frame 'trap_mod:Theirs', and lior imports no code on the word of a file" in done.err
    assert not (run / "sprung").exists()
    monkeypatch.setenv("LIOR_ALLOW_PLUGINS", "trap_mod:Theirs")
    rundir.open_run(run)
    assert (run / "sprung").exists()


def test_the_users_word(run, command):
    name_frame(run, "trap_mod:Theirs")
    assert command("--trust-plugins", "eval", run).code == 0
    assert (run / "sprung").exists()


def test_parts_that_are_not_needed_are_not_imported_to_be_shown(run):
    checkpoint = rundir.open_run(Path())
    checkpoint.manifest["components"]["frame"][0]["name"] = "trap_mod:Theirs"
    with pytest.raises(UntrustedPlugin):
        inspection.inspect(Path(), checkpoint)
    assert not (run / "sprung").exists()


@pytest.mark.slow
def test_a_package_that_lies_beside_is_not_taken_for_an_installed_one(run):
    """Of a process of its own: here the true ``lior_plugins`` is imported already."""
    (run / "lior_plugins").mkdir()
    (run / "lior_plugins" / "__init__.py").write_text(TRAP)
    code = "import sys, lior\ntry: lior.load('.')\nexcept lior.LiorError as error: sys.exit(str(error))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert "of lior 0.1.0 would be imported from " in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (run / "lior_plugins" / "sprung").exists()
