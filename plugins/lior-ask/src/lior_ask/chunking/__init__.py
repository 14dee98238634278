"""Chunkers: they cut each kind of text into passages."""

__all__ = ["blocks", "chunker", "page"]
