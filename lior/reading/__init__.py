"""Paths and bytes to documents: files are found, decompressed, decoded and parsed, or left out for a reason.

The modules follow the way of a file. :mod:`~lior.reading.finding` lists files and :mod:`~lior.reading.files`
reads those that have changed. :mod:`~lior.reading.compression` decompresses them.
:mod:`~lior.reading.parsing` chooses the reader and calls it. :mod:`~lior.reading.decoding` gives a reader the
text of bytes in any encoding. Most readers run in a process of their own (:mod:`~lior.reading.isolation`),
held to the :mod:`~lior.reading.limits`. :mod:`~lior.reading.documents` returns the documents that a model
learns. A file that is left out gets a :class:`~lior.reading.skipping.SkipReason`. Nothing here imports torch
or numpy.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
