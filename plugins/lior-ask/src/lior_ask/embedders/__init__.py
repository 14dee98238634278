"""Embedders: vectors of texts by their meaning."""

__all__ = ["e5", "four_bits", "libraries", "messages"]
