"""How long a run and its stages take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Wall-clock seconds of the stages of a run, which may have begun ``elapsed`` seconds ago."""

    def __init__(self, elapsed: float = 0.0, seconds: Mapping[str, float] | None = None) -> None:
        self._begin = time.perf_counter() - elapsed
        self._stage, self._since = "", 0.0
        self._seconds = {"memory": 0.0, "geometry": 0.0, "mixer": 0.0, "validate": 0.0} | dict(seconds or {})

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of every stage, of the present one so far."""
        now = (
            {self._stage: self._seconds[self._stage] + time.perf_counter() - self._since}
            if self._stage
            else {}
        )
        return self._seconds | now

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add what the block takes to ``stage``."""
        self._stage, self._since = stage, time.perf_counter()
        try:
            yield
        finally:
            self._seconds, self._stage = self.seconds, ""

    def share(self, limit: float) -> Callable[[], float]:
        """A function that tells how much of ``limit`` seconds is used up; always 0 without a limit."""
        return lambda: self.total / limit if limit else 0.0
