"""Measurements of lior-tables beside boosters, other kernel machines and simple controls.

``python -m tools.tables --help`` in a checkout.
"""
