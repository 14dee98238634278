"""Benchmarks of lior: ``lior bench``, one command with a subcommand for each measurement.

Comparisons share :mod:`~lior_bench.results` (a run for each set, system and seed, kept as lines of JSON),
:mod:`~lior_bench.children` (a process for each measurement), :mod:`~lior_bench.runner` (the loop) and
:mod:`~lior_bench.report`. Modules that start children import neither torch nor numpy, because the peak memory
of a child includes its parent's memory at the start.

``lior bench FILE`` compares recipes with other compressors and language models: :mod:`~lior_bench.text`,
:mod:`~lior_bench.systems`, :mod:`~lior_bench.baselines`, :mod:`~lior_bench.transformer`,
:mod:`~lior_bench.datasets` and :mod:`~lior_bench.picture`.

The other measurements: :mod:`~lior_bench.answers` to the question :mod:`~lior_bench.sets`,
:mod:`~lior_bench.retrieval` and judged :mod:`~lior_bench.relevance`, :mod:`~lior_bench.costs` of the language
model, :mod:`~lior_bench.sizes` of files, :mod:`~lior_bench.serving` and :mod:`~lior_bench.sharing`, and
:mod:`~lior_bench.attack`.
"""
