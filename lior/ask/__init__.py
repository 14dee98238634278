"""Find and quote the passage that answers a question.

:mod:`~lior.ask.index` connects the parts: :mod:`~lior.ask.chunking` makes passages of parsed documents, the
:mod:`~lior.ask.passages` store keeps them, and the :mod:`~lior.ask.inverted` index counts their
:mod:`~lior.ask.words`; :mod:`~lior.ask.writing` changes its tables in a :mod:`~lior.ask.database`. A question
goes through :mod:`~lior.ask.querying` with :mod:`~lior.ask.spelling` correction; a retriever ranks passages
with :mod:`~lior.ask.ranking` and :mod:`~lior.ask.meaning`; :mod:`~lior.ask.answering` decides, by what the
question makes :mod:`~lior.ask.expecting`. :mod:`~lior.ask.dialogue` understands follow-ups, and
:mod:`~lior.ask.endpoint` has a model word an answer. :mod:`~lior.ask.arrays` has what is short.
"""

__all__ = [
    "answering",
    "arrays",
    "chunking",
    "database",
    "dates",
    "dialogue",
    "endpoint",
    "expecting",
    "index",
    "inverted",
    "meaning",
    "passages",
    "querying",
    "ranking",
    "spelling",
    "words",
    "writing",
]
