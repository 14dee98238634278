"""From a configuration and documents to a model.

:mod:`~lior.training.preparation` builds everything that a run needs. :mod:`~lior.training.stages` are its
parts, with :mod:`~lior.training.batches` for the metric, and :mod:`~lior.training.loop` runs them and
scores the model. :mod:`~lior.training.control` measures the gain from the geometry.
"""

__all__ = ["batches", "loop", "preparation", "stages"]
