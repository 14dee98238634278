"""Tables: plain lines in a pipe, drawn on a terminal, nothing taken for markup."""

from __future__ import annotations

import sys

import click
import pytest

from lior_cli.terminal import echo_table

HEADERS = ["name", "cause"]
ROWS = [["a", "[red]not markup[/red]"], ["longer", ""], ["c", "word " * 60]]


def test_plain_lines_are_aligned_and_whole(capsys):
    echo_table(HEADERS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "name    cause",
        "a       [red]not markup[/red]",
        "longer",
        "c       " + ("word " * 60).rstrip(),
    ]


@pytest.mark.parametrize("width", ["40", "200"])
def test_terminal_shows_every_word(capsys, monkeypatch, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", width)
    echo_table(HEADERS, ROWS)
    shown = click.unstyle(capsys.readouterr().out)
    assert "[red]not" in shown
    assert shown.count("word") == 60
    assert all(len(line) <= int(width) for line in shown.splitlines())


def test_a_table_without_rows_is_its_header(capsys):
    echo_table(HEADERS, [])
    assert capsys.readouterr().out == "name  cause\n"
