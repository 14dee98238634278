"""Questions: weighted terms, filters, the type of the answer."""

__all__ = ["filters", "query", "question", "spelling"]
