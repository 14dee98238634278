"""The laws that every product obeys, at the curvature learning begins with and at both ends of its range."""

from lior.testing.products import product_contract
from lior_hyperbolic import CURVATURE_MAX, CURVATURE_MIN, Hyperbolic

TestHyperbolic = product_contract(Hyperbolic)
TestFlattest = product_contract(lambda: Hyperbolic(curvature=CURVATURE_MIN))
TestMostCurved = product_contract(lambda: Hyperbolic(curvature=CURVATURE_MAX, eps=1e-6))
