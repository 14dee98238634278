"""Plugins: the kinds, which plugins are installed, and the checked class behind a name.

Public modules: :mod:`~lior.plugins.kinds` (the table of kinds), :mod:`~lior.plugins.registry` (finds and
checks plugins), :mod:`~lior.plugins.discovery` (reads the metadata of distributions).
"""

__all__ = ["discovery", "kinds", "registry"]
