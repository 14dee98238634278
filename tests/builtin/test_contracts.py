"""Every built-in plugin obeys the laws of its kind, with the options it has by default and with others.

Plugins of other distributions are checked by their own tests, or by ``lior plugins --check``.
"""

from __future__ import annotations

import pytest

from lior import registry
from lior.plugins.kinds import KINDS
from lior.testing import run_suite
from lior_plugins.encoders.grams import Grams
from lior_plugins.encoders.lags import Lags
from lior_plugins.encoders.poles import Poles
from lior_plugins.frames.derived import Derived
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.frames.rotor import Rotor
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.match import Match
from lior_plugins.memories.sdm import Sdm
from lior_plugins.products.spinor import Spinor
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.rsources.curvature import Curvature
from lior_plugins.updaters.contrastive import Contrastive
from lior_plugins.updaters.spsa import Spsa
from tests.builtin.test_sdm import FEW, SMALLEST, fitted, settled_once

EXTRAS = {"bpe": "tokenizers"}
"""The package that a plugin needs and a plain installation lacks."""
LEARNED_STAYS = {("memory", "sdm that has learned", "test_an_empty_memory_knows_nothing")}
"""What was learned stays when a memory is empty, and says something."""

VARIANTS = [
    ("frame", "weakly whitened", lambda: Derived(whitening=0.3, decay=0.0)),
    ("frame", "of rank zero", lambda: LowRank(rank=0)),
    ("frame", "of two layers", lambda: Rotor(layers=2, rank=2)),
    ("rsource", "rank between two neighbours of a sample", lambda: Constitutive(k=3, sample=20)),
    ("rsource", "fewer centres than items", lambda: Curvature(centres=5)),
    ("product", "spinors with a site that is not turned", lambda: Spinor(generators=5)),
    ("encoder", "smallest lags", lambda: Lags(n=2, lags=1)),
    ("encoder", "smallest grams", lambda: Grams(n=2, lags=2, bits=1, patterns=("~1,2",))),
    ("encoder", "smallest poles", lambda: Poles(n=2, reach=2, oscillations=1, exponentials=0)),
    ("encoder", "slow poles", lambda: Poles(n=8, reach=48, decay=0.999, horizon=1e5)),
    ("memory", "sample of items", lambda: Exact(capacity=200, inverse_temperatures=(0.5,), smoothing=0.1)),
    ("memory", "nearest cells", lambda: Exact(probes=3)),
    ("memory", "short matches", lambda: Match(shortest=2)),
    ("memory", "matches of one length", lambda: Match(shortest=5, longest=5, candidates=3)),
    ("memory", "smallest sdm", lambda: Sdm(**SMALLEST)),
    ("memory", "sdm in long windows", lambda: Sdm(**FEW | {"window": 64})),
    ("memory", "sdm from totals", lambda: Sdm(counts="totals", **FEW)),
    ("memory", "sdm that settled", lambda: settled_once(Sdm(counts="totals", **FEW), 100)),
    ("memory", "smallest sdm from totals", lambda: Sdm(counts="totals", **SMALLEST)),
    ("memory", "sdm that has learned", lambda: fitted(Sdm(**FEW))),
    ("updater", "nudged", lambda: Contrastive(nudge=0.1)),
    ("updater", "several directions", lambda: Spsa(directions=3)),
]
SUITES = [kind for kind in KINDS if KINDS[kind].suite]
DEFAULTS = [
    (kind, name, lambda kind=kind, name=name: registry.get(kind, name)())
    for kind in SUITES
    for name in registry.names(kind)
    if registry.origin(kind, name).distribution == "lior"
]


@pytest.mark.parametrize(
    ("kind", "name", "make"),
    [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in DEFAULTS + VARIANTS],
)
def test_laws(kind, name, make):
    """A failure names its laws; ``getattr(suite(kind, make)(), LAW)()`` shows the lines."""
    if needed := EXTRAS.get(name):
        pytest.importorskip(needed)
    failures = [each for each in run_suite(kind, make) if (kind, name, each.test) not in LEARNED_STAYS]
    assert not failures, "\n".join(f"{each.test}: {each.message}" for each in failures)


def test_every_kind_is_covered():
    others = {"retriever", "judge", "embedder"}  # those of lior-ask, with tests of their own
    others |= {"listener"}  # one that is installed is on for everybody; tests/cli/test_plugins_new.py has one
    assert {kind for kind, _, _ in DEFAULTS} == set(SUITES) - others, "a kind has no plugin at all"
