"""Records: rows of tables, mails, messages and entries of logs, by which questions are calculated exactly.

``grammar``, ``lexicon`` and ``periods`` parse a question. ``linking`` links its words to a table.
``planning``, ``plan``, ``rows``, ``kinds`` and ``accounts`` choose rows and columns. ``execution`` and
``groups`` calculate, ``sentences`` puts results into words. ``calculating`` gives the answer, and
``reported`` finds what a person wrote.
"""

__all__ = ["calculating", "grammar", "lexicon", "periods", "reported"]
