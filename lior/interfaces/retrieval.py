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
TABLE_KINDS = ("rows", "mail", "chat", "log", "events", "contacts", "tasks")
"""Kinds of tables, some with fixed columns. Mail: from, to, date, subject. Chat: date, from, text. Log: date,
level, text. Events: begin, end, summary, place. Contacts: name, phone, mail, birthday, organisation,
address. Tasks: status, task, due, completed, person, list, notes."""


@attrs.frozen(kw_only=True)
class Table:
    """Rows of a document that can be counted, listed and used in calculations. They are rows of an ordinary
    table, messages, entries of a log, events of a calendar, contacts, or tasks."""

    kind: str = attrs.field(default="rows", validator=attrs.validators.in_(TABLE_KINDS))
    name: str = ""
    """Name of the sheet, or the heading above the table; empty if the document has one table."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = attrs.field(repr=False)
    """Cells as in the file, as many as columns; empty cells are empty strings."""
    lines: tuple[int, ...] = attrs.field(repr=False)
    """Line of the document's text, from 0, at which each row begins, ascending."""
    until: str = ""
    """Day, in ISO 8601, up to which the table has all rows, if there are more: a series of events goes on."""


@attrs.frozen(kw_only=True)
class ParsedDocument:
    """The text of one document as its reader extracted it."""

    text: str = attrs.field(repr=False)
    """Lines are separated by a line feed. Plain files keep every character of every line."""
    kind: str = attrs.field(validator=attrs.validators.in_(TEXT_KINDS))
    name: str = ""
    """Name inside the file, for files with many documents; empty if the file is the document."""
    title: str = ""
    lines: tuple[int, ...] | None = attrs.field(default=None, repr=False)
    """Line in the file, or row of the sheet, from 1, for each line of the text; ``None`` if both are the
    same."""
    places: tuple[tuple[int, str], ...] = ()
    """First line of the text, from 0, and name of each page, cell or message: ``(12, "page 3")``,
    ascending."""
    wrapped: tuple[int, ...] = attrs.field(default=(), repr=False)
    """Lines of the text, from 0, that continue the sentence of the line before, if the reader knows."""
    titles: tuple[int, ...] = attrs.field(default=(), repr=False)
    """Lines of the text, from 0, that only refer to something elsewhere, such as a link alone."""
    tables: tuple[Table, ...] = attrs.field(default=(), repr=False)
    """Tables for calculations, if the reader knows any."""
    notes: tuple[str, ...] = ()
    """Notes for the user, one line each: an encoding guessed, or parts left out, with the reason."""


@attrs.frozen(kw_only=True)
class Passage:
    """A part of a document that can be quoted."""

    document: str
    line: int
    """First line of the file, from 1."""
    column: int = 1
    """First character in that line, from 1."""
    text: str
    """Text as in the parsed document: whole lines, or a part of one."""
    context: str = ""
    """Headings above it and the name of the file: counted with less weight, not quoted."""
    place: str = ""
    """Page, cell or message, if the document has any."""
    group: int = 0
    """Number of the passage's paragraph, message, table or definition inside the document."""
    block: int = 0
    """Number of the passage's block inside the document; the passages of a block are adjacent."""
    title: bool = False
    """Whether it only refers to something elsewhere, as a table of contents does; it is no answer."""


@attrs.frozen(kw_only=True)
class Block:
    """A unit of meaning in a document, which gives the answer around a sentence. It is a term with its
    definition, a heading with the paragraph below it, a row with the head of its table, or a message with its
    subject."""

    document: str
    line: int
    """First line of its passages in the file, from 1."""
    end_line: int
    """Last line of its passages in the file."""
    text: str
    """The innermost heading above it, if any, as the first line; then its passages as in the document, with
    at most one blank line between them."""
    begin: int
    """Start of the sentence in ``text``."""
    end: int
    """End of the sentence."""


@attrs.frozen(kw_only=True)
class Result:
    """A result calculated from rows of tables, for a question such as "how much did we spend on food?"."""

    operation: str
    """``count``, ``list``, ``sum``, ``mean``, ``highest``, ``lowest``, ``newest``, ``oldest`` or ``share``;
    with groups, the operation within each: ``sum`` for "how much per month"."""
    value: str
    """The value as displayed: ``12``, ``1,234.50``, ``2025-03-04``, ``12.50 %``. A list has the number of its
    rows, groups have their names and values: ``2025-02 31.00, 2025-03 76.70``."""
    about: str
    """The subject with all conditions, in one line: ``amount in expenses.csv where category is food``."""
    arithmetic: str = ""
    """The calculation: ``12.30 + 4.20 = 16.50``, without the middle of many terms. It is ``4 of 49`` for a
    share, the other groups for the highest one, and empty if nothing is added."""
    rows: tuple[Passage, ...] = ()
    """The rows that were used, with their places, in the order of display."""
    unit: str = ""
    """The currency or unit of the value: ``€``, ``km``. The value does not contain it."""
    columns: tuple[str, ...] = ()
    """The header of the rows."""
    cells: tuple[tuple[str, ...], ...] = ()
    """The cells of ``rows``, in their order, as many as columns; empty if the rows are texts."""
    groups: tuple[tuple[str, str], ...] = ()
    """The name and the value, as displayed, of each group: ``("2025-02", "31.00")``, months in order."""


@runtime_checkable
class Reader(Protocol):
    """A reader of the text of files in some formats. Group ``lior.readers``.

    A reader that needs packages has the attribute ``packages``, a tuple of names of distributions. Its
    files are read again when one of these is installed or has another version. ``None`` there stands for
    the packages of all readers, for a reader that calls the others.

    It runs in a separate process, with limits of time, memory and output (:mod:`lior.reading.limits`). Its
    errors, prints and logs are reported, and if it crashes, its file is left out. Three optional attributes
    are true for special readers. ``in_process`` is for plain text, which takes no more than a few times its
    bytes. ``slow`` is for readers that take seconds for a small file: their files are read last.
    ``divisible`` is for files whose first lines can be read alone: the first lines of a giant file are
    read.
    """

    api_version: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes in lower case, with the dot: ``(".md", ".markdown")``."""

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return the documents in ``data``; ``name`` is the file's, for messages and kinds.

        Raises
        ------
        DataError
            When the file is damaged or protected, with the reason in one line.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """Unit vectors of texts: the nearer the meaning, the higher the cosine. Group ``lior.embedders``.

    The constructor only checks whether its requirements are installed, and raises ``MissingPackage`` if
    not; the first :meth:`embed` opens a model. Threads may embed at once.
    """

    api_version: ClassVar[int]
    width: int
    """Dimension of a vector."""
    digest: str
    """Digest of the model and the preparation of texts, one line: it determines the vectors on a machine."""
    unrelated: float
    """Usual cosine of a question with a passage that does not answer it, in [-1, 1)."""
    related: float
    """Usual cosine of a question with a passage that answers it in other words, above ``unrelated``."""

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Return vectors of length 1, float32 ``(n, width)``; zeros for a text without anything that it
        knows.

        A vector is a function of its text, bit by bit: it does not depend on the other ``texts``, nor on
        earlier calls. ``question`` says that the texts are questions, which some models read differently.

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
    """The folders and files that it indexes; empty if unknown."""
    size: int
    """Size in bytes."""
    used: float
    """Time of the last use, in seconds since 1970."""
    gone: bool
    """Whether none of the indexed files exists any more."""

    def remove(self) -> None:
        """Delete it; a process that has it open goes on."""
        ...


@runtime_checkable
class RunIndexes(Protocol):
    """Indexes of the documents of runs. Group ``lior.indexes``.

    :class:`lior.Run` requests one when it is asked a question; lior-ask provides it. A document is given as
    its name, its parsed documents, with lines as in their file, and the error or ``None``.
    """

    api_version: ClassVar[int]

    def build(self, documents: Iterable[tuple[str, Sequence[ParsedDocument], LiorError | None]]) -> Any:
        """Return an index in memory, an :class:`lior_ask.Index`."""
        ...

    def put(self, index: Any, name: str, found: Sequence[ParsedDocument], fault: LiorError | None) -> None:
        """Replace the documents of ``index`` under their name."""
        ...

    def cached(self, place: Path, digest: str) -> Any:
        """Return the index cached with the checkpoint at ``place``; ``None`` if its digest is not
        ``digest``."""
        ...

    def has_questions(self, place: Path, digest: str) -> bool:
        """Return whether that index has confirmed questions."""
        ...

    def cache(self, index: Any, run: Path, place: Path, digest: str, *, warm_up: bool = True) -> None:
        """Call :meth:`save`; if that fails, the index is built again the next time.

        With ``warm_up`` it is saved with what the first questions need.
        """
        ...

    def save(self, index: Any, run: Path, place: Path, digest: str) -> None:
        """Save ``index`` with the checkpoint at ``place`` of ``run``.

        Raises
        ------
        RunError
            When it cannot be written, or another process changes the run.
        """
        ...

    def chat(self, run: Any, *, sampling: Any, tokens: int, stop: str, seed: int) -> Any:
        """Return a conversation with a :class:`lior.Run`; see :meth:`lior.Run.chat`."""
        ...

    def stop_words(self, text: str) -> Collection[str]:
        """Return words without meaning of their own, such as "the", in the language of a text."""
        ...

    def caches(self) -> Sequence[CachedIndex]:
        """Return the indexes in the user's cache, the most recently used first."""
        ...
