"""Find and quote the passage that answers a question.

:mod:`~lior.ask.index` connects the parts: :mod:`~lior.ask.chunking` makes passages of parsed documents
with the cutters of :mod:`~lior.ask.cutting`, and :mod:`~lior.ask.blocks` of those that belong together; the
:mod:`~lior.ask.passages` store keeps them, and the :mod:`~lior.ask.inverted` index counts their
:mod:`~lior.ask.words`; :mod:`~lior.ask.writing` changes its tables in a :mod:`~lior.ask.database`. A question
goes through :mod:`~lior.ask.querying` with :mod:`~lior.ask.spelling` correction; a retriever ranks passages
with :mod:`~lior.ask.ranking`, :mod:`~lior.ask.word_vectors` and the vectors of :mod:`~lior.ask.embedding`;
:mod:`~lior.ask.answering` decides, by what the question makes :mod:`~lior.ask.expecting`.
:mod:`~lior.ask.surroundings` has the lines around a passage, :mod:`~lior.ask.dialogue` understands
follow-ups, and :mod:`~lior.ask.endpoint` has a model word an answer. :mod:`~lior.ask.arrays` has what is
short, and :mod:`~lior.ask.kept` lists the indexes in the user's cache.
"""

__all__ = [
    "answering",
    "arrays",
    "blocks",
    "chunking",
    "cutting",
    "database",
    "dates",
    "dialogue",
    "embedding",
    "endpoint",
    "expecting",
    "idle",
    "index",
    "inverted",
    "kept",
    "passages",
    "querying",
    "ranking",
    "spelling",
    "surroundings",
    "word_vectors",
    "words",
    "writing",
]
