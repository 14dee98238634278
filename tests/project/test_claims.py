"""The tables of claims are complete: each row has a verdict, and a command that passes and can fail."""

from __future__ import annotations

import ast
import json
import re
import shlex

import pytest

from tests.cases import cases
from tools import claims, mutations

ROWS = list(claims.claims())
MUTATIONS = mutations.mutations()


def test_all_pages_have_a_table():
    assert {row.page for row in ROWS} == {*claims.PAGES}
    assert len(ROWS) > 70


@cases("row", ROWS)
def test_a_row_has_a_verdict_and_is_shown_by_a_command_or_refused(row):
    assert row.verdict in ("built", "corrected", "refused")
    assert row.command or row.verdict == "refused"
    program, *words = shlex.split(row.command or "pytest")
    assert program == "pytest"
    for path, *function in (word.split("::") for word in words if word.startswith(("tests/", "plugins/"))):
        assert (claims.ROOT / path).exists()
        assert all(f"def {name}(" in (claims.ROOT / path).read_text() for name in function)


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


# --- a command fails where its claim is broken ---


def test_each_command_has_a_mutation():
    assert [*MUTATIONS] == [row.item for row in ROWS if row.command]


@cases("item", MUTATIONS)
def test_a_mutation_can_be_made_and_read(item):
    source = (claims.ROOT / MUTATIONS[item].file).read_text(encoding="utf-8")
    changed = MUTATIONS[item].apply(source)
    assert changed != source
    ast.parse(changed)


def test_a_mutation_of_a_text_that_is_not_there_once_is_refused():
    for old, count in (("x", 0), ("a", 2)):
        with pytest.raises(
            ValueError, match=f"some.py: {count} times, not once: '{old}'; mend mutations.toml"
        ):
            mutations.Mutation("some.py", old, "b").apply("a = a")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of this checkout, and the environment that imports its code."""
    path = tmp_path_factory.mktemp("copy").resolve()
    mutations.copy_checkout(path)
    return path, mutations.variables(path)


@pytest.mark.slow
@pytest.mark.parametrize("item", ["a menu to choose modes", "octonions"])
def test_some_commands_fail_on_broken_code(copy, item):
    [command] = [row.command for row in ROWS if row.item == item]
    assert mutations.unnoticed(command, MUTATIONS[item], *copy) == ""
    assert (copy[0] / MUTATIONS[item].file).read_bytes() == (claims.ROOT / MUTATIONS[item].file).read_bytes()


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([(0, "5 passed")], "on broken code: exit code 0: 5 passed"),
        ([(2, "1 error")], "on broken code: exit code 2: 1 error"),
        ([(1, "1 error")], "on broken code: exit code 1: 1 error"),
        ([(1, "1 failed"), (1, "1 failed")], "on the code as it is: exit code 1: 1 failed"),
        ([(1, "1 failed"), (0, "1 passed")], ""),
    ],
)
def test_what_does_not_show_a_claim_is_said(tmp_path, monkeypatch, ends, said):
    """Tests that pass on broken code, that cannot be imported there, or that fail without a mutation, too."""
    (tmp_path / "some.py").write_text("a")
    left = iter(ends)
    monkeypatch.setattr(claims, "run", lambda *_, **__: next(left))
    assert mutations.unnoticed("pytest x", mutations.Mutation("some.py", "a", "b"), tmp_path, {}) == said


def test_a_package_from_elsewhere_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="not imported from the copy"):
        mutations.variables(tmp_path)
