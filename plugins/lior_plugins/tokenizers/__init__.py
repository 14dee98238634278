"""Tokenizers: bytes to token ids."""
