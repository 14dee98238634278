"""Installed listeners are told of trainings and of documents that change; a broken one is left out."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lior.events import hookimpl
from lior.plugins import listening
from lior.plugins.registry import Registry
from lior.runs.run import load

HEARS = """
from lior.events import hookimpl
class Note:
    api_version = 1
    @hookimpl
    def lior_train_stage(self, stage):
        print("told", stage)
    @hookimpl
    def lior_documents_changed(self, run, learned, forgotten):
        print("told", run.name, *learned, "-", *forgotten)
"""


@pytest.mark.slow
def test_train_and_learn_tell_those_of_other_packages(install, lior, sample, tmp_path):
    site = install("lior-note", "[lior.listeners]\nnote = tp_note:Note", tp_note=HEARS)
    done = lior("train", str(sample), "--config", "tiny", "--memory", "sdm", "--out", "run", path=site)
    assert done.returncode == 0, done.stderr
    assert "told validate" in done.stdout
    (tmp_path / "work" / "new.txt").write_text("The key hangs behind the clock.\n" * 9)
    for command, told in (("learn", "told run new.txt -\n"), ("forget", "told run - new.txt\n")):
        done = lior(command, "run", "new.txt", path=site)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "named"), [("raise ValueError", "ValueError"), ("exit(0)", "SystemExit")])
def test_one_that_fails_is_named_once_and_left_out(install, lior, sample, fault, named):
    source = HEARS.replace('print("told", stage)', fault)
    site = install("lior-note", "[lior.listeners]\nnote = tp_note:Note", tp_note=source)
    done = lior("train", str(sample), "--config", "tiny", "--memory", "sdm", "--out", "run", path=site)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"'note' of lior-note 1.2, lior_train_stage is left out: {named}") == 1


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
        (HEARS.replace("api_version = 1", "api_version = 7"), "was written for version 7"),
        (HEARS.replace("(self, stage)", "(self, stage, colour)"), "cannot listen to events"),
        (
            HEARS.replace("api_version = 1", "api_version = 1\n    def __init__(self): 1 / 0"),
            "ZeroDivisionError",
        ),
        (
            HEARS.replace("api_version = 1", "api_version = 1\n    def __init__(self): exit(0)"),
            "SystemExit: 0",
        ),
    ],
)
def test_a_broken_one_is_named_and_others_are_told(install, monkeypatch, source, line):
    install("lior-note", "[lior.listeners]\nnote = tp_note:Note", tp_note=source)
    install("lior-whole", "[lior.listeners]\nwhole = tp_whole:Note", tp_whole=HEARS)
    monkeypatch.setattr(listening, "registry", Registry(environ={}))
    with pytest.warns(listening.LeftOut, match=line) as said:
        found = listening.installed.__wrapped__()
    assert len(said) == len(found) == 1
    assert "'note'" in str(said[0].message)
    monkeypatch.setattr(listening, "registry", Registry(environ={"LIOR_ALLOW_PLUGINS": "lior"}))
    assert listening.installed.__wrapped__() == ()


@pytest.fixture
def told(monkeypatch):
    """What a listener was told of documents."""
    found = []

    class Kept:
        @hookimpl
        def lior_documents_changed(self, run, learned, forgotten):
            found.append((run, [*learned], [*forgotten]))

    monkeypatch.setattr(listening, "installed", lambda: (listening.Guarded(Kept(), "kept"),))
    return found


def test_one_change_is_told_when_it_is_on_the_disk(finished, told, tmp_path):
    copied = Path(shutil.copytree(finished, tmp_path / "copied"))
    run = load(copied)
    run.learn({"a.txt": "The key hangs behind the clock.\n" * 9, "b.txt": "The ladder is in the shed.\n" * 9})
    run.forget("b.txt")
    assert told == []
    run.save()
    assert told == [(copied, ["a.txt"], ["b.txt"])]


@pytest.mark.slow
def test_the_package_that_is_written_for_a_beginner(lior, sample, tmp_path):
    done = lior("plugins", "new", "lior-steps", "--kind", "listener")
    assert done.returncode == 0, done.stderr
    package = tmp_path / "work" / "lior-steps"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        "site",
    ]
    subprocess.run([*pip, str(package)], check=True, cwd=tmp_path)
    done = lior("train", str(sample), "--config", "tiny", "--out", "run", path=tmp_path / "site")
    assert done.returncode == 0, done.stderr
    rows = [*csv.reader((tmp_path / "work" / "run" / "steps.csv").open())]
    assert {"geometry"} <= {row[1] for row in rows}
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    tests = [sys.executable, "-m", "pytest", "-q", str(package)]
    assert subprocess.run(tests, check=False, env=env, cwd=tmp_path).returncode == 0
