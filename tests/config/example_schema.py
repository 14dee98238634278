"""A schema of some other system, three tables deep, with plugins, and how the tests resolve it."""

from __future__ import annotations

from typing import ClassVar, Protocol

import attrs

from lior.config import resolving
from lior.config.components import Component, Components, plugin_option
from lior.config.options import option
from lior.config.resolving import resolve
from lior.errors import UsageError
from lior.plugins.kinds import Kind


@attrs.frozen(kw_only=True)
class Schedule:
    patience: int = option(300, help="steps without progress", low=0)
    mode: str = option("rel", help="how progress is measured", choices=("rel", "abs"))


@attrs.frozen(kw_only=True)
class Training:
    lr: float = option(5e-4, help="step size", low=0)
    sizes: tuple[int, ...] = option((8, 16), help="points of each phase")
    schedule: Schedule = attrs.field(factory=Schedule)
    stop_at: float | None = option(None, help="loss at which to stop", low=0)


@attrs.frozen(kw_only=True)
class Solver:
    K: int = option(4, help="states", low=1)
    M: int = option(8, help="functions", low=1)
    basis: Component = plugin_option("sine", help="the functions", kind="functions", key="type")

    def __attrs_post_init__(self) -> None:
        if self.K > self.M:
            raise UsageError(f"K = {self.K} is more than M = {self.M}; allowed is K <= M")


@attrs.frozen(kw_only=True)
class RunConfig:
    seed: int = option(0, help="seed of all randomness", low=0)
    solver: Solver = attrs.field(factory=Solver)
    training: Training = attrs.field(factory=Training)
    potential: Component = plugin_option("box", help="the potential", key="type")
    report: Components = plugin_option("table", help="what is reported", several=True)


class Anything(Protocol):
    api_version: ClassVar[int]


@attrs.frozen(kw_only=True)
class Box:
    api_version: ClassVar[int] = 1


@attrs.frozen(kw_only=True)
class Gaussian:
    api_version: ClassVar[int] = 1
    amplitude: float = option(-6.0, help="depth")
    barrier_meV: float | None = option(None, help="barrier", low=0)
    wells: tuple[float, ...] = option((0.0,), help="where they are")

    def __attrs_post_init__(self) -> None:
        if self.amplitude == 0:
            raise UsageError("an amplitude of 0 is no well")


KINDS = {
    kind: Kind(group=f"toy.{kind}s", interface=Anything) for kind in ("functions", "potential", "report")
}


def get(*layers, env=None, **kwargs) -> resolving.Resolved[RunConfig]:
    return resolve(RunConfig, layers=layers, env=env or {}, prefix="TOY_", **kwargs)
