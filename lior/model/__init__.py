"""The language model: it predicts, samples, scores, compresses and explains.

:mod:`~lior.model.language_model` connects the plugins, :mod:`~lior.model.mixer` weighs their evidence and
:mod:`~lior.model.online` learns while reading. These modules build on them: :mod:`~lior.model.generation`,
:mod:`~lior.model.detokenizer` (tokens to text), :mod:`~lior.model.evaluation` (cost of a text),
:mod:`~lior.model.baseline` (its references), :mod:`~lior.model.scoring` (cost of each byte),
:mod:`~lior.model.provenance` (stored places behind a prediction) and :mod:`~lior.model.compression`.
:mod:`~lior.model.validation` checks a model from a file.
"""

__all__ = [
    "baseline",
    "compression",
    "detokenizer",
    "evaluation",
    "generation",
    "language_model",
    "mixer",
    "online",
    "provenance",
    "scoring",
    "validation",
]
