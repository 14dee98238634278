"""Flipped bits in the files of an index and of a run: the same answers, a new index, or one clear line."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import lior
import lior_ask
from lior.errors import LiorError
from lior_bench.attack.making import PLACES, notes, question, train


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Flip 40 bits of the sample, 300 otherwise, or ``count``, each in a copy; yield what went wrong."""
    random = Random(f"flips {seed}")
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        home = Path(place)
        notes(home / "notes")
        train(home / "run", home / "notes")
        with patch.dict(os.environ, {"XDG_CACHE_HOME": str(home / "cache"), "LIOR_EMBEDDER": ""}):
            for what, asked in (("cache", _index), ("run", _run)):
                right = asked(home)
                shutil.copytree(home / what, home / "whole")
                for number in range((count or (40 if sample else 300)) // 2):
                    shutil.rmtree(home / what)
                    shutil.copytree(home / "whole", home / what)
                    flipped = _flip(home / what, random)
                    for fault in _faults(asked, home, right):
                        yield f"seed {seed}, {what} {number}: {flipped}: {fault}"
                shutil.rmtree(home / "whole")


def _flip(folder: Path, random: Random) -> str:
    """Flip a bit of a file below the folder, a larger one more often; where it is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = random.choices(files, [path.stat().st_size for path in files])[0]
    data, at = bytearray(path.read_bytes()), random.randrange(path.stat().st_size)
    bit = 1 << random.randrange(8)
    data[at] ^= bit
    path.write_bytes(data)
    return f"{path.relative_to(folder)}, byte {at} ^ {bit}"


def _faults(asked: Callable[[Path], Any], home: Path, right: Any) -> Iterator[str]:
    try:
        found = asked(home)
    except LiorError as error:
        if "\n" in str(error):
            yield f"more than a line: {error}"
    except Exception:
        yield traceback.format_exc()
    else:
        if found != right:
            yield f"{found}, and not {right}"


def _index(home: Path) -> Any:
    index = lior_ask.Index(home / "notes")
    return index.documents, [_said(index, place) for place in PLACES]


def _run(home: Path) -> Any:
    opened = lior.load(home / "run")
    held = {each.name: opened.text(each.name) for each in opened.documents()}
    return held, [_said(opened, place) for place in PLACES]


def _said(asked: Any, place: str) -> str:
    answer = asked.ask(question(place))
    return answer.answer.text if answer.answer else ""
