"""The energy that a law compares with is that of lior-ritz, which shares nothing with lior-field."""

from __future__ import annotations

import pytest

from lior_field.laws.dynamics import REFERENCE

configuration = pytest.importorskip("lior_ritz.config")
solving = pytest.importorskip("lior_ritz.verification.reference")

FORMULA = "x**2 + y**2 + 0.3*x*y + 0.2*x**4 + 0.1*y**4"


def test_the_constant_of_the_law_is_the_energy_of_the_reference() -> None:
    assignments = ["potential.type=expression", f"potential.expression={FORMULA}", "domain.X=6", "domain.Y=6"]
    problem = configuration.problem(configuration.load((), assignments).config)
    found = solving.solve(problem, 1)
    assert float(found.errors[0]) < 1e-9
    assert float(found.energies[0]) == pytest.approx(REFERENCE, rel=1e-9)
