"""Resilience sources: what multiplies the cost."""
