"""Measuring recipes beside their peers: what ``lior bench`` does.

:mod:`~lior.bench.texts` lays the texts out, :mod:`~lior.bench.systems` says
what is measured and how, :mod:`~lior.bench.children` runs one system in a
process of its own, :mod:`~lior.bench.results` keeps the numbers,
:mod:`~lior.bench.orderings` checks them, :mod:`~lior.bench.report` shows them and
:mod:`~lior.bench.runner` is the loop over all of it. :mod:`~lior.bench.peers`
and ``texts`` run in child processes; the others import neither torch nor numpy,
because a child's peak memory counts from that of its parent.
"""
