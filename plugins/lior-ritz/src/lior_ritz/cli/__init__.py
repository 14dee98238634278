"""``lior ritz``: the commands, each imported when it runs."""

from __future__ import annotations

import gc
import os

import click

from lior_cli import LazyGroup

COMMANDS = {
    "run": ("lior_ritz.cli.run:run", "Solve a problem; without arguments the default double dot."),
    "resume": ("lior_ritz.cli.run:resume", "Go on with a run that was stopped."),
    "eval": ("lior_ritz.cli.evaluate:evaluate", "Evaluate a run anew, on nodes as fine as you like."),
    "reference": ("lior_ritz.cli.reference:reference", "Solve a problem by classical methods."),
    "compare": ("lior_ritz.cli.compare:compare", "Set runs and the reference side by side."),
    "sweep": ("lior_ritz.cli.sweep:sweep", "Solve for a range of a device parameter."),
    "ci": ("lior_ritz.cli.ci:ci", "Put electrons into a run's states: of two the exchange J."),
    "stability": ("lior_ritz.cli.stability:stability", "Draw which charges two gates hold."),
    "plot": ("lior_ritz.cli.plot:plot", "Draw the pictures of a run."),
    "init": ("lior_ritz.cli.config:init", "Write a configuration to begin with."),
    "config": ("lior_ritz.cli.config:config", "Show or explain configurations."),
}
"""Name -> (``module:attribute``, help)."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
def ritz() -> None:
    """Solve the quantum mechanics of an electron in a dot, with a network and a reference."""
    # Threads that spin between small matrices take ten times as long on a busy machine, and threads that
    # sleep twice as long (docs/decisions/ritz.md#network). Libraries read this when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.set_threshold(100_000, 20, 20)  # imports make objects that stay: a tenth of the start is spent on them
