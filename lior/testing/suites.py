"""Run the contract suite of a kind on a plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lior.errors import LiorError, MissingPackage, install_hint
from lior.plugins.kinds import KINDS, check_kind, import_target


class Failure(NamedTuple):
    """A law that a plugin breaks."""

    test: str
    message: str
    """The first line of the error."""


def suite(kind: str, make: Callable[[], Any]) -> type:
    """Return a new class whose ``test_*`` methods check the result of ``make()``.

    Raises
    ------
    UsageError
        If the kind does not exist.
    MissingPackage
        If ``hypothesis`` is not installed.
    """
    factory = KINDS[check_kind(kind)].suite
    if not factory:
        return type(f"{kind.title()}Contract", (), {})
    require_hypothesis()
    contract: type = import_target(factory)(make)
    return contract


def require_hypothesis() -> None:
    """Raise ``MissingPackage`` if ``hypothesis`` is not installed."""
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        hint = install_hint("check")
        raise MissingPackage(f"the contract suites need the package hypothesis: {hint}") from error


def run_suite(kind: str, make: Callable[[], Any]) -> list[Failure]:
    """Run the contract suite of ``kind`` on ``make()`` and return what fails, without raising."""
    contract = suite(kind, make)
    failures: list[Failure] = []
    laws = sorted(name for name in dir(contract) if name.startswith("test_"))
    if laws:
        try:
            make()
        except LiorError as error:  # such as a missing package: reported once, not for each law
            return [Failure("constructor", str(error))]
    for name in laws:
        try:
            getattr(contract(), name)()
        except Exception as error:  # one broken law must not hide the others
            failures.append(Failure(name, _first_line(error)))
    return failures


def _first_line(error: BaseException) -> str:
    """Return the kind of error and its first line; for a group, those of the first member."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
