"""Embedders: vectors of texts by their meaning."""

__all__ = ["eight_bits", "libraries", "minilm"]
