"""Shared parts of the retrievers: BM25 by levels, and feedback for topics."""

__all__ = ["bm25", "feedback"]
