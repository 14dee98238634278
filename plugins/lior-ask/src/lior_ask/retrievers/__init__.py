"""Retrievers, which rank passages for a question."""

__all__ = ["bm25", "meaning", "settle"]
