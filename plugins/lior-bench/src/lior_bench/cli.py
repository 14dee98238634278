"""``lior bench``: recipes and baselines on the same bytes, and one command for each other measurement."""

from __future__ import annotations

import click

from lior.errors import PARTS, MissingPackage, install_hint
from lior_cli import LazyGroup

COMMANDS = {
    "all": ("lior_bench.rerun:run_all", "Run every measurement of the results pages again."),
    "text": (
        "lior_bench.text:compare_text",
        "Compare recipes with other compressors and language models (the default).",
    ),
    "retrieval": ("lior_bench.retrieval:compare_engines", "Compare retrievers with other search engines."),
    "judged": ("lior_bench.relevance:rank_judged", "Measure retrievers on Cranfield and CACM."),
    "questions": ("lior_bench.answers:ask_sets", "Ask sets of questions of our own."),
    "talk": ("lior_bench.talks:talk", "Ask for exact answers, and hold a conversation."),
    "strangers": ("lior_bench.talks:strangers", "Ask for exact answers on folders of strangers."),
    "overviews": ("lior_bench.overviews:overviews", "Ask for overviews of invented folders."),
    "confidence": ("lior_bench.answers:compare_confidence", "Compare stated confidence with truth."),
    "judge": ("lior_bench.judging:judge", "Learn the judge of `lior ask`, and measure it."),
    "queries": ("lior_bench.queries.command:queries", "Ask for calculations over tables, or learn to."),
    "encoder": ("lior_bench.encoder:learn", "Learn the encoder of `lior ask`."),
    "pieces": ("lior_bench.pieces:write", "Choose the word pieces of `lior ask`."),
    "bags": ("lior_bench.bags:learn", "Learn the bags of word pieces of `lior ask`."),
    "parts": (
        "lior_bench.costs:compare_parts",
        "Measure the effect of each frame, source, product, updater and memory.",
    ),
    "pace": ("lior_bench.costs:measure_pace", "Measure speed, bits and memory of the language model."),
    "later": ("lior_bench.costs:measure_later", "Measure a later question to a folder."),
    "sizes": ("lior_bench.sizes:measure_sizes", "Measure what reading a file costs by its size."),
    "texts": ("lior_bench.texts:write_texts", "Write four texts that are not prose."),
    "tables": ("lior_bench.tabular:tables", "Compare lior-tables with other programs."),
    "serving": ("lior_bench.serving:main", "Put load on a server."),
    "sharing": ("lior_bench.sharing:main", "Put load on servers of one index in PostgreSQL."),
    "attack": ("lior_bench.attack.command:main", "Attack lior, and print what should not have happened."),
}
"""The location and help of each command."""
_PARTS = {
    "serving": "serving",
    "sharing": "serving",
    "attack": "serving",
    "tables": "tables",
    "pieces": "encoder",
    "encoder": "encoder",
}
"""The part that a command needs."""


class Commands(LazyGroup):
    """A group of the commands; other arguments are texts or options of ``text``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default command before arguments that do not begin with a command."""
        if not args or args[0] not in (*COMMANDS, "--help", "-h"):
            args = ["text", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; report what to install if the part that it needs is missing."""
        part = _PARTS.get(cmd_name)
        if part and (missing := PARTS[part].missing):
            needed = " and ".join(missing).replace("_", "-")
            raise MissingPackage(f"lior bench {cmd_name} needs {needed}: {install_hint(part)}")
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, lazy=COMMANDS)
def bench() -> None:
    """Compare lior with other systems, and measure it.

    `lior bench notes.txt` is `lior bench text notes.txt`.
    """
