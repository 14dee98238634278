"""Find and quote the passage that answers a question."""
