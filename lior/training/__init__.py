"""From a configuration and documents to a model.

:mod:`~lior.training.preparation` builds everything that a run needs. Its parts are in
:mod:`~lior.training.stages`, with :mod:`~lior.training.batches` for the metric, and in
:mod:`~lior.training.reading` for the memories. :mod:`~lior.training.loop` runs them and scores the model.
:mod:`~lior.training.control` measures the gain from the geometry.
"""

__all__ = ["batches", "loop", "preparation", "reading", "stages"]
