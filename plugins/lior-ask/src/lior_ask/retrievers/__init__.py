"""Retrievers: passages ranked for a question."""

__all__ = ["settle"]
