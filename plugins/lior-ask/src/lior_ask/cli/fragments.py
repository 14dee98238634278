"""``llm -f lior:FOLDER QUESTION``: the passages of a folder that answer a question, as fragments of llm.

This is a plugin of https://llm.datasette.io, which finds it by its entry point.
"""

from __future__ import annotations

from typing import Any

import click
import pluggy

hookimpl = pluggy.HookimplMarker("llm")
_TOP = 5


@hookimpl
def register_fragment_loaders(register: Any) -> None:
    """Offer the prefix ``lior:``."""
    register("lior", fragments)


def fragments(folder: str) -> list[Any]:
    """Return the best passages of ``folder`` for the prompt of the command, each with its file and line.

    Raises ``ValueError``, which llm shows, when there is no prompt.
    """
    from llm import Fragment

    from lior_ask import Index

    context = click.get_current_context(silent=True)
    question = context.params.get("prompt") if context else None
    if not question:
        raise ValueError("the question is missing; llm -f lior:FOLDER 'QUESTION'")
    found = Index(folder).ask(question, _TOP)
    passages = [passage for passage, _ in found.passages] if found.found else []
    if found.result:
        return [Fragment(f"{found.said}\n{found.result.arithmetic}", f"lior:{folder}")]
    if not passages:
        return [Fragment(f"{folder} has nothing about: {question}", f"lior:{folder}")]
    places = [f"{passage.document}:{passage.line}" for passage in passages]
    return [
        Fragment(f"{place}\n{passage.context}\n{passage.text}", f"lior:{folder} {place}")
        for place, passage in zip(places, passages, strict=True)
    ]
