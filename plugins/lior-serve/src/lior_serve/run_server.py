"""The server of a trained run: the thread of its model, and changes by clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from lior_serve.limits import Settings
from lior_serve.run import RunSource, RunVersion
from lior_serve.server import Server
from lior_serve.streams import ModelThread

T = TypeVar("T")


class RunServer(Server):
    """A trained run that is served."""

    source: RunSource
    absent: Mapping[str, str] = {}

    def __init__(self, settings: Settings, source: RunSource) -> None:
        super().__init__(settings, source)
        self.model = ModelThread(settings.limits.streams)

    @property
    def version(self) -> RunVersion:
        """The version that a request uses to its end."""
        return self.source.current

    async def latest(self) -> RunVersion:
        """Return the version to ask."""
        return self.version

    async def read(self, work: Callable[[Callable[..., object]], T]) -> T:
        """Call ``work`` in the thread of the model; see :meth:`ModelThread.run`."""
        return await asyncio.wrap_future(self.model.run(work))

    def gauges(self) -> dict[str, float]:
        """Return the present values, for the metrics."""
        return super().gauges() | {
            "streams_active": self.model.streams,
            "tokens_drawn_total": self.model.tokens,
            "changes_waiting": self.source.state()["waiting"],
        }

    def close(self, seconds: float) -> bool:
        """End streams and finish learning; return whether that took at most ``seconds``."""
        self.model.close()
        return super().close(seconds)
