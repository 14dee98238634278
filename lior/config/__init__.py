"""Configuration: layers of values (recipes, environment, flags) become one checked object.

The names below configure a training run of lior. There are five public modules.
:mod:`~lior.config.resolving` does the same for the schema of any other system.
:mod:`~lior.config.components` has fields that choose plugins, and :mod:`~lior.config.options` has fields
with help and a checked range. :mod:`~lior.config.recipes` reads files, and :mod:`~lior.config.sampling` has
the options of drawing tokens.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
