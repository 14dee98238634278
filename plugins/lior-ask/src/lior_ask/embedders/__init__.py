"""Embedders: vectors of texts by their meaning."""

__all__ = ["libraries", "minilm"]
