"""The duration of a training, estimated from a short one on a sample of the text.

The sample is read with the settings of the run, on this machine and under its present load. The time of
stages that read text is proportional to its size; the time of the updates of the metric is constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from lior.config import TrainConfig, without_instances
from lior.reading.documents import RawDocument
from lior.training.preparation import train

SAMPLE, _PART = 16_384, 25
"""Maximum size of the sample in bytes, and the divisor of the text's size that gives that of a smaller one.

An estimate so takes less than a tenth of the training, with the first training and the updates.
"""

_PIECE, _WARM = 2048, 1024
"""Bytes of a sample piece, and of the text for a first training, which loads the code."""

_UPDATES = 4
"""Number of updates of the metric that are timed."""


def estimate(config: TrainConfig, documents: Sequence[RawDocument]) -> float:
    """Estimate the seconds of training on ``documents`` with ``config``.

    The trainings on the sample leave no traces.

    Raises
    ------
    LiorError
        As :func:`~lior.training.preparation.train`.
    """
    data = attrs.evolve(config.data, valid="", after_validation="learn")
    config = attrs.evolve(without_instances(config), data=data)
    config = attrs.evolve(config, geometry=attrs.evolve(config.geometry, patience=0))
    size = sum(len(document.data) for document in documents)
    given = sample(documents, min(SAMPLE, max(size // _PART, _PIECE)))
    updates = config.geometry.updates
    config = attrs.evolve(config, geometry=attrs.evolve(config.geometry, updates=min(updates, _UPDATES)))
    train(config, documents=sample(documents, _WARM))  # waits until the recipe's code is compiled
    summary = train(config, documents=given).summary
    assert summary is not None
    spent: Mapping[str, float] = summary["seconds"]
    read = sum(len(document.data) for document in given)
    found = sum(spent[stage] for stage in ("memory", "folds", "mixer", "validate")) * size / read
    found += spent["geometry"] * max(updates / _UPDATES, 1)
    return min(found, config.time_limit or found)


def sample(documents: Sequence[RawDocument], size: int) -> list[RawDocument]:
    """Return about ``size`` bytes in pieces at equal distances, or all of a smaller text."""
    total = sum(len(document.data) for document in documents)
    if total <= size:
        return list(documents)
    pieces: list[RawDocument] = []
    length, count = min(_PIECE, size), max(size // _PIECE, 1)
    places, before = [total * i // count for i in range(count)], 0
    for name, data, _ in documents:
        for place in places:
            if 0 <= place - before < len(data):
                begin = min(place - before, max(len(data) - length, 0))
                pieces.append(RawDocument(name, data[begin : begin + length]))
        before += len(data)
    return pieces
