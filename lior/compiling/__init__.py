"""Compiled code: how it is made and kept, and the loops that every language model needs.

compiled    compilation of the functions that Python calls, kept on disk
cache       the folder of compiled functions
repetition  how often a text repeats a unit, and the tokens that would exceed it
warmup      calls every compiled function of this package once, in the process that compiles
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
