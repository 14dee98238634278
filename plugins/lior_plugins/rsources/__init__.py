"""Resilience sources: the factor of the cost."""
