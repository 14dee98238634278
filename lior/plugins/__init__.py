"""Plugins: the kinds, which plugins are installed, and the checked class behind a name.

This package finds plugins; it contains none. lior's own plugins are in the package ``lior_plugins``, which,
like the other distributions, is in the folder ``plugins`` of the repository.

Public modules: :mod:`~lior.plugins.kinds` (the table of kinds), :mod:`~lior.plugins.registry` (finds and
checks plugins), :mod:`~lior.plugins.discovery` (reads the metadata of distributions),
:mod:`~lior.plugins.trust` (which imports are trusted).
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
