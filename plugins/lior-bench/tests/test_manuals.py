"""Manuals of Debian packages: their questions, their pages, and the judge's cases of large folders."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lior_bench import judge_cases, judging, manuals
from lior_bench.sets import Question
from lior_bench.worlds import worlds

PAGE = "<h1>Boiler</h1><p>The boiler is serviced in May.</p><p>Its key hangs in the hall.</p>"


def test_each_manual_has_questions_of_all_kinds():
    plain = {"direct", "words", "unanswerable"}  # of those in plain text
    for part, number in (("learn", 8), ("choose", 1), ("last", 2)):
        found = manuals.manuals(part)
        assert len(found) == number
        for name, asked in found.items():
            text = name in ("man", "mercurial", "sqlalchemy")
            assert text or len(asked) == 75
            assert {each.kind for each in asked} == plain if text else {*plain, "across"}
            assert all(bool(each.words) == (each.kind != "unanswerable") for each in asked)


def apt(command, cwd, **_):
    """Do what ``apt-get download`` and ``dpkg-deb -x`` do, for a package of three pages."""
    if command[0] == "apt-get":
        (Path(cwd) / "libreoffice-help-fr_1.deb").write_bytes(b"another version")
        return
    assert command[2].endswith("libreoffice-help-fr_1.deb")
    for place in ("scalc/a.html", "swriter/01/b.html", "simpress/c.html", "scalc/picture.png"):
        page = Path(cwd) / "x/usr/share/libreoffice/help/fr/text" / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(PAGE)


def test_the_pages_of_a_package_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", apt)
    manuals.fetch("libreoffice-fr", tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"scalc/a.html", "swriter/01/b.html"}
    assert "another version than 4:7.4.7" in capsys.readouterr().err


def test_pages_of_the_program_man_are_written_as_text(tmp_path, monkeypatch):
    def run(command, cwd=None, **_):
        if command[0] == "apt-get":
            (Path(cwd) / f"{command[2]}_1.deb").write_bytes(b"")
        elif command[0] == "man":
            return subprocess.CompletedProcess(command, 0, stdout=b"OPTIONS\n       -f\n")
        else:
            (page := Path(cwd) / "x/usr/share/man/man1/curl.1.gz").parent.mkdir(parents=True)
            page.write_bytes(b"")
        return None

    monkeypatch.setattr(subprocess, "run", run)
    manuals.fetch("man", tmp_path)
    [page] = (path for path in tmp_path.rglob("*") if path.is_file())
    assert (page.name, page.read_text()) == ("curl.1.txt", "OPTIONS\n       -f\n")


def test_a_package_that_cannot_be_fetched_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("apt-get"))
    )
    with pytest.raises(click.ClickException, match=r"vim-doc cannot be fetched .*run apt-get update"):
        manuals.fetch("vim", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--levels", "estimate", "--on", "old"), "--on choose or --on last"),
        (("--levels", "words,glance"), "no 'glance'; there are words, encoder, read, estimate"),
    ],
)
def test_options_that_do_not_fit_large_folders_are_refused(words, said):
    done = CliRunner().invoke(judging.judge, words)
    assert done.exit_code == 2
    assert said in done.output


def write_page(name, out):
    out.mkdir()
    (out / "a.html").write_text(PAGE)


def test_large_folders_are_asked_again_without_what_answers(monkeypatch):
    asked = [
        Question(
            text="When is the boiler serviced?",
            kind="direct",
            words=("The boiler is serviced in May.",),
            of="boiler",
        ),
        Question(text="Who sold the piano?", kind="unanswerable", of="boiler"),
    ]
    some = dict([*worlds("choose").items()][:1])
    monkeypatch.setattr(judge_cases, "manuals", lambda part: {"boiler": asked})
    monkeypatch.setattr(judge_cases, "worlds", lambda part: some)
    monkeypatch.setattr(judge_cases, "fetch", write_page)
    monkeypatch.setattr(judge_cases, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(judge_cases, "_CROWDS", 1)
    monkeypatch.setattr("lior_ask.retrievers.meaning.FEW", 0)
    found = judge_cases.large_cases("learn")
    assert found[0].candidates.level == "estimate"
    mine = {case.kind: case for case in found if case.world == "boiler"}
    assert mine["direct"].right.sum() == 1
    assert mine["direct"].answers(int(mine["direct"].right.argmax()))
    assert not mine["direct"].answers(int(mine["direct"].right.argmin()))
    assert not mine["direct, deleted"].answerable
    assert not mine["direct, deleted"].right.any()
    crowd = [case for case in found if case.world == f"crowd of {next(iter(some))}"]
    assert any(case.right.any() for case in crowd)


class Here:
    """An executor that works in this process."""

    def __init__(self, *_, **__):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
