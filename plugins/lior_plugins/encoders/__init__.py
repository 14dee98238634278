"""Encoders: contexts to coordinates."""
