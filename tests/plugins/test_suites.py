"""Contract suites run without pytest and report each broken law."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lior.errors import UsageError
from lior.plugins.kinds import KINDS
from lior.testing import Failure, run_suite, suite


def number_contract(make):
    """A suite of three laws on numbers."""

    class Contract:
        def test_positive(self):
            assert make() > 0, "not positive\nmore"

        def test_small(self):
            if make() > 10:
                raise ExceptionGroup("several", [ValueError("too large"), ValueError()])

        def test_truthy(self):
            if not make():
                raise ValueError

    return Contract


@pytest.fixture(autouse=True)
def _numbers(monkeypatch):
    frame = replace(KINDS["frame"], suite=f"{__name__}:number_contract")
    monkeypatch.setitem(KINDS, "frame", frame)


def test_nothing_fails_for_what_obeys():
    assert run_suite("frame", lambda: 1) == []


def test_every_broken_law_is_reported():
    assert run_suite("frame", lambda: 0) == [
        Failure("test_positive", "AssertionError: not positive"),
        Failure("test_truthy", "ValueError"),
    ]
    assert run_suite("frame", lambda: 11) == [Failure("test_small", "ValueError: too large")]


def test_what_cannot_be_made_fails_once_and_not_once_a_law():
    def make():
        raise UsageError("install something first")

    assert run_suite("frame", make) == [Failure("constructor", "install something first")]


def test_commands_have_no_laws():
    assert run_suite("command", lambda: 1) == []


def test_unknown_kind():
    with pytest.raises(UsageError, match="Did you mean 'frame'"):
        suite("fram", lambda: 1)
