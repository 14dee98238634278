"""Find and quote the passage that answers a question.

:mod:`~lior.ask.cutting` makes passages, :mod:`~lior.ask.collection` counts
their :mod:`~lior.ask.words`, :mod:`~lior.ask.ranking` has what retrievers share, and
:mod:`~lior.ask.answering` decides. :mod:`~lior.ask.index` connects them and is kept by
:mod:`~lior.ask.storage`. :mod:`~lior.ask.dialogue` understands follow-ups, and :mod:`~lior.ask.endpoint`
has a model word an answer. The records and interfaces are in :mod:`~lior.interfaces`.
"""

__all__ = [
    "answering",
    "collection",
    "cutting",
    "dialogue",
    "endpoint",
    "index",
    "ranking",
    "storage",
    "words",
]
