"""The schema of a run: every key with its default, its help and what is allowed.

The keys of the first published solver of this kind (``physics`` to ``training``) keep their names; its JSON
files load as they are (:mod:`lior_ritz.training.document`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

import attrs

from lior.config import Component, Resolved, build_plugin, device_option, option, plugin_option, resolve
from lior.errors import UsageError
from lior_ritz.potentials import registry
from lior_ritz.potentials.expression import Expression
from lior_ritz.potentials.gridded import Gridded
from lior_ritz.problem import AXES, Problem, quadrature
from lior_ritz.problem.terms import Terms
from lior_ritz.problem.units import Units, material
from lior_ritz.training import document

PREFIX = "RITZ_"
"""Prefix of the environment variables that set keys: ``RITZ_TRAINING__LR`` sets ``training.lr``."""
CONFIGS = "lior_ritz.configs"
"""Package of the shipped recipes."""


@attrs.frozen(kw_only=True)
class PhysicsConfig:
    """The scales of the problem."""

    material: str = option("GaAs", help="where m_eff and eps_r are taken from unless they are given")
    m_eff: float | None = option(None, help="effective mass in electron masses", low=1e-6, high=1e6)
    L0_nm: float = option(30.0, help="length unit in nm", low=1e-6, high=1e9)
    eps_r: float | None = option(None, help="relative permittivity", low=1, high=1e6)
    field_tesla: float = option(
        0.0, help="magnetic field along z, perpendicular to the plane, in tesla", low=-1e4, high=1e4
    )
    g: float | None = option(
        None, help="g-factor of the spin; of the material if not given", low=-1e4, high=1e4
    )
    rashba_meV_nm: float = option(0.0, help="spin-orbit coupling of Rashba, in meV nm", low=-1e6, high=1e6)
    dresselhaus_meV_nm: float = option(
        0.0, help="linear spin-orbit coupling of Dresselhaus, in meV nm", low=-1e6, high=1e6
    )
    mass: str = option(
        "",
        help="mass of both axes in electron masses: a number, a formula of x and y in L0, or a file with the "
        "columns x, y, mass; m_eff if empty",
    )
    mass_x: str = option("", help="mass along x, where it is another than mass")
    mass_y: str = option("", help="mass along y, where it is another than mass")
    offset_meV: str = option(
        "",
        help="band offset in meV, added to the potential: a formula of x and y in L0, or a file with columns",
    )

    @property
    def units(self) -> Units:
        """Lengths and energies.

        Raises ``UsageError`` when a number is to come from a material that is not in the table.
        """
        mass, permittivity = self.m_eff, self.eps_r
        if mass is None or permittivity is None:
            known = material(self.material)
            mass = known.m_eff if mass is None else mass
            permittivity = known.eps_r if permittivity is None else permittivity
        return Units(mass, self.L0_nm, permittivity)

    def terms(self, dim: int) -> Terms:
        """Return the terms of the Hamiltonian beside ``-∇² + V`` in ``dim`` dimensions.

        Raises ``UsageError`` when a formula or a file cannot be understood, an axis is not there, or the
        material has no g.
        """
        named = {"x": self.mass_x, "y": self.mass_y}
        for axis in AXES[dim:2]:
            if named[axis]:
                raise UsageError(f"physics.mass_{axis} is of no use with domain.dim = {dim}; leave it out")
        own = [(f"mass_{axis}", text) if text else ("mass", self.mass) for axis, text in named.items()]
        masses = tuple(_function(*each) for each in own[:dim])
        needed = self.field_tesla or self.rashba_meV_nm or self.dresselhaus_meV_nm
        return Terms(
            field_tesla=self.field_tesla,
            masses=masses,
            offset=_function("offset_meV", self.offset_meV),
            g=self.g if self.g is not None else material(self.material).g if needed else 0.0,
            rashba_meV_nm=self.rashba_meV_nm,
            dresselhaus_meV_nm=self.dresselhaus_meV_nm,
        )

    def __attrs_post_init__(self) -> None:
        _ = self.units


def _function(name: str, text: str) -> Expression | Gridded | None:
    """A function of the place from a formula or the name of a file; ``None`` where there is none."""
    try:
        if text.endswith((".npy", ".csv", ".txt")):
            return Gridded(path=text)
        return Expression(expression=text) if text else None
    except UsageError as error:
        raise UsageError(f"physics.{name}: {error}") from None


_NETWORKS = ("solver.", "model.", "training.", "domain.eval_nq")
"""How the keys begin that only a network reads,"""
_REFERENCES = ("solver.K", "solver.accuracy", "solver.network")
"""but for these."""
_NODES = {1: 96, 2: 48, 3: 24, 4: 12}
"""Default number of nodes on each axis, by dimension."""
_BUILT_IN = 2
"""Most mirrored axes that `auto` builds in: every axis doubles the work on a node."""


@attrs.frozen(kw_only=True)
class DomainConfig:
    """The box ``|x| <= X``, ``|y| <= Y``, …, and how integrals over it are taken."""

    dim: int = option(2, help="number of coordinates", low=1, high=4)
    X: float = option(4.0, help="half-width along x, in L0", low=1e-3, high=1e3)
    Y: float = option(4.0, help="half-width along y", low=1e-3, high=1e3)
    Z: float = option(4.0, help="half-width along z", low=1e-3, high=1e3)
    W: float = option(4.0, help="half-width along w", low=1e-3, high=1e3)
    boundary: str = option(
        "dirichlet", help="zero on the edge, or no slope across it", choices=("dirichlet", "natural")
    )
    nq: int | None = option(
        None, help="nodes on each axis to begin with; 96, 48, 24, 12 in 1 to 4 dimensions", low=2, high=2000
    )
    eval_nq: int = option(0, help="those of the independent quadrature; 0 = half more than nq", low=0)

    @property
    def axis_nodes(self) -> int:
        """``nq``, or what it is where it is not given."""
        return _NODES[self.dim] if self.nq is None else self.nq

    @property
    def half_widths(self) -> tuple[float, ...]:
        """In ``L0``, one for each coordinate."""
        return (self.X, self.Y, self.Z, self.W)[: self.dim]


@attrs.frozen(kw_only=True)
class EnvelopeConfig:
    """The Gaussian decay that all trial functions share."""

    alpha: float | None = option(None, help="decay rate along x, in 1/L0^2; estimated if not given", low=0)
    beta: float | None = option(None, help="along y", low=0)
    gamma: float | None = option(None, help="along z", low=0)
    zeta: float | None = option(None, help="along w", low=0)
    trainable: bool = option(True, help="learn the rates, from these on")


@attrs.frozen(kw_only=True)
class SolverConfig:
    """The trial space."""

    K: int = option(4, help="states wanted", low=1, high=256)
    M: int = option(
        8,
        help="basis functions that are kept; energies do not depend on M with a solved head",
        low=1,
        high=1024,
    )
    accuracy: float = option(
        1e-3,
        help="relative error of a level above which a run warns and ends with 1: how far a network is "
        "from the reference, or the reference's own error bar",
        low=0,
        high=1e6,
    )
    network: bool = option(
        False, help="train a network, and judge it by the reference; if not, the states are the reference's"
    )
    head: str = option(
        "solved",
        help="the best outputs are worked out (solved), or M are learned",
        choices=("solved", "trained"),
    )
    use_envelope: bool = option(True, help="multiply by a Gaussian decay")
    envelope: EnvelopeConfig = attrs.field(factory=EnvelopeConfig)
    parity: str = option(
        "auto",
        help="axes of built-in mirror symmetry; auto: up to 2 of the potential's",
        choices=("auto", "none", "x", "y", "xy"),
    )
    use_parity: bool | None = option(None, help="true is short for parity x, false for parity none")
    parity_even: int = option(4, help="basis functions even in x, with parity x", low=0, high=1024)
    parity_odd: int = option(4, help="basis functions odd in x, with parity x", low=0, high=1024)

    def __attrs_post_init__(self) -> None:
        if self.K > self.M:
            raise UsageError(f"K = {self.K} is more than M = {self.M}; raise M or lower K")
        if self.use_parity is not None and self.parity != "auto":
            raise UsageError("parity and use_parity say the same; give one of them")
        if self.wanted_parity == "x" and self.parity_even + self.parity_odd != self.M:
            raise UsageError(
                f"parity_even + parity_odd = {self.parity_even + self.parity_odd}, which must be "
                f"M = {self.M} with parity x"
            )

    @property
    def wanted_parity(self) -> str:
        """``auto``, ``none`` or the axes."""
        if self.use_parity is None:
            return self.parity
        return "x" if self.use_parity else "none"


@attrs.frozen(kw_only=True)
class ModelConfig:
    """The network."""

    activation: str = option("tanh", help="of the hidden layers", choices=("tanh", "sine"))
    hidden_features: int = option(32, help="width of the hidden layers", low=1, high=4096)
    hidden_layers: int = option(1, help="hidden layers behind the first", low=0, high=64)
    first_omega_0: float = option(1.0, help="frequency scale of the first layer", low=1e-6, high=1e6)
    hidden_omega_0: float = option(1.0, help="frequency scale of the other sine layers", low=1e-6, high=1e6)

    def __attrs_post_init__(self) -> None:
        if self.activation == "tanh" and self.hidden_omega_0 != 1:
            raise UsageError('hidden_omega_0 is of sine layers; leave it out, or set activation = "sine"')


@attrs.frozen(kw_only=True)
class ScheduleConfig:
    """The learning rate of Adam over its steps."""

    enabled: bool = option(True, help="change the learning rate while training")
    type: str = option("cosine", help="to min_lr, or lower on a plateau", choices=("cosine", "plateau"))
    factor: float = option(0.5, help="plateau: what the rate is multiplied by", low=1e-6, high=0.999999)
    patience: int = option(300, help="plateau: steps without improvement before that", low=0)
    threshold: float = option(1e-4, help="plateau: what counts as an improvement", low=0, high=1e6)
    threshold_mode: str = option("rel", help="plateau: a share of the monitor, or E0", choices=("rel", "abs"))
    cooldown: int = option(100, help="plateau: steps after a change in which nothing is counted", low=0)
    min_lr: float = option(1e-3, help="least rate", low=0, high=1e3)
    monitor_ema_alpha: float = option(0.1, help="plateau: weight of the newest value", low=1e-9, high=1)
    eps: float = option(1e-12, help="plateau: changes of the rate below this are not made", low=0, high=1)


@attrs.frozen(kw_only=True)
class WeightsConfig:
    """The weights of the terms of the loss."""

    eigsum: float = option(1.0, help="of the sum of the K lowest energies", low=1e-9, high=1e9)
    S_condition: float = option(0.0, help="of the penalty on the overlap's condition", low=0, high=1e9)
    boundary: float = option(0.0, help="of the first solver's files, which never read it; 0 and no other")
    pde_polish: float = option(0.0, help="of its files as well; 0 and no other")

    def __attrs_post_init__(self) -> None:
        for name in ("boundary", "pde_polish"):
            if getattr(self, name) != 0:
                raise UsageError(f"{name}: there is no such penalty; more steps of L-BFGS do better")


@attrs.frozen(kw_only=True)
class RefineConfig:
    """The L-BFGS phase."""

    steps: int = option(400, help="iterations", low=0, high=10**7)
    history: int = option(50, help="pairs of changes that are remembered", low=1, high=1000)


@attrs.frozen(kw_only=True)
class StopConfig:
    """When a phase ends before its last step."""

    tolerance: float = option(1e-9, help="relative gain worth going on for; 0: any", low=0, high=1)
    patience: int = option(2, help="evaluations without one before a phase ends", low=1)


@attrs.frozen(kw_only=True)
class GuardConfig:
    """How training nodes are checked against an independent quadrature."""

    every: int = option(50, help="steps between evaluations", low=1)
    tolerance: float = option(
        1e-6, help="relative difference of energies put down to nodes", low=1e-12, high=1
    )
    growth: float = option(1.25, help="by how much nq grows when the nodes are at fault", low=1.01, high=4)
    limit: int = option(192, help="largest nq; training stops when it would be passed", low=2, high=4000)


@attrs.frozen(kw_only=True)
class CheckpointConfig:
    """Checkpoints to resume from."""

    seconds: float = option(20.0, help="seconds between checkpoints; 0 writes one at every evaluation", low=0)
    last: int = option(2, help="how many of the newest are kept, beside the best", low=1)


@attrs.frozen(kw_only=True)
class TrainingConfig:
    """How the network is trained."""

    optimizer: str = option(
        "adam+lbfgs",
        help="phases: `steps` of Adam, lbfgs_refine.steps of L-BFGS",
        choices=("adam", "lbfgs", "adam+lbfgs"),
    )
    lr: float = option(1e-2, help="step size of Adam", low=1e-12, high=1e3)
    steps: int = option(60, help="steps of Adam", low=0, high=10**8)
    grad_clip: float = option(0.0, help="largest norm of Adam's gradient; 0 = none", low=0, high=1e12)
    log_every: int = option(50, help="steps between lines of the log and of plain progress", low=1)
    dtype: str = option(
        "float64",
        help="precision of the network",
        choices=("float32", "float64", "fp32", "fp64", "single", "double"),
    )
    seed: int = option(42, help="seed of all randomness", low=0, high=2**63 - 1)
    device: str = device_option("cpu", help="device of training")
    sampling_mode: str = option(
        "auto", help="nodes; auto: gauss_legendre, in 4 dimensions sobol", choices=("auto", *quadrature.MODES)
    )
    grid_jitter_frac: float = option(0.35, help="jittered_grid: largest move, in cells", low=0, high=100)
    mc_points: int = option(16384, help="monte_carlo and sobol: nodes", low=16, high=10**7)
    lr_schedule: ScheduleConfig = attrs.field(factory=ScheduleConfig)
    loss_weights: WeightsConfig = attrs.field(factory=WeightsConfig)
    lbfgs_refine: RefineConfig = attrs.field(factory=RefineConfig)
    early_stop: StopConfig = attrs.field(factory=StopConfig)
    guard: GuardConfig = attrs.field(factory=GuardConfig)
    checkpoint: CheckpointConfig = attrs.field(factory=CheckpointConfig)


@attrs.frozen(kw_only=True)
class RitzConfig:
    """A run."""

    physics: PhysicsConfig = attrs.field(factory=PhysicsConfig)
    domain: DomainConfig = attrs.field(factory=DomainConfig)
    potential: Component = plugin_option("biquadratic_dqd", help="the potential", key="type")
    solver: SolverConfig = attrs.field(factory=SolverConfig)
    model: ModelConfig = attrs.field(factory=ModelConfig)
    training: TrainingConfig = attrs.field(factory=TrainingConfig)


def is_networks(key: str) -> bool:
    """Whether only a network that is trained reads a key.

    >>> is_networks("solver.head"), is_networks("solver.K")
    (True, False)
    """
    return key.startswith(_NETWORKS) and key not in _REFERENCES


def load(
    layers: Iterable[str | PathLike[str] | Mapping[str, Any]] = (),
    overrides: Iterable[str] = (),
    env: Mapping[str, str] | None = None,
) -> Resolved[RitzConfig]:
    """Resolve a configuration: defaults, then ``layers``, then variables, then overrides.

    Raises ``ConfigError`` with all problems of all layers.

    ``layers``: tables, paths of TOML or JSON files, or names of shipped recipes, the lowest first.
    ``overrides``: ``"key=value"``; the last of a key counts. ``env``: variables; those of the process if not
    given.
    """
    found = resolve(
        RitzConfig,
        layers=[document.adapt(layer) for layer in layers],
        env=env,
        prefix=PREFIX,
        overrides=overrides,
        recipes=CONFIGS,
        registry=registry,
    )
    problem(found.config)
    return found


def problem(config: RitzConfig) -> Problem:
    """The problem that a configuration describes.

    Raises ``UsageError`` when the potential does not fit the domain, its options contradict one another, or
    an axis that is not there is given a width.
    """
    for axis in "XYZW"[config.domain.dim :]:
        if getattr(config.domain, axis) != getattr(DomainConfig(), axis):
            raise UsageError(
                f"domain.{axis} is of no use with domain.dim = {config.domain.dim}; leave it out, or raise "
                "domain.dim"
            )
    potential = build_plugin("potential", config.potential, registry)
    found = Problem(
        potential,
        config.domain.half_widths,
        config.physics.units,
        config.domain.boundary,
        config.physics.terms(config.domain.dim),
    )
    found.require_finite()
    return found


def mirror(config: RitzConfig, problem: Problem) -> tuple[int, ...]:
    """The axes of built-in parity.

    Raises ``UsageError`` when the configuration asks for a symmetry that the potential does not have.
    """
    wanted, true = config.solver.wanted_parity, sorted(problem.mirrors)
    if wanted == "none":
        return ()
    if wanted == "auto":
        return tuple(true[:_BUILT_IN]) if config.solver.head == "solved" else ()
    axes = tuple(AXES.index(name) for name in wanted)
    if missing := [AXES[axis] for axis in axes if axis not in true]:
        has = f"it has {', '.join(AXES[axis] for axis in true)}" if true else "it has none"
        raise UsageError(
            f"solver.parity = {wanted!r}: the potential is no mirror image of itself in "
            f"{' and '.join(missing)}; {has}; take parity auto or none"
        )
    return axes
