"""Every installed plugin, built in or of another distribution, obeys the laws of its kind."""

from __future__ import annotations

import pytest

from lior import registry
from lior.plugins.kinds import KINDS
from lior.testing import suite

EXTRAS = {("tokenizer", "bpe"): "tokenizers", ("memory", "faiss"): "faiss"}
"""The package that a plugin needs and a plain installation lacks."""

SUITES = [kind for kind in KINDS if KINDS[kind].suite]
INSTALLED = [(kind, name) for kind in SUITES for name in registry.names(kind)]


def laws(kind: str) -> list[str]:
    """Names of the tests of a kind's suite; building a suite calls no plugin."""
    return sorted(name for name in dir(suite(kind, lambda: None)) if name.startswith("test_"))


@pytest.mark.parametrize(
    ("kind", "name", "law"),
    [
        pytest.param(*plugin, law, id="-".join((*plugin, law)))
        for plugin in INSTALLED
        for law in laws(plugin[0])
    ],
)
def test_law(kind, name, law):
    if needed := EXTRAS.get((kind, name)):
        pytest.importorskip(needed)
    contract = suite(kind, registry.get(kind, name))
    getattr(contract(), law)()


def test_every_kind_is_covered():
    assert {kind for kind, _ in INSTALLED} == set(SUITES), "a kind has no plugin at all"
