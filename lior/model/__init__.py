"""The language model: it predicts, samples, scores and explains.

:mod:`~lior.model.language_model` connects the plugins, :mod:`~lior.model.space` places contexts in the
geometry, :mod:`~lior.model.mixer` weighs the memories' evidence, with first weights from
:mod:`~lior.model.weighting`, and :mod:`~lior.model.online` learns while reading. Seven modules build on
them. :mod:`~lior.model.following` reads a text that grows, and :mod:`~lior.model.generation` draws one,
with :mod:`~lior.model.detokenizer` (tokens to text). :mod:`~lior.model.evaluation` measures the cost of a
text, :mod:`~lior.model.baseline` its references, and :mod:`~lior.model.scoring` the cost of each byte.
:mod:`~lior.model.provenance` finds the stored places behind a prediction. :mod:`~lior.model.validation`
checks a model from a file.
"""

from lior.exports import exports

__all__, __getattr__, __dir__ = exports(__name__)
