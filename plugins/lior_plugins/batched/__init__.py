"""The counting engine of memory ``sdm`` in windows of tokens, as torch operations: for a CUDA GPU."""
