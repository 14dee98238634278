"""The counting engine of memory ``sdm`` as torch operations on windows of tokens, for CUDA GPUs.

``engine``
    The memory: write, read and fit a text (used as :class:`lior.counting.engine.Engine`).
``table``
    All counters on one device.
``history``
    The content of the counters at every position of a block.
``lookup``
    The counters that the positions of a block read.
``inputs``
    The part of the mixture's inputs that depends on the text alone.
``window``
    One window: predict its tokens, then learn from them.
``graphs``
    Windows one after the other; on a GPU as replays of a captured CUDA graph.
"""

__all__ = ["engine", "graphs", "history", "inputs", "lookup", "table", "window"]
