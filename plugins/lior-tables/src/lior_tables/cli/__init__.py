"""``lior table``: the commands, each imported when it runs."""

from __future__ import annotations

import click

from lior_cli import LazyGroup

COMMANDS = {
    "fit": ("lior_tables.cli.fit:fit", "Learn to predict a column of a file."),
    "predict": ("lior_tables.cli.predict:predict", "Predict the rows of a file."),
    "why": ("lior_tables.cli.why:why", "Show the training rows behind a prediction."),
    "learn": ("lior_tables.cli.edit:learn", "Add rows to a model at once."),
    "forget": ("lior_tables.cli.edit:forget", "Take rows out of a model, exactly."),
    "compare": ("lior_tables.cli.compare:compare", "Compare with other methods on your file."),
    "plot": ("lior_tables.cli.plot:plot", "Draw pictures of a model."),
}
"""Command -> (``module:attribute``, help)."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def table() -> None:
    """Predict columns of tables, with intervals and reasons; rows are learned and forgotten exactly."""
