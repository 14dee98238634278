"""Bytes to tokens: documents are found and read, laid out as one corpus, and damaged on purpose."""
