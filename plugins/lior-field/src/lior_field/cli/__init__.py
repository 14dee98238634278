"""``lior field``: the commands, each imported when it runs."""

from __future__ import annotations

import click

from lior_cli import LazyGroup

COMMANDS = {
    "action": ("lior_field.cli.action:action", "Show where the path of a text bends, beside its surprise."),
    "spectrum": (
        "lior_field.cli.spectrum:spectrum",
        "Measure the rank of a run's tables, and the cost of fewer ranks.",
    ),
    "laws": ("lior_field.cli.laws:laws", "Check the dynamics against their laws, and draw them."),
}
"""Command -> (``module:attribute``, help)."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def field() -> None:
    """Field dynamics: actions of texts, spectra of runs, and the laws."""
