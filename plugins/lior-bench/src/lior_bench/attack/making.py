"""Common material of attacks: notes, questions to them, and a run of minimum size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLACES = "amber", "birch", "cedar", "dune", "ember"
PEOPLE = ("Abel", "Bert", "Carl", "Dora", "Emil", "Fred", "Gert", "Hans", "Ivan", "Jens", "Karl", "Lena")


def text(name: str, version: int) -> str:
    """Return a version of a document's text; all versions have the same size."""
    return f"The keeper of the {name.partition('.')[0]} lantern is {PEOPLE[version % len(PEOPLE)]}.\n"


def question(name: str) -> str:
    """Return the question that a text of the document answers."""
    return f"Who is the keeper of the {name.partition('.')[0]} lantern?"


def notes(folder: Path, names: Sequence[str] = PLACES) -> dict[str, str]:
    """Write a note for each name; return the texts by file name."""
    folder.mkdir()
    texts = {f"{name}.md": text(name, number) for number, name in enumerate(names)}
    for name, content in texts.items():
        (folder / name).write_text(content)
    return texts


def train(out: Path, folder: Path) -> Path:
    """Train a run on the notes in a folder, which need at least 64 bytes, and return its path."""
    import torch

    import lior

    torch.set_num_threads(1)  # threads do not survive a fork
    fast: dict[str, Any] = {"geometry": {"updates": 0}, "mixer": {"positions": 64}, "fit": {"passes": 0}}
    run = lior.train(folder, out=out, memory="match", data={"holdout": 0}, **fast)
    run.learn({"more": "compiled before a fork"})
    return out
