"""``lior lens``: the commands, each imported when it runs."""

from __future__ import annotations

import click

from lior_cli import LazyGroup

COMMANDS = {
    "correct": ("lior_lens.cli.correct:correct", "Correct a photograph or a folder of them."),
    "judge": ("lior_lens.cli.correct:judge", "Say what the lines of photographs tell of their lens."),
    "points": ("lior_lens.cli.points:points", "Map points between photograph and corrected picture."),
    "lens": ("lior_lens.cli.points:lens", "Show a lens, or write it for OpenCV or lensfun."),
    "train": ("lior_lens.cli.train:train", "Train the network."),
    "resume": ("lior_lens.cli.train:resume", "Go on with a run that was stopped."),
    "train-lines": ("lior_lens.cli.train:train_lines", "Train which edges are to be trusted."),
    "eval": ("lior_lens.cli.evaluate:evaluate", "Judge lines and network beside their controls."),
    "score": ("lior_lens.cli.evaluate:score", "Score corrected pictures against wanted ones."),
    "data": ("lior_lens.cli.data:data", "Write pictures with known lenses."),
    "split": ("lior_lens.cli.data:split", "Make a table of pairs, each shoot for training or validation."),
    "audit": ("lior_lens.cli.data:audit", "Examine a folder of photographs."),
    "package": ("lior_lens.cli.data:package", "Make a small folder of a run's network, or a zip of results."),
    "info": ("lior_lens.cli.data:info", "Describe a run or a package; without one the shipped network."),
    "demo": ("lior_lens.cli.demo:demo", "Train briefly, bend a picture, correct it, show both."),
    "config": ("lior_lens.cli.train:config", "Show what a configuration resolves to."),
}
"""Name -> (``module:attribute``, help)."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
def lens() -> None:
    """Straight lines from photographs of bent ones: measure, predict and correct lens distortion."""
