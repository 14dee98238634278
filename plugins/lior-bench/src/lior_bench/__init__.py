"""Benchmarks of lior: ``lior bench``, and scripts that measure one thing each.

``lior bench`` compares recipes with other compressors and language models, or
retrievers with other search engines, on the same texts: :mod:`~lior_bench.cli`,
:mod:`~lior_bench.runner` (the loop), :mod:`~lior_bench.systems`,
:mod:`~lior_bench.baselines`, :mod:`~lior_bench.transformer`,
:mod:`~lior_bench.datasets`, :mod:`~lior_bench.children` (a process for each
measurement), :mod:`~lior_bench.results`, :mod:`~lior_bench.report`,
:mod:`~lior_bench.picture`, :mod:`~lior_bench.retrieval` and
:mod:`~lior_bench.relevance`. What starts children imports neither torch nor
numpy, because the peak memory of a child includes that of its parent at the start.

Scripts, ``python -m lior_bench.NAME``: answers (:mod:`~lior_bench.questions`,
:mod:`~lior_bench.encoders`, :mod:`~lior_bench.trial`, :mod:`~lior_bench.confirming`,
:mod:`~lior_bench.conversing`, :mod:`~lior_bench.quality`),
models (:mod:`~lior_bench.ablation`, :mod:`~lior_bench.budget`,
:mod:`~lior_bench.repetition`, :mod:`~lior_bench.scaling`, :mod:`~lior_bench.texts`),
and endurance (:mod:`~lior_bench.longrun`, :mod:`~lior_bench.serving`,
:mod:`~lior_bench.soak`).
"""
