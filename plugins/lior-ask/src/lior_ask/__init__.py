"""Find and quote the passage of one's own documents that answers a question.

>>> from lior_ask import Index
>>> index = Index("~/notes")  # doctest: +SKIP
>>> index.ask("When does the certificate expire?").answer.text  # doctest: +SKIP

:mod:`~lior_ask.api` connects the parts. Each imports only from those before it: :mod:`~lior_ask.languages`
knows words; the :mod:`~lior_ask.index` keeps passages, counts, tables and vectors, and
:mod:`~lior_ask.chunking` makes passages for it; :mod:`~lior_ask.question` says what is asked, a retriever
ranks passages with :mod:`~lior_ask.ranking`, :mod:`~lior_ask.judging` says which one answers, and
:mod:`~lior_ask.answer` quotes it;
:mod:`~lior_ask.tables` calculates over rows; :mod:`~lior_ask.conversation` understands follow-ups. Nothing
here imports torch, but ``conversation.run_chat``.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
