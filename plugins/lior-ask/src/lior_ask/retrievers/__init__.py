"""Retrievers: passages ranked for a question."""

__all__ = ["bm25", "meaning", "settle"]
