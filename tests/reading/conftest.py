"""Readers are tested in this process, and in a process of their own by ``test_isolation.py``."""

import pytest


@pytest.fixture(autouse=True)
def in_process(request, monkeypatch):
    if request.module.__name__.rpartition(".")[2] != "test_isolation":
        monkeypatch.setattr("lior.reading.isolation._inside", True)
