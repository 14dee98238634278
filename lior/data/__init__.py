"""Documents to tokens.

:mod:`~lior.data.corpus` lays documents out as one tensor of tokens, :mod:`~lior.data.split` chooses what is
held out, and :mod:`~lior.data.noise` puts errors into them.
"""

__all__ = ["corpus", "noise", "split"]
