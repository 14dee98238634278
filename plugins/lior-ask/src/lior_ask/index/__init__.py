"""The index: passages, counts of their words, tables, vectors and documents, in a database."""

__all__ = [
    "cache",
    "context_lines",
    "database",
    "document_store",
    "embedding",
    "inverted",
    "passage_store",
    "postgres",
    "sqlite",
    "table_schema",
    "table_store",
    "vector_store",
    "writing",
]
