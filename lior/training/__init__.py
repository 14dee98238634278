"""From a configuration and documents to a model.

:mod:`~lior.training.preparation` builds what a run needs, :mod:`~lior.training.stages` are its parts with
:mod:`~lior.training.batches` for the metric, and :mod:`~lior.training.loop` runs them and scores the model.
:mod:`~lior.training.estimate` says beforehand how long that takes, :mod:`~lior.training.control` what the
geometry is worth.
"""

__all__ = ["batches", "estimate", "preparation", "stages"]
