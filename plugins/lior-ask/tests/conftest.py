"""The fixtures and hooks of the core's tests, and a day on which questions are asked."""

from datetime import date

import pytest

import lior_ask.asking
from tests.conftest import *  # noqa: F403


@pytest.fixture
def in_october(monkeypatch):
    """Questions are asked on 20 October 2025."""

    class Day(date):
        @classmethod
        def today(cls):
            return cls(2025, 10, 20)

    monkeypatch.setattr(lior_ask.asking, "date", Day)
