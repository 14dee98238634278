"""Records: rows of tables, mails, messages and entries of logs, by which questions are calculated exactly.

What a question asks for (``grammar``, ``lexicon``, ``periods``), of which rows and columns (``planning``,
``plan``, ``tables``, ``kinds``), the calculation in SQL (``execution``), the answer (``calculating``); what
is kept of documents with the index (``store``), and the types of columns (``columns``).
"""

__all__ = ["calculating", "grammar", "periods"]
