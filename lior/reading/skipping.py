"""Why files are left out: one list of reasons, each with the sentence that a user reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import attrs

from lior.errors import DataError


class SkipReason(StrEnum):
    """Why a file, folder or part of a file was not read.

    The value is kept in indexes and manifests; the sentence is shown. Code compares members, never sentences.
    """

    sentence: str
    """The sentence to print; ``{}`` stands for the detail of the case."""

    def __new__(cls, value: str, sentence: str = "") -> SkipReason:
        """Return a new member with this value and sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    # --- found in a folder, and not opened ---
    HIDDEN = "hidden", "hidden"
    GENERATED = "generated", "filled by programs"
    RUN_DIRECTORY = "run-directory", "a run of lior"
    OWN_RUN = "own-run", "a file of the run itself"
    FOLDER_LINK = "folder-link", "a link to a folder; give it by name, or all with --follow-links"
    OUTSIDE_LINK = "outside-link", "a link that leaves the folder; --follow-links reads it"
    READ_ONCE = "read-once", "a link to {}, which is read once"
    BROKEN_LINK = "broken-link", "a link that leads nowhere"
    NOT_REGULAR = "not-regular", "not a regular file"
    CLOSED_FOLDER = "closed-folder", "cannot be opened: {}"
    # --- not read ---
    UNREADABLE = "unreadable", "cannot be read: {}"
    TOO_LARGE = "too-large", "larger than the limit for one file; split it, or read it with --limits off"
    TOO_SLOW = "too-slow", "reading it takes more than {}; --limits off takes the time"
    TOO_MUCH_MEMORY = "too-much-memory", "reading it takes more than {} of memory; --limits off takes it"
    TOO_MUCH_TEXT = "too-much-text", "it has more than {}; --limits off reads it"
    READER_CRASHED = "reader-crashed", "its reader crashed: {}"
    NOT_YET = "not-yet", "not read yet, reading the files before it took the time; the next question goes on"
    UNSTABLE = "unstable", "changed whenever it was read; it is learned when it rests"
    # --- read, and not parsed ---
    EMPTY = "empty", "empty"
    NO_TEXT = "no-text", "no text in it"
    BINARY = "binary", "binary data ({})"
    BAD_ARCHIVE = "bad-archive", "damaged {}"
    DAMAGED = "damaged", "damaged, or not what its name says ({})"
    BAD_LINE = "bad-line", "{}"
    NO_READER = "no-reader", "no reader for {} is installed"
    REFUSED = "refused", "{}"
    MISSING_PACKAGE = "missing-package", "{}"
    # --- parsed, and not learned ---
    NAME_TAKEN = (
        "name-taken",
        "the run has another document of this name, which is not from here; forget it, or rename the file",
    )


LIMITED = frozenset(
    {
        SkipReason.TOO_LARGE,
        SkipReason.TOO_SLOW,
        SkipReason.TOO_MUCH_MEMORY,
        SkipReason.TOO_MUCH_TEXT,
        SkipReason.READER_CRASHED,  # a library may crash when it gets no memory
    }
)
"""Reasons that may not hold under other limits."""


@attrs.frozen
class SkippedFile:
    """A file, folder or part of a file that was not read.

    >>> str(SkippedFile("notes.txt", SkipReason.UNREADABLE, "Permission denied"))
    'cannot be read: Permission denied'
    """

    name: str
    reason: SkipReason
    detail: str = ""
    """The detail that completes the reason's sentence, such as the message of the operating system."""
    kept: bool = False
    """Whether a run keeps what it learned from this file earlier."""

    def __str__(self) -> str:
        return self.reason.sentence.format(self.detail) + "; what the run holds of it stays" * self.kept


class UnreadableFile(DataError):
    """A file cannot be read or parsed, for a reason; the message is its sentence."""

    def __init__(self, reason: SkipReason, detail: str = ""):
        self.reason, self.detail = reason, detail
        super().__init__(reason.sentence.format(detail))


def most_common_reasons(skipped: Iterable[SkippedFile]) -> str:
    """Return the three most frequent reasons and their counts in one line: ``2 × hidden; 1 × empty``."""
    reasons = Counter(map(str, skipped)).most_common()
    more = f"; {sum(count for _, count in reasons[3:])} × other reasons" if len(reasons) > 3 else ""
    return "; ".join(f"{count} × {reason}" for reason, count in reasons[:3]) + more


def no_text_message(paths: Iterable[str], skipped: Sequence[SkippedFile]) -> str:
    """Return one line that explains why there is no text at ``paths``."""
    found = "no file in there"
    if skipped:
        found = f"no text in there ({len(skipped)} skipped: {most_common_reasons(skipped)})"
    return f"{', '.join(paths)}: {found}; give a file or folder with text"
