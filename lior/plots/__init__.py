"""Pictures of numbers, as files and as tables.

A picture is made of panels (:mod:`~lior.plots.panels`): numbers that can be drawn on Matplotlib axes
(:mod:`~lior.plots.axes`) and printed as a table. :mod:`~lior.plots.figures` puts
panels together and writes files; :mod:`~lior.plots.scales` has what needs no
Matplotlib.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
