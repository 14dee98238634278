"""Pictures of a run, as files and as text.

:mod:`~lior.plots.pictures` computes the pictures of a run, with
:mod:`~lior.plots.learning` and :mod:`~lior.plots.scoring`. A picture is made of
panels (:mod:`~lior.plots.panels`); :mod:`~lior.plots.drawing` draws them with
Matplotlib, :mod:`~lior.plots.sketch` as text, and :mod:`~lior.plots.scales` is
shared by both. Other packages use ``panels``, ``drawing``, ``scales`` and ``sketch``.
"""

__all__ = ["PICTURES", "drawing", "learning", "panels", "pictures", "scales", "scoring", "sketch"]

PICTURES = {
    "curves": "cost in each stage of training",
    "positions": "bits per byte by position and by class of token",
    "spectrum": "eigenvalues of the metric",
    "angles": "angles of the metric's rotation",
    "resilience": "histogram of R over the memory",
    "weights": "the experts' weights by gate",
    "coordinates": "contexts on the two principal axes of the metric",
}
"""Name of each picture -> its subject."""
