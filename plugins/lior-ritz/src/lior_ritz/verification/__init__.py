"""Verification: independent quadrature, bounds, the reference."""
