"""Updaters: how parameters move."""
