"""Plugins: which are installed, and the checked class behind a name."""
