"""The laws that every product obeys, at the curvature learning begins with and at both ends of its range."""

from lior.testing.products import product_contract
from lior_hyperbolic import CURVATURE_MAX, CURVATURE_MIN, Hyperbolic


class TestHyperbolic(product_contract(Hyperbolic)): ...


class TestFlattest(product_contract(lambda: Hyperbolic(curvature=CURVATURE_MIN))): ...


class TestMostCurved(product_contract(lambda: Hyperbolic(curvature=CURVATURE_MAX, eps=1e-6))): ...
