"""Pictures of a run, as files and as tables.

:mod:`~lior.plots.pictures` computes the pictures of a run, with
:mod:`~lior.plots.learning` and :mod:`~lior.plots.scoring`. A picture is made of
panels (:mod:`~lior.plots.panels`): numbers that can be drawn on Matplotlib axes
(:mod:`~lior.plots.axes`) and printed as a table. :mod:`~lior.plots.figures` puts
panels together and writes files; :mod:`~lior.plots.scales` has what needs no
Matplotlib. Other packages use ``axes``, ``figures``, ``panels`` and ``scales``.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
