"""Embedders: vectors of texts by their meaning."""

__all__ = ["bags", "e5", "four_bits", "graph", "layers", "libraries", "messages", "pieces", "regression"]
