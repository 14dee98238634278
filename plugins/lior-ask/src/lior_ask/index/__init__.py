"""The index: passages, counts of their words, tables, vectors and documents, in a database."""
