"""The tables of claims are complete: each row has a verdict, and a command whose last line is known."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tools import claims

ROWS = list(claims.claims())


def test_all_pages_have_a_table():
    assert {row.page for row in ROWS} == {*claims.PAGES}
    assert len(ROWS) > 70


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.item)
def test_a_row_has_a_verdict_and_is_shown_by_a_command_or_refused(row):
    assert row.verdict in ("built", "corrected", "refused")
    assert row.command or row.verdict == "refused"
    if row.command.startswith("pytest"):
        place = shlex.split(row.command)[1].split("::")
        assert (claims.ROOT / place[0]).exists()
        assert len(place) == 1 or f"def {place[1]}(" in (claims.ROOT / place[0]).read_text()


def test_the_last_line_of_each_command_is_written_down_and_none_failed():
    known = json.loads(claims.LAST.read_text())
    assert set(known) == {row.command for row in ROWS if row.command}
    assert not [line for line in known.values() if re.match(r"exit code|.*(failed|error)", line)]


def test_seconds_and_what_was_left_out_are_not_compared(monkeypatch):
    printed = iter(["5 passed, 3 deselected in 1.07s", "5 passed in 61.20s (0:01:01)"])

    def run(*_, **__):
        return claims.subprocess.CompletedProcess([], 0, next(printed), "")

    monkeypatch.setattr(claims.subprocess, "run", run)
    assert claims.last_line("pytest x") == claims.last_line("pytest x") == "5 passed"
