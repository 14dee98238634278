"""Indexes of folders: read once, kept in the user's cache, and brought up to date by what changed."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from platformdirs import user_cache_path

from lior.ask import answering, meaning, storage
from lior.ask.answering import Answer
from lior.ask.collection import Collection
from lior.ask.cutting import cut
from lior.errors import DataError, UsageError, did_you_mean, sentences
from lior.interfaces import Judging, ParsedDocument, Passage, Preparing, Ranking, Retriever
from lior.reading.files import File, read_if_changed
from lior.reading.finding import Source, find_files
from lior.reading.parsing import document_names, parse_bytes
from lior.reading.skipping import SkippedFile, SkipReason, no_text_message

RETRIEVER, WITHOUT = "dense", "settle"
"""Names of the retriever where none is given, with and without vectors of words."""
VERSION = 3
"""Of cutting and of the entries of a kept index; one of another version is made anew."""
LONGEST_QUESTION = 10_000
"""Characters of a question; a longer one is refused."""


_Confirmed = dict[str, dict[str, list[str]]]
"""Document -> SHA-256 of a passage's text -> the questions that it was confirmed to answer, sorted."""


@attrs.frozen(kw_only=True)
class Update:
    """What :meth:`Index.update` changed, as names of files."""

    learned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.learned or self.changed or self.forgotten)


class Index:
    """Answers questions about the text in folders and files.

    Opening it reads what is new or changed since the last time and forgets what is gone. A file counts as
    unchanged when its size and time stamp are; after a new time stamp its SHA-256 decides.

    Parameters
    ----------
    paths
        Folders, files and glob patterns. None: an index in memory for :meth:`learn`.
    retriever
        Name of a plugin of the kind "retriever", or ``package.module:Class``. None: "dense" where the
        vectors of the extra ``lior[vectors]`` are installed, otherwise "settle".
    cache
        Whether it is kept in the user's cache. A damaged one is made anew, with a note in :attr:`notes`.
    tick
        Called with the number of files looked at and of all files.

    Raises
    ------
    DataError
        When a path does not exist, or there is no text at all.

    Examples
    --------
    >>> notes = Index()
    >>> notes.learn("garden.md", "# Tomatoes\\nWater the tomatoes in the morning. Cut the roses in March.")
    >>> notes.ask("When are the tomatoes watered?").answer.text
    'Water the tomatoes in the morning.'
    """

    def __init__(
        self,
        *paths: str | Path,
        retriever: str | None = None,
        cache: bool = True,
        tick: Callable[[int, int], object] | None = None,
    ) -> None:
        self.paths = tuple(sorted({str(Path(path).expanduser().absolute()) for path in paths}))
        self.retriever = retriever or default_retriever()
        self.notes: list[str] = []
        """What a user should know of how the text was read and kept, one line each."""
        self.skipped: list[SkippedFile] = []
        """Files that were not read, with the reason."""
        self._place = cache_file(self.paths) if cache and self.paths else None
        self._tick = tick or (lambda done, files: None)
        self.collection = Collection.empty()
        """The counts of all passages."""
        self._shelf: dict[str, bytes] = {}
        """Document -> its passages."""
        self._confirmed: _Confirmed = {}
        self._files: dict[str, File] = {}
        self._sources: dict[str, Source] = {}
        self._fresh = True
        """Whether the cache lacks what the retriever computes once for its collection."""
        kept = self._load()
        self.opened = self.update(save=not kept) if self.paths else Update()
        """What opening it changed."""
        if self.paths and not len(self.collection):
            raise DataError(no_text_message(self.paths, self.skipped))

    # --- content ---

    @property
    def documents(self) -> list[str]:
        """Names of the documents, ascending."""
        return self.collection.documents

    @property
    def files(self) -> int:
        """Number of files and of texts given in Python that have documents."""
        return sum(bool(file.documents) for file in self._files.values())

    def __len__(self) -> int:
        """Number of passages."""
        return len(self.collection)

    def passage(self, row: int) -> Passage:
        """The passage at a row of the collection."""
        starts = self.collection.table.document_starts
        place = bisect_right(starts, row) - 1
        document = self.documents[place]
        return storage.unpacked(self._shelf[document], row - int(starts[place]), document)

    def path(self, document: str) -> Path | None:
        """The file of a document; ``None`` for texts given in Python."""
        names = (name for name, file in self._files.items() if document in file.documents)
        source = self._sources.get(next(names, document))
        return source.path if source else None

    # --- changes ---

    def update(self, *, save: bool = False) -> Update:
        """Learn what is new or changed in the folders, and forget what is gone.

        ``save`` writes the cache even if nothing has changed.
        """
        sources, self.skipped = find_files(self.paths)
        self._sources = {source.name: source for source in sources}
        learned, changed, touched = list[str](), list[str](), False
        gone = [name for name, file in self._files.items() if name not in self._sources and not file.given]
        for name in gone:
            self._drop(name)
        for number, source in enumerate(sources, 1):
            known = self._files.get(source.name)
            file = read_if_changed(source, known, partial(parse_bytes, name=source.path.name))
            self._tick(number, len(sources))
            if file is None or file == known:
                continue
            touched = True
            if known and file.sha256 and file.sha256 == known.sha256:
                self._files[source.name] = file
                continue
            self._take(file, self._drop(source.name))
            if file.documents or (known and known.documents):
                (changed if known else learned).append(source.name)
        for name, file in self._files.items():
            if file.skipped:
                self.skipped.append(file.skipped)
            self.notes += [f"{name}: {note}" for note in file.notes if f"{name}: {note}" not in self.notes]
        if save or touched or gone:
            self.save()
        return Update(learned=tuple(learned), changed=tuple(changed), forgotten=tuple(gone))

    def learn(self, name: str, text: str) -> None:
        """Add a text as a document, or replace the one of this name, whose ending tells its kind.

        Raises ``DataError`` when the text is empty; ``UsageError`` when ``name`` is that of a file of the
        folders.
        """
        if name in self._sources:
            raise UsageError(f"{name} is a file of this index; change the file, or give another name")
        data = text.encode("utf-8", "surrogatepass")
        self.hold(name, parse_bytes(data, name))
        self.save()

    def hold(self, name: str, content: Sequence[ParsedDocument], skipped: SkippedFile | None = None) -> None:
        """Have a document of this content, or list why there is none; the cache is not written."""
        file = File(name, 0, given=True, content=content)
        if skipped:
            file.reason, file.detail = skipped.reason, skipped.detail
        self._take(file, self._drop(name))
        if file.skipped:
            self.skipped.append(file.skipped)

    def forget(self, name: str) -> None:
        """Take out a text given to :meth:`learn`; nothing of it stays in the cache.

        Raises ``UsageError`` when there is no such document, or it is a file, which would be learned again.
        """
        if name in self._sources and name in self._files:
            raise UsageError(f"{name} is a file of this index; remove the file, and it is forgotten")
        if name not in self._files:
            hint = did_you_mean(name, self._files)
            raise UsageError(sentences(f"no document {name!r} in this index.", hint))
        self._drop(name)
        self.skipped = [each for each in self.skipped if each.name != name]
        self.save()

    def confirm(self, question: str, passage: Passage) -> bool:
        """Count that ``passage`` answers ``question``, or no longer if it does already; whether it does now.

        0.3 of the question's content words then count as words of the passage. It lasts as long as the
        document has this text, and is kept in the cache with the index.

        Raises ``UsageError`` when the passage is not of this index, or the question names nothing.
        """
        document, text = passage.document, _digest(passage)
        rows = self.collection.rows(document)
        passages = [self.passage(row) for row in rows]
        if text not in map(_digest, passages):
            raise UsageError(f"{document} has no such passage; ask again")
        question = " ".join(checked(question).lower().split())
        if not _content(question):
            raise UsageError(f"the question {question[:60]!r} has only words that name nothing; reword it")
        before = self._confirmed.pop(document, {})
        now = {*before.get(text, [])} ^ {question}
        self.collection.remove(document)
        self._count(document, passages, {**before, text: sorted(now)})
        self._fresh = True
        self.save()
        return question in now

    def _count(self, document: str, passages: Sequence[Passage], confirmed: dict[str, list[str]]) -> None:
        """Count the passages of a document, and the questions ``confirmed`` of those it still has."""
        places = {_digest(p): place for place, p in reversed([*enumerate(passages)])} if confirmed else {}
        kept = {text: confirmed[text] for text in sorted(confirmed) if text in places and confirmed[text]}
        if kept:
            self._confirmed[document] = kept
        self.collection.add(
            document,
            [(p.text, p.context) for p in passages],
            [p.group for p in passages],
            {places[text]: [w for q in asked for w in _content(q)] for text, asked in kept.items()},
        )

    def _take(self, file: File, confirmed: _Confirmed) -> None:
        """Cut and count the readings of a file."""
        taken, notes = list[str](), list[str]()
        names = document_names(file.name, [reading.name for reading in file.content], self.collection)
        for document, reading in zip(names, file.content, strict=True):
            passages = cut(reading, document, file.name)
            notes += reading.notes
            if passages:
                self._count(document, passages, confirmed.get(document, {}))
                self._shelf[document] = storage.packed(passages)
                taken.append(document)
        file.documents, file.notes, file.content = tuple(sorted(taken)), tuple(notes), ()
        if not taken and not file.reason:
            file.reason = SkipReason.NO_TEXT
        self._files[file.name] = file
        self._fresh = True

    def _drop(self, name: str) -> _Confirmed:
        """Take out a file; what was confirmed of it."""
        file = self._files.pop(name, None)
        confirmed: _Confirmed = {}
        for document in file.documents if file else ():
            self.collection.remove(document)
            del self._shelf[document]
            confirmed[document] = self._confirmed.pop(document, {})
        self._fresh = True
        return confirmed

    # --- questions ---

    def rank(self, question: str, top: int) -> Ranking:
        """Rows of the collection for a question, best first."""
        return self._retriever.rank(self.collection, checked(question), top)

    def rank_documents(self, question: str, top: int) -> list[tuple[str, float]]:
        """Documents, each judged as a whole, and their scores, best first; for collections with judgments."""
        whole = self.collection.by_document()
        ranking = self._retriever.rank(whole, checked(question), top)
        names = whole.documents
        return [(names[row], float(s)) for row, s in zip(ranking.passages, ranking.scores, strict=True)]

    def ask(self, question: str, top: int = 3) -> Answer:
        """Find the passages that answer a question, and decide whether any does.

        Parameters
        ----------
        question
            In words of any language; at most 10,000 characters.
        top
            Most passages in the answer.

        Raises
        ------
        UsageError
            When the question has no word to look for, or is too long.
        """
        if top < 1:
            raise UsageError(f"top is {top}; a whole number of at least 1 is allowed")
        ranking = self.rank(question, 4 * top + 10)
        judge = self._retriever.confidence if isinstance(self._retriever, Judging) else None
        found = answering.answer(question, ranking, self.collection, self.passage, top, judge)
        if self._fresh and self._place:
            self._fresh = False
            self.save()
        return found

    @cached_property
    def _retriever(self) -> Retriever:
        from lior.plugins.registry import registry

        return registry.get("retriever", self.retriever)()

    # --- the cache ---

    def state(self, *, prepared: bool = False) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All of it as arrays and as entries ready for JSON. Equal content gives equal arrays.

        ``prepared`` adds what the retriever and the decision compute once for this content.
        """
        shelf = [self._shelf[name] for name in self.documents]
        arrays = {f"counts.{name}": array for name, array in self.collection.arrays().items()}
        arrays["shelf.sizes"] = np.array([len(each) for each in shelf], np.int64)
        arrays["shelf.data"] = np.frombuffer(b"".join(shelf), np.uint8)
        if prepared and not isinstance(self._retriever, Judging):
            arrays["prepared.answering"] = answering.calibrated(self.collection)
        if prepared and isinstance(self._retriever, Preparing):
            found = self._retriever.arrays(self.collection)
            arrays |= {f"retriever.{name}": array for name, array in found.items()}
        hidden = attrs.filters.exclude("name", "content")
        files = {name: attrs.asdict(self._files[name], filter=hidden) for name in sorted(self._files)}
        confirmed = {name: self._confirmed[name] for name in sorted(self._confirmed)}
        return arrays, {"version": VERSION, "paths": self.paths, "files": files, "confirmed": confirmed}

    def restore(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Become the index whose :meth:`state` this is.

        Raises ``DataError`` when it is of another version or does not fit together.
        """
        if meta.get("version") != VERSION:
            raise DataError("made by another version of lior")
        try:
            parts: dict[str, dict[str, np.ndarray]] = {"retriever": {}, "prepared": {}}
            for name, array in arrays.items():
                kind, _, field = name.partition(".")
                parts.setdefault(kind, {})[field] = array
            collection = Collection.from_arrays(parts["counts"])
            files = {name: File(name, **entry) for name, entry in meta["files"].items()}
            data, ends = parts["shelf"]["data"].tobytes(), np.cumsum(parts["shelf"]["sizes"]).tolist()
            shelf = {
                name: data[a:b] for name, a, b in zip(collection.documents, [0, *ends], ends, strict=False)
            }
            confirmed: _Confirmed = meta["confirmed"]
            if not sorted(n for f in files.values() for n in f.documents) == collection.documents == [*shelf]:
                raise ValueError("its parts do not fit together")
            kept = isinstance(self._retriever, Judging) or "answering" in parts["prepared"]
            if "answering" in parts["prepared"]:
                answering.restore(collection, parts["prepared"]["answering"])
            if isinstance(self._retriever, Preparing):
                prepared = parts["retriever"]
                kept = kept and bool(prepared) and self._retriever.restore(collection, prepared)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"damaged ({error})") from error
        self.collection, self._shelf, self._files, self._confirmed = collection, shelf, files, confirmed
        self._fresh = not kept
        self.skipped = [file.skipped for file in files.values() if file.skipped]

    def save(self) -> None:
        """Write the cache, if the index has one; where it cannot be written there is a note instead."""
        if self._place is None:
            return
        try:
            storage.save(self._place, *self.state(prepared=not self._fresh))
        except FileNotFoundError:  # another process has begun to write it
            return
        except OSError as error:
            note = f"{self._place}: cannot be kept for the next time ({error.strerror or error})"
            self.notes += [note] * (note not in self.notes)

    def _load(self) -> bool:
        """Whether there is an index in the cache that could be used."""
        try:
            if self._place and self._place.exists():
                self.restore(*storage.load(self._place))
                return True
        except (OSError, DataError) as error:
            self.notes.append(f"the kept index is not used, and made anew: {error}")
        return False


def checked(question: str) -> str:
    """``question`` if it can be looked for."""
    if len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"the question has {len(question):,} characters and at most {LONGEST_QUESTION:,} are allowed; "
            "shorten it, or index that text and ask about it"
        )
    if not answering.subjects(question):
        raise UsageError(
            f"the question {question[:60]!r} has no word to look for (words such as 'what' and 'is' are in "
            "every text); name what it is about"
        )
    return question


def _digest(passage: Passage) -> str:
    return hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).hexdigest()


def _content(question: str) -> list[str]:
    """The words of a question that name something."""
    return [word for word in answering.subjects(question) if word not in answering.LIGHT]


def default_retriever() -> str:
    """The retriever where none is given."""
    return RETRIEVER if meaning.installed() else WITHOUT


def folder() -> Path:
    """Where indexes are kept: in the user's cache."""
    return user_cache_path("lior", appauthor=False) / "ask"


def cache_file(paths: Sequence[str]) -> Path:
    """The file of the index of ``paths``, sorted and absolute."""
    name = hashlib.sha256("\0".join(paths).encode("utf-8", "surrogateescape")).hexdigest()
    return folder() / f"{name[:24]}.index"
