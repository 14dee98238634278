"""Damage in each kind of stored file: unchanged answers, a rebuilt index, or one clear line."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import attrs
import numpy as np

from lior.errors import LiorError
from lior_bench.attack.making import PLACES, notes, question, train
from lior_bench.attack.mutations import damage


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Damage 100 files for the sample, 500 otherwise, or ``count``, each in a copy; yield the faults."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in KINDS:
            if only in kind.name and find_spec(kind.package):
                (home := Path(place, kind.name)).mkdir()
                random, each = Random(f"{kind.name} {seed}"), (count or 500 - 400 * sample) // len(KINDS)
                yield from attack(kind, home, random, each)


@attrs.frozen
class Kind:
    """A kind of stored files."""

    name: str
    package: str
    """The distribution package that stores it."""
    make: Callable[[Path], object]
    """A function that makes the files below ``stored`` in a folder."""
    ask: Callable[[Path], Any]
    """A function that returns all answers; it raises ``LiorError`` if a file is damaged."""


def attack(kind: Kind, home: Path, random: Random, count: int) -> Iterator[str]:
    """Damage one file after the other of those made in ``home``; yield the faults."""
    stored, whole = home / "stored", home / "whole"
    with patch.dict(os.environ, {"LIOR_EMBEDDER": ""}):
        if not stored.exists():
            kind.make(home)
        right = kind.ask(home)
        shutil.copytree(stored, whole)
        for _ in range(count):
            shutil.rmtree(stored)
            shutil.copytree(whole, stored)
            files = sorted(path for path in stored.rglob("*") if path.is_file() and path.stat().st_size)
            sizes = [path.stat().st_size for path in files]
            # Every second file is chosen by size, so that small ones are damaged, too.
            path = random.choices(files, random.choice((sizes, None)))[0]
            told, data = damage(path.read_bytes(), random)
            path.write_bytes(data)
            for fault in _faults(kind, home, right):
                yield f"{kind.name}, {path.relative_to(stored)}, {told}: {fault}"


def _faults(kind: Kind, home: Path, right: Any) -> Iterator[str]:
    try:
        found = kind.ask(home)
    except LiorError as error:
        if "\n" in str(error):
            yield f"more than a line: {error}"
    except Exception:
        yield traceback.format_exc()
    else:
        if found != right:
            yield f"{found}, and not {right}"


# --- kinds ---


def _said(asked: Any) -> list[tuple[str, float]]:
    answers = [asked.ask(question(place)) for place in PLACES]
    return [(each.answer.text if each.answer else "", each.confidence) for each in answers]


def _ask_index(home: Path) -> Any:
    from lior_ask import Index

    with patch.dict(os.environ, {"XDG_CACHE_HOME": str(home / "stored")}):
        index = Index(home / "notes")
    try:
        return index.documents, _said(index)
    finally:
        index.content.database.close()


def _make_run(home: Path) -> None:
    notes(home / "notes")
    train(home / "stored", home / "notes")


def _ask_run(home: Path) -> Any:
    from lior import load

    opened = load(home / "stored")
    return {each.name: opened.text(each.name) for each in opened.documents()}, _said(opened)


def _make_table(home: Path) -> None:
    from lior_tables import GeometricRegressor

    rows = np.random.RandomState(0).randn(40, 2)
    GeometricRegressor(members=1, rounds=1, random_state=0).fit(rows, rows[:, 0]).save(home / "stored")


def _ask_table(home: Path) -> Any:
    from lior_tables import load

    return np.stack(load(home / "stored").predict_interval(np.linspace(-1, 1, 8).reshape(4, 2))).tolist()


def _make_archive(home: Path) -> None:
    from lior_archive.building import build

    notes(home / "notes")
    build([str(home / "notes")], home / "stored")


def _ask_archive(home: Path) -> Any:
    from lior_archive import shards

    opened = shards.open_archive(home / "stored")
    names = [each.names for each in shards.documents(home / "stored", opened)]
    return names, [array.tobytes() for shard in opened for array in shard]


def _make_lens(home: Path) -> None:
    from lior_lens.runs import SHIPPED

    shutil.copytree(SHIPPED, home / "stored")


def _ask_lens(home: Path) -> Any:
    from lior_lens.runs import LensModel

    model = LensModel.open(home / "stored")
    return model.config, {name: each.numpy().tobytes() for name, each in model.network.state_dict().items()}


KINDS = (
    Kind("index", "lior_ask", lambda home: notes(home / "notes"), _ask_index),
    Kind("run", "lior_ask", _make_run, _ask_run),
    Kind("table", "lior_tables", _make_table, _ask_table),
    Kind("archive", "lior_archive", _make_archive, _ask_archive),
    Kind("lens", "lior_lens", _make_lens, _ask_lens),
)
