"""Records: rows of tables, mails, messages and entries of logs, by which questions are calculated exactly.

Columns and their types (:mod:`columns`), days and periods (:mod:`periods`), what is kept with the index
(:mod:`store`), what a question asks for (:mod:`grammar`), of which rows (:mod:`planning`), the calculation in
SQL (:mod:`execution`), and the answer (:mod:`calculating`).
"""
