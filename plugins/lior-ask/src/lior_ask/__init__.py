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

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lior_ask.answer.selection import Answer
    from lior_ask.api import Index
    from lior_ask.question.filters import Filters

_EXPORTS = {
    "Answer": "lior_ask.answer.selection",
    "Filters": "lior_ask.question.filters",
    "Index": "lior_ask.api",
}
"""Public name -> its module, imported on first use: a command line answers at once."""

__all__ = ["Answer", "Filters", "Index"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'lior_ask' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value
