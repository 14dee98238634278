"""Retrievers and other search engines on the same passages, and retrievers on judged collections.

Each stage is a process of its own: :func:`prepare` writes the passages and questions of a text to a folder.
For a system, :func:`index` writes its index there, :func:`open_and_ask` opens it and answers one question,
and :func:`ask` answers many and learns a passage.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from lior import registry
from lior.errors import DataError
from lior_bench import children
from lior_bench.children import Unavailable, Unmeasured
from lior_bench.report import echo_report, machine
from lior_bench.results import Results, Row
from lior_bench.runner import Numbers, Runner, System

COLUMNS = {
    "index s": ("index_seconds", 1.0),
    "MB/s": ("bytes_per_second", 1e-6),
    "MB": ("index_bytes", 1e-6),
    "cold s": ("cold_seconds", 1.0),
    "warm ms": ("warm_seconds", 1e3),
    "learn ms": ("learn_seconds", 1e3),
    "peak MiB": ("peak_rss_bytes", 2**-20),
    "nDCG@10": ("ndcg10", 1.0),
    "MAP": ("map", 1.0),
}
"""The number below each header, with the factor of its unit."""
LEGEND = """\
All index the same passages, which lior cut; lior ask reads and cuts the files itself.
cold: a new process opens the index and answers; warm: median of further questions;
learn: one passage is added and kept (bm25s indexes anew)."""
_QUESTIONS, _COLD, _TOP = 50, 3, 10
_NOTE = "The ladder is in the shed behind the house, and it was bought in May."


# --- systems: made from texts, or opened if texts are None; passages are numbers ---

Ask = Callable[[str, int], list[Any]]
"""A function from a question and a number to at most that many best passages; a judged document is one
passage.
"""
Learn = Callable[..., object]


def _lior(name: str, folder: Path, documents: list[Any] | None) -> tuple[Ask, Learn]:
    """Return a retriever on an inverted index."""
    from lior_ask.index.inverted import InvertedIndex
    from lior_ask.index.sqlite import SQLite
    from lior_ask.question.question import Question
    from lior_bench.relevance import add, vectors_of

    whole, retriever = _read(folder, "judged"), registry.get("retriever", name)()
    index = InvertedIndex(SQLite(folder / f"{name}.counts"))
    store = vectors_of(index)

    def ask(question: str, top: int) -> list[Any]:
        asked = index.by_document() if whole else index
        rows = retriever.rank(asked, Question(question), top).passages.tolist()
        store.table.keep()
        return [int(asked.documents[row]) for row in rows] if whole else rows

    add(index, store, documents or ())
    return ask, lambda text: add(index, store, [("a new note", [(text, "")])])


def _whole(folder: Path, documents: list[Any] | None) -> tuple[Ask, Learn]:
    """Return the whole of ``lior ask``: reading, chunking, calibration, the decision."""
    from lior_ask.api import Index
    from lior_ask.index.sqlite import SQLite

    if documents:
        made = Index(*_read(folder, "paths"), cache=False)
        made.warm_up()
        made.content.copy_to(folder / "index")
    index = Index(database=SQLite(folder / "index"))
    return lambda question, top: list(index.ask(question, top).passages), partial(index.learn, "a new note")


def _bm25s(folder: Path, documents: list[Any] | None) -> tuple[Ask, Learn]:
    """Return bm25s with lior's stems."""
    import bm25s
    import snowballstemmer

    stemmer = snowballstemmer.stemmer("english")

    def tokenized(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer.stemWords, show_progress=False)

    def made(documents: list[Any], *more: str) -> Any:
        new = bm25s.BM25(k1=1.5, b=0.75)
        new.index(tokenized([*_texts(documents), *more]), show_progress=False)
        new.save(str(folder / "bm25s"), show_progress=False)
        return new

    index = made(documents) if documents else bm25s.BM25.load(str(folder / "bm25s"))

    def ask(question: str, top: int) -> list[Any]:
        top = min(top, int(index.scores["num_docs"]))
        rows, scores = index.retrieve(tokenized([question]), k=top, show_progress=False)
        return rows[0][scores[0] > 0].tolist()

    return ask, lambda text: made(_read(folder, "passages"), text)


def _tantivy(folder: Path, documents: list[Any] | None) -> tuple[Ask, Learn]:
    """Return tantivy with its English stems, one thread."""
    import tantivy

    place = folder / "tantivy"
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="en_stem")
    builder.add_integer_field("row", stored=True)
    place.mkdir(exist_ok=True)
    index = tantivy.Index(builder.build(), path=str(place))

    def learn(*texts: str) -> None:
        writer = index.writer(64_000_000, 1)
        for row, text in enumerate(texts):
            writer.add_document(tantivy.Document(text=text, row=row))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()

    def ask(question: str, top: int) -> list[Any]:
        query, searcher = index.parse_query(" ".join(_words(question)), ["text"]), index.searcher()
        return [searcher.doc(address)["row"][0] for _, address in searcher.search(query, top).hits]

    if documents:
        learn(*_texts(documents))
    return ask, learn


def _fts5(folder: Path, documents: list[Any] | None) -> tuple[Ask, Learn]:
    """Return SQLite's full-text search with Porter stems."""
    table = sqlite3.connect(folder / "fts5.db")

    def learn(*texts: str) -> None:
        table.executemany("INSERT INTO passages(text) VALUES (?)", ((text,) for text in texts))
        table.commit()

    def ask(question: str, top: int) -> list[Any]:
        query = " OR ".join(f'"{word}"' for word in _words(question))
        found = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT ?"
        return [row - 1 for (row,) in table.execute(found, (query, top))]

    if documents:
        try:
            table.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize='porter unicode61')")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"this SQLite has no full-text search ({error})") from error
        learn(*_texts(documents))
    return ask, learn


ENGINES = {"bm25s": _bm25s, "tantivy": _tantivy, "SQLite FTS5": _fts5}


def _made(name: str, folder: Path, documents: list[Any] | None = None) -> tuple[Ask, Learn]:
    named = {**ENGINES, "lior ask": _whole}
    return named[name](folder, documents) if name in named else _lior(name[5:], folder, documents)


def _words(question: str) -> list[str]:
    return re.findall(r"\w+", question.lower()) or ["nothing"]


def _texts(documents: list[Any]) -> list[str]:
    """Return the texts that other engines index: passages with their contexts, or whole judged documents."""
    if documents[0][2] is None:
        return [" ".join(text for text, _ in passages) for _, passages, _ in documents]
    return [f"{context} {text}" for _, passages, _ in documents for text, context in passages]


def _read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


# --- stages ---


def prepare(path: str, place: str) -> dict[str, Any]:
    """Write passages and questions of a path, a judged collection (``FOLDER#cran``) or the reference."""
    folder, judged = Path(place), re.search("#(cran|cacm)$", path)
    if judged:
        from lior_bench.relevance import load, sentences

        texts, asked, _ = load(Path(path[: judged.start()]), judged[1])
        cut = (sentences(title, body) for _, title, body in texts)
        documents: list[Any] = [(f"{n:09}", [(s, "") for s in each], None) for n, each in enumerate(cut)]
        paths, size = [], sum(len(s) for _, passages, _ in documents for s, _ in passages)
        questions = list(asked.values())[:_QUESTIONS]
    else:
        paths = [str(Path(path).expanduser().absolute() if path else _reference(folder))]
        documents, size = _indexed(paths)
        questions = _draw(documents)
    kept = {"passages": documents, "questions": questions, "paths": paths, "judged": judged and path}
    for name, value in kept.items():
        (folder / name).write_text(json.dumps(value))
    return {"bytes": size, "passages": sum(len(passages) for _, passages, _ in documents)}


def _indexed(paths: Sequence[str]) -> tuple[list[Any], int]:
    """Return the passages of the documents that lior reads, and the bytes of their files."""
    from lior_ask.api import Index

    index = Index(*paths, cache=False)
    documents = []
    for name in index.documents:
        rows = [index.passage(row) for row in index.inverted.rows(name)]
        documents.append((name, [(p.text, p.context) for p in rows], [p.group for p in rows]))
    files = {index.path(name) for name in index.documents}
    return documents, sum(file.stat().st_size for file in files if file)


def _reference(folder: Path) -> Path:
    """Return a folder with the topics of the reference that comes with Python."""
    from lior.reading import read_embedded

    (folder / "text").mkdir()
    for number, document in enumerate(read_embedded()):
        (folder / "text" / f"{number}.txt").write_bytes(document.data)
    return folder / "text"


def _draw(documents: list[Any]) -> list[str]:
    """Return questions of five words from passages."""
    draw = random.Random(0)
    worded = [words for _, passages, _ in documents for text, _ in passages if len(words := _words(text)) > 7]
    if not worded:
        raise DataError("no passage has eight words; give more text")
    return [" ".join(draw.sample(words, 5)) for words in draw.choices(worded, k=_QUESTIONS)]


def index(name: str, place: str) -> dict[str, Any]:
    """Index the passages by a system; return seconds and bytes."""
    documents, before = _read(folder := Path(place), "passages"), _size(folder)
    seconds = _timed(_made, name, folder, documents)
    return {"index_seconds": seconds, "index_bytes": _size(folder) - before}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _timed(work: Callable[..., object], *arguments: Any) -> float:
    begin = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begin


def open_and_ask(name: str, place: str) -> dict[str, Any]:
    """Open an index and answer the first question."""
    return {"found": len(_made(name, folder := Path(place))[0](_read(folder, "questions")[0], _TOP))}


def ask(name: str, place: str) -> dict[str, Any]:
    """Answer all questions and learn a passage; return seconds, and quality on a judged collection."""
    (ask, learn), questions = _made(name, folder := Path(place)), _read(folder, "questions")
    times = [_timed(ask, question, _TOP) for question in [questions[0], *questions]][1:]
    quality = _quality(ask, _read(folder, "judged"))
    return {"warm_seconds": statistics.median(times), "learn_seconds": _timed(learn, _NOTE)} | quality


def _quality(ask: Ask, judged: str | None) -> dict[str, float]:
    if not judged:
        return {}
    from lior_bench.relevance import DEEPEST, load, mean_metrics

    place, _, collection = judged.rpartition("#")
    documents, questions, gains = load(Path(place), collection)
    rankings = {q: [documents[row][0] for row in ask(text, DEEPEST)] for q, text in questions.items()}
    return dict(zip(("ndcg10", "map"), mean_metrics(rankings, gains).tolist(), strict=False))


# --- the loop, in the process of the command ---


def bench(
    paths: Sequence[str], progress: Callable[[str], None]
) -> Iterator[tuple[dict[str, Any], list[Row]]]:
    """Measure one text after the other; yield ``name``, ``bytes`` and ``passages``, and the rows.

    Parameters
    ----------
    paths
        Folders and files; none: the Python language reference. A folder with judged collections is one text
        for each of them.
    progress
        A function that is called with each line of progress.

    Raises
    ------
    DataError
        When a text cannot be read.
    """
    results = Results()
    for text in [each for path in paths or [""] for each in _judge(path) or [path]]:
        with tempfile.TemporaryDirectory(prefix="lior-bench-") as folder:
            try:
                about = children.call(f"{__name__}:prepare", text, folder).answer
            except Unmeasured as fault:
                raise DataError(f"the text cannot be read: {fault}") from fault
            name = text or "python-language-reference"
            progress(f"{name}: {about['bytes']:,} bytes, {about['passages']:,} passages")
            names = [f"lior {each}" for each in registry.names("retriever")]
            names = ["lior ask"] * (not _read(Path(folder), "judged")) + names + list(ENGINES)
            measured = (System(each, partial(_measure, each, folder, about["bytes"])) for each in names)
            Runner(results=results, columns=COLUMNS, progress=progress).measure(name, measured)
            yield {"name": name, **about}, results.rows(name)


def _judge(path: str) -> list[str]:
    files = [[Path(path) / f"{n}.{suffix}" for suffix in ("all", "qry", "rel")] for n in ("cran", "cacm")]
    return [f"{path}#{each[0].stem}" for each in files if path and all(file.is_file() for file in each)]


def _measure(system: str, folder: str, size: int, seed: int | None) -> Iterator[Numbers]:
    def stage(name: str) -> children.Reply:
        return children.call(f"{__name__}:{name}", system, folder)

    made = stage("index")
    cold = min(_timed(stage, "open_and_ask") for _ in range(_COLD))
    asked = stage("ask")
    peak = max(made.peak_rss_bytes, asked.peak_rss_bytes)
    speed = size / made.answer["index_seconds"]
    costs = {"bytes_per_second": speed, "cold_seconds": cold, "peak_rss_bytes": peak}
    yield made.answer | asked.answer | costs


@click.command()
@click.argument("paths", nargs=-1)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def compare_engines(paths: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Compare retrievers with bm25s, tantivy and SQLite FTS5.

    Each of PATHS is a file or folder to ask: time to index, size, cold start, time of a question, memory. A
    folder with cran.all, cran.qry and cran.rel, or cacm.*, is a judged collection: nDCG@10, MAP.
    """
    texts = []
    for one, rows in bench(paths, lambda line: None if quiet else click.echo(line, err=True)):
        texts.append(one | {"rows": [row.summary([name for name, _ in COLUMNS.values()]) for row in rows]})
        if not as_json:
            click.echo(f"{one['name']}, {one['bytes'] / 1e6:.2f} MB, {one['passages']:,} passages")
            echo_report(rows, COLUMNS)
            click.echo(LEGEND)
    if as_json:
        click.echo(json.dumps({"machine": machine(), "texts": texts}))
