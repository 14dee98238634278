"""Retrievers: passages ranked for a question."""
