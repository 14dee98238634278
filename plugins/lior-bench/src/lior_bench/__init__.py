"""Benchmarks of lior: ``lior bench``, one command with a subcommand for each measurement.

``lior bench FILE`` compares recipes with other compressors and language models: :mod:`~lior_bench.cli`,
:mod:`~lior_bench.runner` (the loop), :mod:`~lior_bench.systems`, :mod:`~lior_bench.baselines`,
:mod:`~lior_bench.transformer`, :mod:`~lior_bench.datasets`, :mod:`~lior_bench.children` (a process for each
measurement), :mod:`~lior_bench.results`, :mod:`~lior_bench.report` and :mod:`~lior_bench.picture`. Modules
that start children import neither torch nor numpy, because the peak memory of a child includes its parent's
memory at the start.

The other measurements: :mod:`~lior_bench.answers` to the question :mod:`~lior_bench.sets`,
:mod:`~lior_bench.retrieval` and judged :mod:`~lior_bench.relevance`, :mod:`~lior_bench.costs` of the language
model, :mod:`~lior_bench.sizes` of files, :mod:`~lior_bench.serving` and :mod:`~lior_bench.sharing`, and
:mod:`~lior_bench.attack`.
"""
