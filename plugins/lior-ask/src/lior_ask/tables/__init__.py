"""Records: rows of tables, mails, messages and entries of logs, by which questions are calculated exactly.

What a question asks for (``grammar``, ``lexicon``, ``periods``), what its words name in a table
(``linking``), of which rows and columns (``planning``, ``plan``, ``rows``, ``kinds``, ``accounts``), the
calculation in SQL (``execution``), that of groups (``groups``), the answer (``calculating``), and what a
person wrote (``reported``).
"""

__all__ = ["calculating", "grammar", "lexicon", "periods", "reported"]
