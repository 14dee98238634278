"""Every retriever and embedder of lior-ask obeys the laws of its kind."""

from __future__ import annotations

import pytest

from lior import registry
from lior.testing import run_suite

EXTRAS = {"fastembed": "fastembed", "sentence-transformers": "sentence_transformers"}
"""The package that a plugin needs and a plain installation lacks."""
CASES = [
    (kind, name)
    for kind in ("retriever", "judge", "embedder")
    for name in registry.names(kind)
    if registry.origin(kind, name).distribution == "lior-ask"
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_laws(kind, name):
    if needed := EXTRAS.get(name):
        pytest.importorskip(needed)
    assert run_suite(kind, registry.get(kind, name)) == []


def test_every_kind_is_covered():
    assert {kind for kind, _ in CASES} == {"retriever", "judge", "embedder"}
