"""Cost of a kept index by the size of the text, beside SQLite FTS5, tantivy and bm25s.

    python -m lior_bench.indexing [--passages 200000] [--one-document] [--retriever settle] [--system lior]

Writes sentences of drawn words (Zipf's law, with numbers that occur once) into a folder of JSON Lines files:
documents of 40 sentences, or one document. Each stage is a process of its own, and times are those of its
processor: `build` makes the index, `first` opens it and asks a question, imports not counted (three times,
the median), `ask` asks 30 questions, `note` adds 20 notes, each kept on the disk before the next. lior reads
and cuts the files itself; the others are given the sentences.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from lior.process import peak_bytes

SYSTEMS = ("lior", "SQLite FTS5", "tantivy", "bm25s")
WORDS, TOGETHER, FILES = 17, 40, 500
"""Words of a sentence, sentences of a document, documents of a file."""
NOTE = (
    "The ladder number {} is in the shed behind the house.\n\nIt was bought in May, with a saw and a drill.\n"
)


def sentences(count: int) -> list[str]:
    """Drawn sentences: about 0.3 of the words are stop words, one in 50 is a number of its own."""
    draw = np.random.default_rng(0)
    letters = np.array([*"aeiou", *"bcdfghklmnprstvz"])
    stop = ["the", "of", "and", "to", "in", "is", "that", "for", "it", "with"]
    made: list[str] = []
    vocabulary: dict[str, None] = {}
    while len(vocabulary) < 400_000:
        sizes = draw.integers(2, 5, 100_000)
        pairs = zip(
            letters[draw.integers(5, 21, sizes.sum())], letters[draw.integers(0, 5, sizes.sum())], strict=True
        )
        syllables = ["".join(pair) for pair in pairs]
        at = 0
        for size in sizes:
            vocabulary["".join(syllables[at : at + size])] = None
            at += size
    words = [*vocabulary]
    for first in range(0, count, 10_000):
        rows = min(10_000, count - first)
        ranks = (
            np.minimum(draw.zipf(1.35, (rows, WORDS)) + draw.integers(0, 30, (rows, WORDS)), len(words)) - 1
        )
        kinds = draw.random((rows, WORDS))
        for row in range(rows):
            picked = [
                stop[rank % 10]
                if kind < 0.3
                else str(first * WORDS + row * WORDS + n)
                if kind > 0.98
                else words[rank]
                for n, (rank, kind) in enumerate(zip(ranks[row].tolist(), kinds[row].tolist(), strict=True))
            ]
            made.append(" ".join(picked).capitalize() + ".")
    return made


def prepare(folder: Path, count: int, *, one: bool) -> None:
    """Write the texts, the sentences and 30 questions of four words of a sentence."""
    texts, draw = sentences(count), np.random.default_rng(1)
    (folder / "texts").mkdir()
    if one:
        body = "\n\n".join(" ".join(texts[n : n + 5]) for n in range(0, count, 5))
        (folder / "texts" / "one.md").write_text(body)
    else:
        for file, first in enumerate(range(0, count, TOGETHER * FILES)):
            lines = []
            for begin in range(first, min(first + TOGETHER * FILES, count), TOGETHER):
                parts = texts[begin : begin + TOGETHER]
                text = "\n\n".join(" ".join(parts[n : n + 5]) for n in range(0, len(parts), 5))
                lines.append(json.dumps({"_id": f"d{begin}", "title": f"Report {begin}", "text": text}))
            (folder / "texts" / f"part{file:03}.jsonl").write_text("\n".join(lines))
    (folder / "sentences.json").write_text(json.dumps(texts))
    chosen = (texts[row].rstrip(".").lower().split() for row in draw.integers(0, count, 30))
    asked = [" ".join([w for w in words if len(w) > 3][:4]) for words in chosen]
    (folder / "questions.json").write_text(json.dumps(asked))


def timed(work: Callable[..., object], *arguments: Any) -> float:
    """Seconds that ``work`` takes."""
    begin = time.process_time()
    work(*arguments)
    return time.process_time() - begin


# --- systems: a function that asks, and one that adds a note and keeps it ---


def _lior(folder: Path, retriever: str) -> tuple[Callable[[str], object], Callable[[str], object]]:
    import lior_ask

    index = lior_ask.Index(folder / "texts", retriever=retriever)

    def add(text: str) -> None:
        (folder / "texts" / f"note{time.time_ns()}.md").write_text(text)
        index.update()

    return index.ask, add


def _fts5(folder: Path, _: str) -> tuple[Callable[[str], object], Callable[[str], object]]:
    import sqlite3

    table = sqlite3.connect(folder / "index of SQLite FTS5" / "fts5")
    table.execute("PRAGMA journal_mode=WAL")
    table.execute("PRAGMA synchronous=NORMAL")
    if not table.execute("SELECT 1 FROM sqlite_master").fetchone():
        table.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize='porter unicode61')")
        texts = json.loads((folder / "sentences.json").read_text())
        table.executemany("INSERT INTO passages VALUES (?)", ((text,) for text in texts))
        table.commit()

    def ask(question: str) -> object:
        query = " OR ".join(f'"{word}"' for word in question.split())
        found = "SELECT text FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT 10"
        return table.execute(found, (query,)).fetchall()

    def add(text: str) -> None:
        table.executemany("INSERT INTO passages VALUES (?)", ((part,) for part in text.split("\n\n")))
        table.commit()

    return ask, add


def _tantivy(folder: Path, _: str) -> tuple[Callable[[str], object], Callable[[str], object]]:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", stored=True, tokenizer_name="en_stem")
    place = folder / "index of tantivy" / "tantivy"
    new = not place.exists()
    place.mkdir(exist_ok=True)
    index = tantivy.Index(builder.build(), path=str(place))
    writer = None

    def add(*texts: str) -> None:
        nonlocal writer
        writer = writer or index.writer(64_000_000, 1)
        for text in texts:
            writer.add_document(tantivy.Document(text=text))
        writer.commit()
        index.reload()

    def ask(question: str) -> object:
        searcher = index.searcher()
        hits = searcher.search(index.parse_query(question, ["text"]), 10).hits
        return [searcher.doc(address)["text"] for _, address in hits]

    if new:
        add(*json.loads((folder / "sentences.json").read_text()))
    return ask, add


def _bm25s(folder: Path, _: str) -> tuple[Callable[[str], object], Callable[[str], object]]:
    import bm25s
    import snowballstemmer

    stems, place = snowballstemmer.stemmer("english").stemWords, folder / "index of bm25s" / "bm25s"

    def tokenized(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stems, show_progress=False)

    def add(*texts: str) -> Any:
        new = bm25s.BM25(k1=1.5, b=0.75)
        new.index(
            tokenized([*json.loads((folder / "sentences.json").read_text()), *texts]), show_progress=False
        )
        new.save(str(place), show_progress=False)
        return new

    index = bm25s.BM25.load(str(place)) if place.exists() else add()
    return lambda question: index.retrieve(tokenized([question]), k=10, show_progress=False), add


_OPENED = {"lior": _lior, "SQLite FTS5": _fts5, "tantivy": _tantivy, "bm25s": _bm25s}


def stage(name: str, system: str, folder: Path, retriever: str) -> dict[str, float]:
    """Seconds of a stage, and MB of memory at its height."""
    questions = json.loads((folder / "questions.json").read_text())
    import_module({"lior": "lior_ask.api", "SQLite FTS5": "sqlite3"}.get(system, system))
    begin = time.process_time()
    ask, add = _OPENED[system](folder, retriever)
    found = {"opened": time.process_time() - begin}
    if name != "build":
        ask(questions[0])
        found["first"] = time.process_time() - begin
    if name == "ask":
        times = [timed(ask, question) for question in questions]
        found |= {"median": statistics.median(times), "worst": max(times)}
        found["topic"], found["topic again"] = (timed(ask, " ".join(questions[n : n + 3])) for n in (0, 3))
        found["misspelt"], found["misspelt again"] = (timed(ask, f"{questions[n][:-1]}qx") for n in (0, 3))
    if name == "note":
        count, begin = 1 if system == "bm25s" else 20, time.perf_counter()
        times = [timed(add, NOTE.format(number)) for number in range(count)]
        found |= {"median": statistics.median(times), "worst": max(times)}
        found |= {"wall": (time.perf_counter() - begin) / count, "then": timed(ask, questions[1])}
    return found | {"MB": peak_bytes() / 2**20}


def measured(system: str, folder: Path, retriever: str) -> None:
    """Run the stages of a system and print its row."""
    place = folder / f"index of {system}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()

    def child(name: str) -> dict[str, float]:
        command = [sys.executable, "-m", "lior_bench.indexing", "--stage", name, str(folder)]
        command += ["--system", system, "--retriever", retriever]
        environment = os.environ | {"XDG_CACHE_HOME": str(place)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return dict(json.loads(done.stdout))

    build = child("build")
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    firsts = [child("first") for _ in range(4)][1:]  # the first question of all is calibrated
    first, memory = (statistics.median(each[key] for each in firsts) for key in ("first", "MB"))
    asked, note = child("ask"), child("note")
    for path in (folder / "texts").glob("note*.md"):
        path.unlink()
    shown = {
        "build s": f"{build['opened']:.1f}", "build MB": f"{build['MB']:.0f}", "size MB": f"{size / 1e6:.0f}",
        "first s": f"{first:.3f}", "first MB": f"{memory:.0f}",
        **{f"{key} ms": f"{1e3 * asked[key]:.1f}" for key in asked if key not in ("opened", "first", "MB")},
        "note ms": f"{1e3 * note['median']:.1f}", "worst note ms": f"{1e3 * note['worst']:.1f}",
        "note by the clock ms": f"{1e3 * note['wall']:.1f}",
        "then ms": f"{1e3 * note['then']:.1f}",
    }  # fmt: skip
    print(f"{system}: " + ", ".join(f"{key} {value}" for key, value in shown.items()), flush=True)


@click.command(help=__doc__)
@click.option("--passages", default=200_000, show_default=True)
@click.option("--one-document", is_flag=True, help="One document instead of many.")
@click.option("--retriever", default="settle", show_default=True)
@click.option("--system", "systems", multiple=True, type=click.Choice(SYSTEMS), default=SYSTEMS)
@click.option("--stage", "name", hidden=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder of the texts, which are used again.")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def main(
    passages: int, one_document: bool, retriever: str, systems: tuple[str, ...], name: str | None,
    keep: Path | None, folder: Path | None,
) -> None:  # fmt: skip
    if name and folder:
        print(json.dumps(stage(name, systems[0], folder, retriever)))
        return
    with tempfile.TemporaryDirectory() as made:
        place = keep or Path(made)
        if not (place / "questions.json").exists():
            place.mkdir(parents=True, exist_ok=True)
            prepare(place, passages, one=one_document)
        for system in systems:
            measured(system, place, retriever)


if __name__ == "__main__":
    main()
