"""Pictures of a run, as files and as tables.

:mod:`~lior.plots.pictures` computes the pictures of a run, with
:mod:`~lior.plots.learning` and :mod:`~lior.plots.scoring`. A picture is made of
panels (:mod:`~lior.plots.panels`): numbers that can be drawn on Matplotlib axes
(:mod:`~lior.plots.axes`) and printed as a table. :mod:`~lior.plots.figures` puts
panels together and writes files; :mod:`~lior.plots.scales` has what needs no
Matplotlib. Other packages use ``axes``, ``figures``, ``panels`` and ``scales``.
"""

__all__ = ["PICTURES", "axes", "figures", "panels", "pictures", "scales"]

PICTURES = {
    "curves": "cost in each stage of training",
    "positions": "bits per byte by position and by class of token",
    "spectrum": "eigenvalues of the metric",
    "angles": "angles of the metric's rotation",
    "resilience": "histogram of R over the memory",
    "weights": "the experts' weights by gate",
    "coordinates": "contexts on the two principal axes of the metric",
    "curved": "sectional curvatures, and contexts by R",
}
"""Subject of each picture, by its name."""
