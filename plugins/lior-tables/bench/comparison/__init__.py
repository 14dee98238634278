"""Measurements of lior-tables compared with boosters, other kernel machines and simple controls.

``PYTHONPATH=plugins/lior-tables/bench python -m comparison --help`` in a checkout.
"""
