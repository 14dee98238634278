"""Chunkers: how each kind of text is cut into passages."""

__all__ = ["blocks", "chunker", "page"]
