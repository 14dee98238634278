"""One test for a table of cases."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["cases"]


def cases(
    names: str | tuple[str, ...], values: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test once for all ``values``; a failure names its case.

    It takes names and values as ``pytest.mark.parametrize`` does, for cases that are too cheap to be tests
    of their own. The cases share the fixtures of the test.
    """
    keys = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    table = [dict(zip(keys, _row(value, len(keys)), strict=True)) for value in values]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            for case in table:
                try:
                    test(**fixtures, **case)
                except BaseException as error:
                    error.add_note(f"in the case {case}")
                    raise

        signature = inspect.signature(test)
        rest = [each for name, each in signature.parameters.items() if name not in keys]
        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        del run.__wrapped__  # type: ignore[attr-defined]
        return run

    return decorate


def _row(value: Any, length: int) -> tuple[Any, ...]:
    """Return the values of a case; one written as ``pytest.param`` without its id."""
    if hasattr(value, "marks"):
        assert not value.marks, "a case with marks of its own needs pytest.mark.parametrize"
        return tuple(value.values)
    return (value,) if length == 1 else tuple(value)
