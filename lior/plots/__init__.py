"""Pictures of a run.

A picture is made of panels (:mod:`lior.plots.panels`): titles, labels and
numbers. :mod:`lior.plots.pictures` works them out from a run,
:mod:`lior.plots.drawing` draws them with Matplotlib, and
:mod:`lior.plots.sketch` with characters. Other packages may make pictures
of their own panels; ``panels``, ``drawing`` and ``sketch`` are what they use.
"""

PICTURES = {
    "curves": "what each stage of training cost",
    "positions": "bits per byte by position and by class of token",
    "spectrum": "eigenvalues of the metric",
    "angles": "angles of the metric's rotation",
    "resilience": "R over the memory",
    "weights": "the experts' weights by gate",
    "coordinates": "contexts on the two principal axes of the metric",
}
"""Name of each picture -> what it shows."""
