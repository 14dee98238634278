"""Runs that are kept in a directory."""
