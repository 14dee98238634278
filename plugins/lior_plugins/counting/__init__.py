"""The counting memory: hard locations with token counters, and the mixture that predicts from them.

Public modules, in the order of the data:

fields      context fields of each position: word so far, column, token above, …
addresses   address patterns (Jaeckel's selected coordinates) and their hashed addresses
locations   the store: a hash table of locations with 12-byte counters; packing and pruning it
packed      a store in canonical order, as checkpoints hold it
layout      records of arrays: options, weights, buffers
mixture     the formulas: experts, gates, state tables, secondary estimation, and their gradients
batch_counting the counts of a part of a text, and of parts merged
totals      the counts of a text by its parts, on the CPU or on another device
stream      reading, learning and counting a block of text window by window
cursor      a position in a text that moves forward and updates its fields and addresses
engine      the memory as the plugin ``sdm`` uses it: write, read, partial_fit
tracing     attribution of a probability to the stored tokens behind it
journal     all text written to a memory, in order
matching    the longest matches of a context, for the plugin ``match``
warmup      calls every compiled function once, in the process that compiles
kernels     fast float32 exp, log and prefetching for the compiled functions
"""
