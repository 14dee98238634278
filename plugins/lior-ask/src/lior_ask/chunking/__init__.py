"""Cutters: how each kind of text is cut into passages."""
