"""Processes and threads that change one folder, index and run at once: what was acknowledged is there."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from unittest.mock import patch

import lior
import lior_ask
from lior.errors import RunError
from lior_bench.attack.making import notes, question, text, trained

_PROCESSES, _THREADS = 3, 2
_PATIENCE = 120.0
"""Seconds after which waiting for other processes counts as a fault."""


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Do 60 edits of the sample, 2,000 otherwise, or ``count``; yield what went wrong.

    Of 20 edits, one is of the run, which is saved each time; 13 are of files, 6 of texts in the index.
    """
    count = -(-(count or (60 if sample else 2000)) // (_PROCESSES * _THREADS))
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        texts = notes(home / "notes")
        trained(home / "run", home / "notes")
        with (
            patch.dict(os.environ, {"XDG_CACHE_HOME": str(home / "cache"), "LIOR_EMBEDDER": ""}),
            ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool,
        ):
            done = [pool.submit(_process, home, seed, number, count) for number in range(_PROCESSES)]
            files, given, learned = dict(texts), dict[str, str](), dict[str, str]()
            for each in done:
                for faults, *held in each.result():
                    yield from (f"seed {seed}: {fault}" for fault in faults)
                    for whole, part in zip((files, given, learned), held, strict=True):
                        whole |= part
            yield from (f"seed {seed}: in the end: {fault}" for fault in _end(home, files, given, learned))


_Outcome = tuple[list[str], dict[str, str], dict[str, str], dict[str, str]]


def _process(home: Path, seed: int, number: int, count: int) -> list[_Outcome]:
    warnings.simplefilter("ignore")
    index = lior_ask.Index(home / "notes", retriever="settle")
    with ThreadPoolExecutor(_THREADS) as pool:
        names = [f"p{number}t{thread}" for thread in range(_THREADS)]
        return [*pool.map(lambda name: _thread(home, index, Random(f"{seed} {name}"), name, count), names)]


def _thread(home: Path, index: lior_ask.Index, random: Random, name: str, count: int) -> _Outcome:
    """Edit documents that have this name in theirs; what went wrong, and what has to be there in the end."""
    outcome: _Outcome = ([], {}, {}, {})
    faults, files, given, learned = outcome
    for number in range(count):
        each, content = f"{name}n{random.randrange(6)}", text(f"{name}n{number}", random.randrange(9))
        try:
            kind = random.choices(("file", "text", "run"), (13, 6, 1))[0]
            if kind == "file":
                _edit_file(home / "notes", f"{each}.md", content, files, random)
            elif kind == "text":
                _edit_text(index, f"{each}.txt", content, given, random)
            else:
                _edit_run(home / "run", f"{each}.txt", content, learned, random)
            if number % 10 == 0 and given:
                _ask(index, *random.choice([*given.items()]), faults)
        except Exception:
            faults.append(f"{name}, edit {number}: {traceback.format_exc()}")
    return outcome


def _edit_file(folder: Path, name: str, content: str, files: dict[str, str], random: Random) -> None:
    if name in files and random.random() < 0.4:
        (folder / name).unlink()
        del files[name]
    else:
        (folder / name).write_text(content)
        files[name] = content


def _edit_text(index: lior_ask.Index, name: str, content: str, given: dict[str, str], random: Random) -> None:
    if name in given and random.random() < 0.4:
        index.forget(name)
        del given[name]
    else:
        index.learn(name, content)
        given[name] = content


def _edit_run(path: Path, name: str, content: str, learned: dict[str, str], random: Random) -> None:
    """Learn or forget, again until no other process is faster."""
    began = time.monotonic()
    while True:
        opened = lior.load(path)
        if name in learned:
            opened.forget(name)
        else:
            opened.learn({name: content})
        try:
            opened.save()
            break
        except RunError as error:
            if "another process" not in str(error) or time.monotonic() - began > _PATIENCE:
                raise
        time.sleep(random.random() / 50)  # time for the others
    if name in learned:
        del learned[name]
    else:
        learned[name] = content


def _ask(index: lior_ask.Index, name: str, content: str, faults: list[str]) -> None:
    index.update()
    topic = content.split()[4]
    said = index.ask(question(topic)).answer
    if said is None or topic not in said.text or said.text.strip() != content.strip():
        faults.append(f"{name} has {content!r}, and the answer is {said and said.text!r}")


def _end(home: Path, files: dict[str, str], given: dict[str, str], learned: dict[str, str]) -> Iterator[str]:
    index, anew = lior_ask.Index(home / "notes"), lior_ask.Index(home / "notes", cache=False)
    held = {name: "".join(p.text for p in index.of_document(name)).strip() for name in index.documents}
    right = {name: content.strip() for name, content in (files | given).items()}
    if held != right:
        yield f"the index has {held.items() - right.items()} and lacks {right.items() - held.items()}"
    if {*anew.documents} != {*files}:
        yield f"files are {sorted(files)}, and a new index has {anew.documents}"
    opened = lior.load(home / "run")
    names = {each.name for each in opened.documents() if each.added}
    if names != {*learned} or any(b"".join(opened.text(n)).decode() != t for n, t in learned.items()):
        yield f"the run has {sorted(names)}, and not {sorted(learned)}"
    opened.sync(home / "notes")
    names = {each.name for each in lior.load(home / "run").documents()}
    if names != {*files, *learned}:
        yield f"after a sync the run has {sorted(names)}, and not {sorted({*files, *learned})}"
