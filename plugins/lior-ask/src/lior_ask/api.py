"""Indexes of folders: read once, kept in the user's cache, and updated with the files that changed."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from lior.errors import DataError, NoFiles, UsageError
from lior.interfaces import Passage
from lior.reading import SkippedFile, as_paths, no_text_message, parse_bytes
from lior_ask.answer import intents as talk
from lior_ask.answer.selection import Answer
from lior_ask.asking import Asker
from lior_ask.content import Content
from lior_ask.index import cache as caching
from lior_ask.index.database import Database
from lior_ask.index.embedding import default_embedder
from lior_ask.index.inverted import InvertedIndex
from lior_ask.index.table_store import Head, Row
from lior_ask.question.filters import Filters
from lior_ask.question.question import Question, understood
from lior_ask.syncing import FolderSync
from lior_ask.updates import Update

RETRIEVERS = "meaning", "settle"
"""Names of the default retriever with a sentence encoder and without one."""


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
        Name of a plugin of the kind "retriever", or ``package.module:Class``. None: "meaning", or
        "settle" if ``LIOR_EMBEDDER`` is empty.
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
        self.content = Content(self.paths, self.embedder, database, cache=cache)
        """The stores of the index."""
        self._folders = FolderSync(self.content, progress or (lambda done, files: None))
        self._join()
        self.opened = self.update() if self.paths else Update()
        """The changes made when the index was opened."""
        caching.remember(self.content.database, self.paths)
        if self.paths and not len(self):
            raise (DataError if self.skipped else NoFiles)(no_text_message(self.paths, self.skipped))

    def _join(self) -> None:
        """Connect the parts to the content."""
        self.notes = self.content.notes
        """Notes for the user on how the text was read and kept, one line each."""
        self.asker = Asker(self.content, self.retriever)
        """The part that answers questions."""
        self.content.warm_up = self.warm_up

    def __deepcopy__(self, memo: dict[int, object]) -> Index:
        """Return a copy in memory."""
        copied = copy.copy(self)
        copied.content = copy.deepcopy(self.content, memo)
        copied._folders = self._folders.of(copied.content)
        copied._join()
        return copied

    # --- content ---

    @property
    def documents(self) -> list[str]:
        """The names of the documents, ascending."""
        return self.content.read(lambda: self.inverted.documents)

    @property
    def files(self) -> int:
        """The number of files and of texts given in Python that have documents."""
        return sum(bool(file.documents) for file in self.content.files.values())

    @property
    def skipped(self) -> list[SkippedFile]:
        """The files that were not read, with the reason."""
        return self.content.skipped

    @property
    def inverted(self) -> InvertedIndex:
        """The inverted index with the counts of all passages."""
        return self.content.inverted

    def __len__(self) -> int:
        """Return the number of passages."""
        return self.content.read(lambda: len(self.inverted))

    def passage(self, row: int) -> Passage:
        """Return the passage at a row of the inverted index."""
        return self.content.passage(row)

    def of_document(self, document: str) -> list[Passage]:
        """Return the passages of a document, in its order; an empty list if there is no such document."""

        def work() -> list[Passage]:
            inverted = self.inverted
            return inverted.passages(inverted.rows(document)) if document in inverted else []

        return self.content.read(work)

    def tables(self, document: str) -> list[tuple[Head, Sequence[Row]]]:
        """Return the tables of a document with their rows; its mails, messages and events are tables, too."""

        def work() -> list[tuple[Head, Sequence[Row]]]:
            known = self.asker.known
            about = known.abouts.get(document)
            return [(head, known.store.rows(head)) for head in about.heads] if about else []

        return self.content.read(work)

    def path(self, document: str) -> Path | None:
        """Return the file of a document, or ``None`` for texts given in Python."""
        return self.content.path(document)

    # --- changes ---

    def update(self) -> Update:
        """Add new and changed files of the folders, within the time limit, and delete missing ones."""
        return self._folders.update()

    def learn(self, name: str, text: str) -> None:
        """Add a text as a document, or replace the one of this name; its file extension sets the kind.

        Raises ``DataError`` when the text is empty; ``UsageError`` when ``name`` is that of a file of the
        folders.
        """
        data = text.encode("utf-8", "surrogatepass")
        self.content.put(name, parse_bytes(data, name), texts=[data])

    def forget(self, name: str) -> None:
        """Remove a text given to :meth:`learn`; nothing of it stays in the cache.

        Raises ``UsageError`` if there is no such document, or it is a file, which would be learned again.
        """
        self.content.forget(name)

    def confirm(self, question: str, passage: Passage) -> bool:
        """Toggle whether ``passage`` counts as an answer to ``question``; return whether it does now.

        The question's content words then count as words of the passage with weight 0.3. With an encoder, the
        question's vector is an additional vector of the passage. The confirmation lasts as long as the
        document has this text, and is kept in the cache with the index.

        Raises ``UsageError`` if the passage is not of this index, or the question has no content word.
        """
        return self.content.confirm(question, passage)

    # --- questions ---

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
        answer = self.asker.answer(asked, top)
        return attrs.evolve(answer, question=message.text)

    def warm_up(self, *, encode: bool = True) -> None:
        """Compute what first questions, of a fact and a topic, need.

        Without ``encode``, only arrays of words are computed, but the sample of a large index is encoded.
        """
        words = Question(self.passage(0).text).content if len(self) else []
        if self.asker.reads_ahead:
            self.asker.learn()
        if not encode and self.asker.reads_ahead and words:
            from lior_ask.embedders import bags  # only where vectors are compared

            self.content.read(lambda: bags.cosines(self.inverted, Question(words[0])))
        for length in (3, 12)[: len(words) * encode]:
            with contextlib.suppress(UsageError):  # two joined words are in no text: this loads spelling
                self.ask(" ".join([f"{words[0]}{words[-1]}", *words[:length]]))


def default_retriever() -> str:
    """Return the name of the default retriever."""
    return RETRIEVERS[0 if default_embedder() else 1]
