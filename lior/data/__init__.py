"""Documents to tokens.

:mod:`~lior.data.corpus` stores documents as one tensor of tokens, :mod:`~lior.data.split` chooses the
held-out text, and :mod:`~lior.data.noise` adds errors to documents.
"""

__all__ = ["corpus", "noise", "split"]
