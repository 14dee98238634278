"""Files and bytes to documents: what is found, decoded, unpacked and parsed, and what is left out and why.

:mod:`~lior.reading.files` finds files and chooses the reader of each, :mod:`~lior.reading.decoding` gives the
text of bytes in any encoding, and :mod:`~lior.reading.texts` reads the documents that a model learns. Nothing
here imports torch or numpy.
"""

__all__ = ["decoding", "documents", "files", "texts"]
