"""Contract suites: the laws that every plugin of a kind obeys.

A plugin's author writes, with pytest::

    from lior.testing.frames import frame_contract

    class TestMine(frame_contract(lambda: Mine(rank=2))): ...

``lior plugins --check`` runs the same suites without pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from lior.errors import LiorError
from lior.plugins.discovery import check_kind

SUITES = {
    "frame": "lior.testing.frames:frame_contract",
    "rsource": "lior.testing.rsources:rsource_contract",
    "updater": "lior.testing.updaters:updater_contract",
    "memory": "lior.testing.memories:memory_contract",
    "product": "lior.testing.products:product_contract",
    "encoder": "lior.testing.encoders:encoder_contract",
    "tokenizer": "lior.testing.tokenizers:tokenizer_contract",
}
"""Kind of plugin -> its suite's factory, imported when needed; commands have none."""


class Failure(NamedTuple):
    """A law that a plugin breaks."""

    test: str
    message: str
    """The first line of the error."""


def suite(kind: str, make: Callable[[], Any]) -> type:
    """A new class whose ``test_*`` methods check what ``make()`` returns.

    Raises
    ------
    UsageError
        If the kind does not exist.
    """
    if check_kind(kind) not in SUITES:
        return type(f"{kind.title()}Contract", (), {})
    module, _, factory = SUITES[kind].partition(":")
    contract: type = getattr(import_module(module), factory)(make)
    return contract


def run_suite(kind: str, make: Callable[[], Any]) -> list[Failure]:
    """Run the contract suite of ``kind`` on ``make()`` and return what fails, without raising."""
    contract = suite(kind, make)
    failures: list[Failure] = []
    laws = sorted(name for name in dir(contract) if name.startswith("test_"))
    if laws:
        try:
            make()
        except LiorError as error:  # for instance for want of a package: said once, not once a law
            return [Failure("constructor", str(error))]
    for name in laws:
        try:
            getattr(contract(), name)()
        except Exception as error:  # one broken law must not hide the others
            failures.append(Failure(name, _first_line(error)))
    return failures


def _first_line(error: BaseException) -> str:
    """The kind of error and the first line of its text; of a group, that of its first member."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
