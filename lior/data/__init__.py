"""Bytes to tokens.

:mod:`~lior.reading.documents` finds and reads texts, :mod:`~lior.data.corpus` lays them out as one tensor of
tokens, :mod:`~lior.data.split` chooses what is held out, and :mod:`~lior.data.noise` puts errors into them.
"""

__all__ = ["corpus", "documents", "noise", "split"]
