"""Embedders: vectors of texts by their meaning."""
