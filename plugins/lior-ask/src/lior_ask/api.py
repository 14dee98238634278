"""Indexes of folders: read once, kept in the user's cache, and updated with the files that changed."""

from __future__ import annotations

import contextlib
import copy
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import attrs

from lior.errors import DataError, LiorError, NoFiles, UsageError, did_you_mean, sentences
from lior.interfaces import Block, ParsedDocument, Passage, Ranking, Retriever
from lior.reading import isolation
from lior.reading.files import File, find_changed, read_if_changed
from lior.reading.finding import SourceFile, as_paths, find_files
from lior.reading.limits import TAKES_ALL, account, limits, open_account
from lior.reading.parsing import document_names, parse_bytes
from lior.reading.skipping import SkippedFile, SkipReason, no_text_message
from lior_ask.answer import intents as talk
from lior_ask.answer import selection as answering
from lior_ask.answer.selection import Answer
from lior_ask.chunking.blocks import join, rows_of_block
from lior_ask.chunking.chunker import chunk_file
from lior_ask.index import cache as caching
from lior_ask.index.context_lines import file_texts
from lior_ask.index.database import DamagedIndex, Database
from lior_ask.index.document_store import OriginalStore
from lior_ask.index.embedding import VectorStore, default_embedder, digest
from lior_ask.index.inverted import InvertedIndex
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.sqlite import SQLite
from lior_ask.index.table_store import RecordStore, pack_tables
from lior_ask.index.writing import encode
from lior_ask.judging import FOUND, chosen_judge
from lior_ask.question.filters import Filters, Known, filtered
from lior_ask.question.question import Question, understood
from lior_ask.tables.calculating import calculate
from lior_ask.updates import Changes, FileStore, Update, cuts, skipped_of, with_gaps

T = TypeVar("T")
RETRIEVERS = "meaning", "settle"
"""Names of the default retriever with a sentence encoder and without one."""
_KEPT = 0.35
"""Minimum share of the time of a file that is left to index the text read; chosen by hand."""
_WORDS = f"only words among the first {{:,}} different ones can be found; {TAKES_ALL}"
_Questions = dict[str, dict[str, list[str]]]
"""Document -> SHA-256 of a passage's text -> the questions confirmed as answered by it, sorted."""


class Index:
    """An index that answers questions about the text in folders and files.

    Opening it reads new and changed files and deletes the documents of missing ones. A file is unchanged if
    its size, time stamp and reader are the same; after a new time stamp its SHA-256 decides. Threads
    may use it at once: they wait for each other.

    Parameters
    ----------
    paths
        Folders, files and glob patterns. None: an index in memory for :meth:`learn`.
    retriever
        Name of a plugin of the kind "retriever", or ``package.module:Class``. None: "meaning" where an
        embedder is installed, by the extra ``lior-ask[meaning]``, otherwise "settle".
    embedder
        The embedder for a retriever that compares meanings: the name of a plugin of the kind "embedder",
        ``NAME:MODEL``, or ``package.module:Class``; empty for none. None: the variable ``LIOR_EMBEDDER``, or
        else the sentence encoder that is installed.
    cache
        Whether it is kept in the user's cache. A damaged index is rebuilt, with a note in :attr:`notes`.
    progress
        Called before each file with the number of files done and of all files; at the end both are equal.
    database
        The database instead of the cache: the address of a PostgreSQL that many processes share,
        ``postgresql://user@host/database?schema=NAME``, or an open database. The next question sees changes
        by others. All processes that give paths must give the same.

    Raises
    ------
    DataError
        When a path does not exist, or there is no text at all.
    IndexUnavailable
        When PostgreSQL cannot be reached.

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
        embedder: str | None = None,
        cache: bool = True,
        progress: Callable[[int, int], object] | None = None,
        database: Database | str | None = None,
    ) -> None:
        self.paths = tuple(sorted({str(Path(p).expanduser().absolute()) for p in as_paths("paths", paths)}))
        self.retriever = retriever or default_retriever()
        self.embedder = default_embedder() if embedder is None else embedder
        """The name of the embedder; empty for none."""
        self.notes: list[str] = []
        """Notes for the user on how the text was read and kept, one line each."""
        self._reported = 0
        self.skipped: list[SkippedFile] = []
        """The files that were not read, with the reason."""
        self._progress = progress or (lambda done, files: None)
        self._sources: dict[str, SourceFile] = {}
        self._files: dict[str, File] = {}
        place = caching.cache_file(self.paths) if cache and self.paths else None
        self._use(
            caching.share(database, self.paths) if database else caching.open_database(place, self.notes)
        )
        self.opened = self.update() if self.paths else Update()
        """The changes made when the index was opened."""
        caching.remember(self._database, self.paths)
        if self.paths and not len(self):
            raise (DataError if self.skipped else NoFiles)(no_text_message(self.paths, self.skipped))

    # --- content ---

    @property
    def documents(self) -> list[str]:
        """The names of the documents, ascending."""
        return self._read(lambda: self.inverted.documents)

    @property
    def files(self) -> int:
        """The number of files and of texts given in Python that have documents."""
        return sum(bool(file.documents) for file in self._files.values())

    def __len__(self) -> int:
        """Return the number of passages."""
        return self._read(lambda: len(self.inverted))

    def passage(self, row: int) -> Passage:
        """Return the passage at a row of the inverted index."""
        return self.passages(range(row, row + 1))[0]

    def passages(self, rows: range) -> list[Passage]:
        """Return the passages at adjacent rows of a document in the inverted index."""
        return self.inverted.passages(rows)

    def block(self, row: int) -> Block:
        """Return the block of the passage at a row of the inverted index."""
        rows = rows_of_block(self.inverted, row)
        return join(self.passages(rows), row - rows.start)

    def of_document(self, document: str) -> list[Passage]:
        """Return the passages of a document, in its order; an empty list if there is no such document."""
        inverted = self.inverted
        return self._read(lambda: self.passages(inverted.rows(document)) if document in inverted else [])

    def path(self, document: str) -> Path | None:
        """Return the file of a document, or ``None`` for texts given in Python."""
        return source.path if (source := self._sources.get(self.file_of(document))) else None

    def file_of(self, document: str) -> str:
        """Return the file or text given in Python of a document: ``mail.mbox`` for ``mail.mbox#3``."""
        return next((name for name, file in self._files.items() if document in file.documents), document)

    def texts(self, name: str) -> list[bytes]:
        """Return the texts of a file or a text given in Python, UTF-8, with the line numbers of the file.

        Raises ``DataError`` if there are none; only an index that processes share has them.
        """
        found = self._read(lambda: self._originals.texts(name))
        if not found:
            raise DataError(f"{name}: no document of this name.")
        return found

    @property
    def listed(self) -> list[File]:
        """The records of the files and texts that have documents, by name."""
        given = self._read(lambda: [file for file in self._files.values() if file.documents])
        return sorted(given, key=lambda file: file.name)

    @property
    def generation(self) -> int:
        """A number that differs after every change of the content, by this or another process."""
        return self._safely(lambda: self._database.state()[1])

    # --- changes ---

    def update(self) -> Update:
        """Add new and changed files of the folders, within the time limit, and delete missing ones."""
        while (done := self._safely(partial(self._update, *find_files(self.paths)))) is None:
            pass  # another process was faster
        return done

    def _update(self, sources: Sequence[SourceFile], skipped: list[SkippedFile]) -> Update | None:
        """Update the files; return ``None`` if another process was faster."""
        self._sources, done = {source.name: source for source in sources}, Changes()
        with contextlib.ExitStack() as stack:
            paid = stack.enter_context(open_account())
            stack.callback(isolation.end_idle)  # a question needs memory, too
            pending, seen = False, self._database.meta("generation")
            self._files, self._seen = self._known.read(), seen
            done.leave(self._files.values(), self._sources)

            def begin() -> bool:
                """Open the transaction at the first change; return whether the list of files is valid."""
                nonlocal pending
                if not pending:
                    stack.enter_context(self.changing())
                    pending = True
                return bool(self._database.meta("generation") == seen)

            if done.forgotten and not begin():
                return None
            for name in done.forgotten:
                self._delete(name)
            found = find_changed(sources, self._files)
            for number, source in enumerate(found, len(sources) - len(found)):
                self._progress(number, len(sources))
                if not paid.lasts:
                    done.waiting.append(source.name)
                    continue
                with paid.file():
                    known = self._files.get(source.name)
                    file = read_if_changed(source, known, partial(parse_bytes, name=source.path.name))
                    if file is None or file == known:
                        continue
                    if file.reason is SkipReason.NOT_YET:
                        done.waiting.append(source.name)
                        continue
                    if not begin():
                        return None
                    done.add(file, known, replaced=self._renew(file, known))
                    if file.cut and file.size < 0:
                        done.waiting.append(source.name)
        self._progress(len(sources), len(sources))
        self._vectors.hurried = not paid.lasts
        self._files = dict(sorted(self._files.items()))  # they were read in another order
        self.skipped = [*skipped, *done.not_yet, *skipped_of(self._files.values())]
        new = self.notes[self._reported :]
        self.notes += done.new_notes(self._files.values(), self.notes)
        self._reported = len(self.notes)
        return done.update(new)

    def _renew(self, file: File, known: File | None) -> bool:
        """Store a file that was read; return whether its documents are replaced. A transaction is open."""
        if known and file.same_as(known) and file.documents == known.documents and not file.content:
            self._files[file.name] = self._known.set(file)
            return False
        self._add(file, self._delete(file.name))
        return True

    def learn(self, name: str, text: str) -> None:
        """Add a text as a document, or replace the one of this name; its file extension sets the kind.

        Raises ``DataError`` when the text is empty; ``UsageError`` when ``name`` is that of a file of the
        folders.
        """
        data = text.encode("utf-8", "surrogatepass")
        self.put(name, parse_bytes(data, name), texts=[data])

    def put(
        self,
        name: str,
        parsed: Sequence[ParsedDocument],
        skipped: SkippedFile | None = None,
        texts: Sequence[bytes] = (),
    ) -> None:
        """Replace the documents of a name by parsed ones, or record why there are none.

        ``texts`` are stored for :meth:`texts` if processes share the index.
        """

        def work() -> None:
            size, now = sum(map(len, texts)), time.time_ns() if self._database.shared else 0
            file = File(name, size, now, given=True, content=parsed, texts=texts)
            if skipped:
                file.reason, file.detail = skipped.reason, skipped.detail
            with self.changing():
                known = self._files.get(name)
                if name in self._sources or (known and not known.given):
                    raise UsageError(f"{name} is a file of this index; change the file, or give another name")
                self._add(file, self._delete(name))
            self.skipped = [each for each in self.skipped if each.name != name] + skipped_of([file])

        self._safely(work)

    def forget(self, name: str) -> None:
        """Remove a text given to :meth:`learn`; nothing of it stays in the cache.

        Raises ``UsageError`` if there is no such document, or it is a file, which would be learned again.
        """

        def work() -> None:
            with self.changing():
                if name not in self._files:
                    hint = did_you_mean(name, self._files)
                    raise UsageError(sentences(f"no document {name!r} in this index.", hint))
                if not self._files[name].given:
                    raise UsageError(f"{name} is a file of this index; remove the file, and it is forgotten")
                self._delete(name)

        self._safely(work)
        self.skipped = [each for each in self.skipped if each.name != name]

    def confirm(self, question: str, passage: Passage) -> bool:
        """Toggle whether ``passage`` counts as an answer to ``question``; return whether it does now.

        The question's content words then count as words of the passage with weight 0.3. With an encoder, the
        question's vector is an additional vector of the passage. The confirmation lasts as long as the
        document has this text, and is kept in the cache with the index.

        Raises ``UsageError`` if the passage is not of this index, or the question has no content word.
        """
        document, text = passage.document, digest(passage)
        passages = [self.passage(row) for row in self.inverted.rows(document)]
        if text not in map(digest, passages):  # two sentences; the second is the answer
            ends = [p for p in passages if p.line >= passage.line and passage.text.endswith(p.text)]
            text = next(map(digest, ends), text)
        if text not in map(digest, passages):
            raise UsageError(f"{document} has no such passage; ask again")
        question = " ".join(understood(question).checked().text.lower().split())
        if not Question(question).content:
            raise UsageError(f"the question {question[:60]!r} has only words that name nothing; reword it")

        def work() -> bool:
            with self.changing():
                before = self._questions(document)
                now = {*before.get(text, [])} ^ {question}
                self._confirm(document, passages, {**before, text: sorted(now)})
            return question in now

        return self._safely(work)

    def _add(self, file: File, questions: _Questions) -> None:
        """Chunk and add the documents of a file; a transaction is open."""
        taken, notes, paid = list[str](), list[str](), account()
        if paid:
            paid.keep(_KEPT)
        names = document_names(file.name, [parsed.name for parsed in file.content], self.inverted)
        parts = chunk_file(zip(names, file.content, strict=True), file.name, limits().passages)
        for document, parsed, passages, note in parts:
            notes += parsed.notes
            if passages:
                packed = pack_tables(parsed)
                texts, groups = [(p.text, p.context) for p in passages], [p.group for p in passages]
                blocks = [(p.block, p.title) for p in passages]
                words = limits().words
                key = self.inverted.add(document, texts, groups, blocks=blocks, most_words=words)
                if self.inverted.left_out:
                    notes.append(_WORDS.format(words))
                self._passages.add(key, passages)
                self._vectors.add(key, passages)
                notes += self._records.add(key, packed)
                if document in questions:
                    self._confirm(document, passages, questions[document])
                taken.append(document)
            notes += [note] * bool(note)
        if taken and self._database.shared:  # the file may be on another machine
            source = self._sources.get(file.name)
            self._originals.add(file.name, file_texts(source.path, file.content) if source else file.texts)
        file.documents, file.notes = tuple(sorted(taken)), tuple(notes)
        file.cut = any(map(cuts, notes))
        if file.cut and paid and paid.shortened:
            file.size, file.sha256 = -1, ""  # the next update reads it again, with more time
        file.content = file.texts = ()
        if not taken and not file.reason:
            file.reason = SkipReason.NO_TEXT
        self._files[file.name] = self._known.set(file)

    def _delete(self, name: str) -> _Questions:
        """Delete a file, and return its confirmed questions; a transaction is open."""
        file, questions = self._files.pop(name, None), _Questions()
        for document in file.documents if file else ():
            questions[document] = self._questions(document)
            key = self.inverted.delete(document)
            self._passages.delete(key)
            self._vectors.delete(key)
            self._records.delete(key)
            self._database.rows("DELETE FROM questions WHERE document = ?", encode(document))
        self._originals.delete(name)
        self._known.delete(name)
        return questions

    def _confirm(self, document: str, passages: Sequence[Passage], asked: Mapping[str, list[str]]) -> None:
        """Replace the confirmed questions by those of ``asked`` whose passages the document still has."""
        places = {digest(p): place for place, p in reversed([*enumerate(passages)])}
        kept = {text: questions for text, questions in asked.items() if text in places}
        rows = [(encode(document), text, each) for text, questions in kept.items() for each in questions]
        self._database.rows("DELETE FROM questions WHERE document = ?", encode(document))
        self._database.run("INSERT INTO questions VALUES (?, ?, ?)", rows)
        words = {places[text]: [w for q in kept[text] for w in Question(q).content] for text in kept}
        self.inverted.confirm(document, words)

    def _questions(self, document: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        select = "SELECT passage, question FROM questions WHERE document = ? ORDER BY passage, question"
        for passage, question in self._database.rows(select, encode(document)):
            found.setdefault(passage, []).append(question)
        return found

    # --- questions ---

    def rank(self, question: str | Question, top: int) -> Ranking:
        """Return rows of the inverted index for a question, best first."""
        asked = understood(question).checked()
        return self._read(lambda: self._retriever.rank(self.inverted, asked, top))

    def rank_documents(self, question: str | Question, top: int) -> list[tuple[str, float]]:
        """Return whole documents and their scores, best first; for collections with judgments."""
        asked = understood(question).checked()

        def work() -> list[tuple[str, float]]:
            ranking = self._retriever.rank(self.inverted.by_document(), asked, top)
            names, rows = self.inverted.documents, zip(ranking.passages, ranking.scores, strict=True)
            return [(names[row], float(score)) for row, score in rows]

        return self._read(work)

    def ask(self, question: str | Question, top: int = 3, filters: Filters | None = None) -> Answer:
        """Find the passages that answer a question, and decide whether any does.

        For a message such as a greeting or "summarise …", the answer has a line ``said``.

        Parameters
        ----------
        question
            The question in any language; at most 100,000 characters.
        top
            Maximum number of passages in the answer.
        filters
            Conditions on passages and rows.

        Raises
        ------
        UsageError
            When the question has no word to look for, or is too long; when no document has the kind or the
            place of a filter.
        """
        if not isinstance(top, int) or top < 1:
            raise UsageError(f"top is {top!r}; a whole number of at least 1 is allowed")
        message = understood(question, filters)
        if said := talk.reply(message, self, top):
            return said
        asked = message.checked().saying(talk.question_in(message.text), message.follows).checked()

        def work() -> Answer:
            known = Known(self.inverted, self._records, self._passages, self.path, self._files)

            def quote(wanted: Question) -> Answer:
                rank = partial(self._retriever.rank, self.inverted, wanted)  # it may be replaced meanwhile
                judged = partial(answering.answer, wanted, view=self.inverted, top=top, judge=chosen_judge())
                return filtered(known, wanted.filters, rank, max(FOUND, top), judged)

            answer = calculate(asked, known, date.today(), top, quote)
            return with_gaps(answer, self._files.values(), self.skipped)

        answer = self._read(work)
        self._vectors.hurried = False  # the next question does not pay for the same reading
        return talk.unlisted(attrs.evolve(answer, question=message.text))

    @property
    def reads_ahead(self) -> bool:
        """Whether the retriever compares vectors of passages, and there is an embedder."""
        return bool(self.embedder) and getattr(self._retriever, "embeds", False)

    def read_ahead(self, go_on: Callable[[int], bool], *, briefly: bool = False) -> None:
        """Encode the passages without a vector, until ``go_on`` returns false.

        Above 10,000 passages the beginnings of documents come first; ``briefly`` stops after them.

        ``go_on`` is called before each text and at the end with the number of texts left. Other threads may
        ask questions and change the index meanwhile.
        """
        if self._database.chosen():  # else another process encodes for all
            self._vectors.read_ahead(self._read, go_on, briefly=briefly)
            self._safely(lambda: self._vectors.keep())

    def adopt(self, other: Index) -> None:
        """Copy the vectors of another index for texts that this one has, too."""
        self._safely(lambda: self._vectors.adopt(other._vectors))

    def warm_up(self, *, encode: bool = True) -> None:
        """Compute what first questions, of a fact and a topic, need; only word arrays without ``encode``."""
        words = Question(self.passage(0).text).content if len(self) else []
        if not encode and self.reads_ahead and words:
            from lior_ask.embedders import bags  # only where vectors are compared

            self._read(lambda: bags.cosines(self.inverted, Question(words[0])))
        for length in (3, 12)[: len(words) * encode]:
            with contextlib.suppress(UsageError):  # two joined words are in no text: this loads spelling
                self.ask(" ".join([f"{words[0]}{words[-1]}", *words[:length]]))

    @cached_property
    def _retriever(self) -> Retriever:
        from lior.plugins.registry import registry

        return registry.get("retriever", self.retriever)()

    # --- the database ---

    def __deepcopy__(self, _: dict[int, Any]) -> Index:
        """Return a copy in memory."""
        copied = copy.copy(self)
        copied.notes, copied.skipped = [*self.notes], [*self.skipped]
        copied._use(copy.deepcopy(self._database))
        return copied

    def copy_to(self, path: Path, **meta: object) -> None:
        """Write a copy with more entries, for :class:`~lior_ask.index.sqlite.SQLite`, to a file.

        Raises ``OSError`` or ``sqlite3.Error`` if it cannot be written; the file is then unchanged.
        """
        assert isinstance(self._database, SQLite)
        self._database.copy_to(path, meta)

    def _use(self, database: Database) -> None:
        self._database = database
        self.inverted = InvertedIndex(database)
        """The inverted index with the counts of all passages."""
        self._passages, self._known = PassageStore(database), FileStore(database)
        self._records, self._originals = RecordStore(database, self._passages), OriginalStore(database)
        self._vectors = VectorStore(self.inverted, self.passage, self.embedder)
        self.inverted.vectors = self._vectors if self.embedder else None
        if database.shared:
            database.settled = self.warm_up
        self._files, self._seen = {}, None
        with contextlib.suppress(sqlite3.DatabaseError, DamagedIndex):  # noticed when they are used
            self._follow()
        self.skipped = skipped_of(self._files.values())

    def _follow(self) -> None:
        """Reload the file records if another process has changed the content."""
        generation = self._database.state()[1]
        if generation != self._seen:
            self._files, self._seen = self._known.read(), generation

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Run a transaction: commit all changes at its end, or none after an error."""
        try:
            with self._database.writing():
                self._follow()
                yield
                self.inverted.flush()
                self._vectors.clean()
            self._seen = self._database.generation
        except BaseException:
            self.inverted.rollback()
            self._vectors.rollback()
            self._files, self._seen = {}, None
            with contextlib.suppress(sqlite3.Error, LiorError):
                self._follow()
            raise

    def _read(self, work: Callable[[], T]) -> T:
        """Return ``work()`` on a snapshot of the content."""

        def inside() -> T:
            if self.paths and not self._files:  # it was rebuilt
                self._update(*find_files(self.paths))
            with self._database.reading():
                self._follow()
                found = work()
            self._vectors.keep()
            return found

        return self._safely(inside)

    def _safely(self, work: Callable[[], T]) -> T:
        """Return ``work()``; retry in memory if the file is unusable, in a new file if it is damaged."""
        for last in (False, True):
            place = self._database.path
            try:
                with self._database.lock:
                    return work()
            except sqlite3.OperationalError as error:
                if place is None:
                    raise
                caching.note_uncached(place, error, self.notes)
                assert isinstance(self._database, SQLite)
                self._database.detach()
                self._use(self._database)
            except (sqlite3.DatabaseError, DamagedIndex) as error:
                if place is None or not self.paths:
                    raise
                self._database.close()
                mend = caching.made_anew if last else caching.open_again
                self._use(mend(place, error, self.notes))
        return work()


def default_retriever() -> str:
    """Return the name of the default retriever."""
    return RETRIEVERS[0 if default_embedder() else 1]
