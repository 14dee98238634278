"""What retrievers share: BM25 by levels, feedback by topics, vectors of words."""

__all__ = ["bm25", "feedback"]
