"""What a question says: weighted terms, filters, the type of its answer."""

__all__ = ["filters", "query", "question", "spelling"]
