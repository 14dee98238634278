"""Recipes and their peers on the same texts: the package behind ``lior bench``.

:mod:`~lior.bench.texts` writes the texts to files, :mod:`~lior.bench.systems` has
the systems and their commands, :mod:`~lior.bench.children` runs a command in a
process of its own, :mod:`~lior.bench.results` keeps the numbers,
:mod:`~lior.bench.report` and :mod:`~lior.bench.picture` show them, and
:mod:`~lior.bench.runner` is the loop. :mod:`~lior.bench.peers` and ``texts`` run in
child processes. :mod:`~lior.bench.retrieval` compares retrievers, with the measures
of :mod:`~lior.bench.judged`. The modules that start children import neither torch nor numpy,
because the peak memory of a child includes that of its parent at the start.
"""

__all__ = [
    "children",
    "judged",
    "peers",
    "picture",
    "report",
    "results",
    "retrieval",
    "runner",
    "systems",
    "texts",
]
