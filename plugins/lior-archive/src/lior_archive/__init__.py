"""Texts of any size, sorted on the disk: suffix arrays, and the memory ``suffix`` that reads them.

suffixes    suffix arrays of texts, and the step from a context to the next
infinigram  distributions from suffix arrays
origins     the places behind these distributions
shards      suffix arrays on the disk
building    an archive from files and addresses, shard by shard, by several workers
memory      the memory ``suffix``
cli         ``lior archive``
warmup      calls every compiled function once, in the process that compiles
"""

from lior_archive.building import Summary, build
from lior_archive.memory import Suffix

__all__ = ["Suffix", "Summary", "build"]
