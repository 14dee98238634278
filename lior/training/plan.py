"""Which stages a configuration means, in their order."""

from __future__ import annotations

from lior.config import build
from lior.training.fit_mixer import FitMixer
from lior.training.learn_geometry import LearnGeometry
from lior.training.read_text import Study, Write
from lior.training.stage import Job, Stage


def plan(job: Job) -> list[Stage]:
    """The stages of ``job``: the metric, the text, the mixer on the tail, and the tail as part of the text.

    Adaptive memories read the text ``fit.passes`` times, the last time without the tail, which they
    read when the mixer has been fitted on it.
    """
    model, parts, config = job.model, job.parts, job.config
    passes = config.fit.passes if model.adaptive else 0
    stages: list[Stage] = []
    if model.geometry:
        stages.append(LearnGeometry(job, model.geometry, build("updater", config.updater)))
    for number in range(passes):
        end = parts.train if number + 1 < passes else parts.memory
        stages.append(Study(job, 0, end, number, passes))
    stages += [Write(job, 0, parts.memory, passes > 0), FitMixer(job)]
    if passes:
        stages.append(Study(job, parts.memory, parts.train, passes - 1, passes))
    return [*stages, Write(job, parts.memory, parts.train, passes > 0)]
