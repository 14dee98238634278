"""Interfaces of readers and embedders, and the records that pass between them.

A reader parses the bytes of a file into documents. A parsed document is cut into passages. An inverted index
counts the words of passages. An embedder turns text into vectors. Retrievers are in
:mod:`lior.interfaces.passages`. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import numpy as np

    from lior.errors import LiorError

TEXT_KINDS = ("prose", "markdown", "mail", "chat", "log", "code", "rows")
"""Kinds of text; they decide how a parsed document is cut into passages."""
TABLE_KINDS = ("rows", "mail", "chat", "log", "events", "contacts")
"""Kinds of tables. Columns of mail: from, to, date, subject; of a chat: date, from, text; of a log: date,
level, text; of a calendar: begin, end, summary, place; of contacts: name, phone, mail, birthday,
organisation, address."""


@attrs.frozen(kw_only=True)
class Table:
    """Rows of a document that can be counted, listed and calculated with: those of a table in the usual
    sense, messages, entries of a log, events of a calendar, contacts."""

    kind: str = attrs.field(default="rows", validator=attrs.validators.in_(TABLE_KINDS))
    name: str = ""
    """Of the sheet, or the heading above it; empty where the document has one table."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = attrs.field(repr=False)
    """Cells as they stand in the file, as many as columns; empty where there is nothing."""
    lines: tuple[int, ...] = attrs.field(repr=False)
    """Line of the document's text, from 0, at which each row begins, ascending."""
    until: str = ""
    """Day, in ISO 8601, up to which all rows are here, where there are more: a series of events goes on."""


@attrs.frozen(kw_only=True)
class ParsedDocument:
    """The text of one document as its reader extracted it."""

    text: str = attrs.field(repr=False)
    """Lines are separated by a line feed. Plain files keep every character of every line."""
    kind: str = attrs.field(validator=attrs.validators.in_(TEXT_KINDS))
    name: str = ""
    """Name inside the file, for files with many documents; empty where the file is the document."""
    title: str = ""
    lines: tuple[int, ...] | None = attrs.field(default=None, repr=False)
    """Line of the file, from 1, of each line of the text; ``None`` where both are the same."""
    places: tuple[tuple[int, str], ...] = ()
    """First line of the text, from 0, and name of each page, cell or message: ``(12, "page 3")``,
    ascending."""
    wrapped: tuple[int, ...] = attrs.field(default=(), repr=False)
    """Lines of the text, from 0, that go on with the sentence of the line before, where the reader knows."""
    titles: tuple[int, ...] = attrs.field(default=(), repr=False)
    """Lines of the text, from 0, that only name what stands elsewhere, such as a link alone."""
    tables: tuple[Table, ...] = attrs.field(default=(), repr=False)
    """What can be calculated with, where the reader knows."""
    notes: tuple[str, ...] = ()
    """What a user should know of how it was read, one line each: an encoding guessed, parts left out and
    why."""


@attrs.frozen(kw_only=True)
class Passage:
    """A part of a document that can be quoted."""

    document: str
    line: int
    """First line of the file, from 1."""
    column: int = 1
    """First character in that line, from 1."""
    text: str
    """As it stands in the parsed document: whole lines, or a part of one."""
    context: str = ""
    """Headings above it and the name of the file: counted with less weight, not quoted."""
    place: str = ""
    """Page, cell or message, where the document has such."""
    group: int = 0
    """Number of the paragraph, message, table or definition inside the document that the passage is a part
    of."""
    block: int = 0
    """Number of the block inside the document that the passage is a part of; those of one are adjacent."""
    title: bool = False
    """Whether it names what stands elsewhere, such as a line of a table of contents; it is no answer."""


@attrs.frozen(kw_only=True)
class Block:
    """What belongs together in a document: a term with its definition, a heading with the paragraph below it,
    a row with the head of its table, a message with its subject. The answer around a sentence."""

    document: str
    line: int
    """First line of its passages in the file, from 1."""
    end_line: int
    """Last line of its passages in the file."""
    text: str
    """The innermost heading above it, if there is one, as the first line; then its passages as they stand
    in the document, without more than one blank line between them."""
    begin: int
    """Where the sentence begins in ``text``."""
    end: int
    """Where it ends."""


@attrs.frozen(kw_only=True)
class Result:
    """What was calculated from rows of tables, for a question such as "how much did we spend on food?"."""

    operation: str
    """``count``, ``list``, ``sum``, ``mean``, ``highest``, ``lowest``, ``newest``, ``oldest``
    or ``share``; of groups that within each: ``sum`` for "how much per month"."""
    value: str
    """As it is shown: ``12``, ``1,234.50``, ``2025-03-04``, ``12.50 %``; of a list the number of its rows, of
    groups their names and values: ``2025-02 31.00, 2025-03 76.70``."""
    about: str
    """Of what, with all conditions, in one line: ``amount in expenses.csv where category is food``."""
    arithmetic: str = ""
    """``12.30 + 4.20 = 16.50``, the middle left out where there are many; of a share ``4 of 49``, of
    the highest group the others; empty where nothing is added."""
    rows: tuple[Passage, ...] = ()
    """The rows that were used, with their places, in the order in which they are shown."""


@runtime_checkable
class Reader(Protocol):
    """Text of the files of some formats. Group ``lior.readers``.

    One that needs packages has the attribute ``packages``, a tuple of names of distributions: its files are
    read again when one of these is installed or has another version. ``None`` there stands for those of all
    readers, for a reader that calls the others.

    It runs in a process of its own, with limits of time, memory and output (:mod:`lior.reading.limits`); what
    it raises, prints and logs is told, and when it crashes, its file is left out. One of plain text, which
    takes no more than a few times the bytes, may have the attribute ``in_process`` that is true. One that
    takes seconds for a small file has an attribute ``slow`` that is true: its files are read last. One of
    files whose first lines can be read alone has an attribute ``divisible`` that is true: those of a giant
    are read.
    """

    api_version: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]
    """In lower case, with the dot: ``(".md", ".markdown")``."""

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """The documents in ``data``; ``name`` is the file's, for messages and kinds.

        Raises
        ------
        DataError
            When the file is damaged or protected, with the reason in one line.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Unit vectors of texts: the nearer the meaning, the higher the cosine. Group ``lior.embedders``.

    The constructor looks only whether what is needed is installed, and raises ``MissingPackage`` if it is
    not; a model is opened by the first :meth:`embed`. Threads may embed at once.
    """

    api_version: ClassVar[int]
    width: int
    """Numbers of a vector."""
    digest: str
    """Of the model and of how texts are prepared, one line: equal digests give equal vectors on a machine."""
    unrelated: float
    """Usual cosine of a question with a passage that does not answer it, in [-1, 1)."""
    related: float
    """Usual cosine of a question with a passage that answers it in other words, above ``unrelated``."""

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Vectors of length 1, float32 ``(n, width)``; zeros for a text that has nothing it knows.

        A vector is a function of its text, bit by bit: it does not depend on the other ``texts``, nor on what
        was embedded before. ``question`` says that the texts are questions, which some models read in another
        way.

        Raises
        ------
        DataError
            When the model cannot be read or is another one.
        """
        ...


class CachedIndex(Protocol):
    """An index in the user's cache."""

    file: Path
    paths: tuple[str, ...]
    """The folders and files that it is of; empty where it does not say."""
    size: int
    """In bytes."""
    used: float
    """When it was opened last, in seconds since 1970."""
    gone: bool
    """Whether none of what it is of is there any more."""

    def remove(self) -> None:
        """Delete it; a process that has it open goes on."""
        ...


@runtime_checkable
class RunIndexes(Protocol):
    """Indexes of the documents of runs. Group ``lior.indexes``.

    :class:`lior.Run` asks for one where it is asked a question; lior-ask has it. Documents come as their
    name, what was parsed of them, with lines as in their file, and why nothing was, or ``None``.
    """

    api_version: ClassVar[int]

    def build(self, documents: Iterable[tuple[str, Sequence[ParsedDocument], LiorError | None]]) -> Any:
        """An index in memory, as :class:`lior_ask.Index` is."""
        ...

    def put(self, index: Any, name: str, found: Sequence[ParsedDocument], fault: LiorError | None) -> None:
        """Put documents in place of those that ``index`` has under their name."""
        ...

    def cached(self, place: Path, digest: str) -> Any:
        """The index cached with the checkpoint at ``place``, or ``None`` if it is not that of ``digest``."""
        ...

    def has_questions(self, place: Path, digest: str) -> bool:
        """Whether that index has confirmed questions."""
        ...

    def cache(self, index: Any, run: Path, place: Path, digest: str, *, warm_up: bool = True) -> None:
        """:meth:`save`; where that cannot be done, the index is made again the next time.

        With ``warm_up`` it is saved with what the first questions need.
        """
        ...

    def save(self, index: Any, run: Path, place: Path, digest: str) -> None:
        """Keep ``index`` with the checkpoint at ``place`` of ``run``.

        Raises
        ------
        RunError
            When it cannot be written, or another process changes the run.
        """
        ...

    def chat(self, run: Any, *, sampling: Any, tokens: int, stop: str, seed: int) -> Any:
        """A conversation with a :class:`lior.Run`; see :meth:`lior.Run.chat`."""
        ...

    def stop_words(self, text: str) -> Collection[str]:
        """Words that say nothing alone, such as "the", in the language of a text."""
        ...

    def caches(self) -> Sequence[CachedIndex]:
        """The indexes in the user's cache, the one used last first."""
        ...
