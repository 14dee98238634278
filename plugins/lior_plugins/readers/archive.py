"""Zip archives of documents: each member is read by the reader of its format, in memory."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar
from zipfile import ZipInfo

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument
from lior.reading.compression import decompress
from lior.reading.finding import FOREIGN
from lior.reading.limits import current_limits
from lior.reading.parsing import choose_reader, document_names, parse_with
from lior.reading.skipping import UnreadableFile
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.opening import Archive, damage

_MEMBERS = 2000
_RATIO = 200
"""The maximum factor by which a member may grow; text seldom grows more than tenfold."""
_SMALL = 1 << 20
"""The size in bytes up to which the growth does not matter."""


@attrs.frozen(kw_only=True)
class Zip:
    """Reader of zip archives: the documents of its members, under their paths; archives inside are left out.

    Nothing is written to the disk. An archive has at most 2,000 members and 64 MiB, with what is packed in
    its members; a member that grows more than 200 times is left out.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".zip",)
    packages: ClassVar[None] = None

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return the documents of all members; a note names those that are left out, and why."""
        found, notes = list[ParsedDocument](), list[str]()
        with damage("zip archive"), Archive(data) as archive:
            members = [each for each in archive.members() if not _unseen(each)]
            if len(members) > _MEMBERS:
                raise DataError(f"{len(members):,} files in it; at most {_MEMBERS:,} are read, unpack it")
            left = current_limits().characters

            def read(member: ZipInfo) -> list[ParsedDocument]:
                try:
                    return _member(archive, member, left)
                except UnreadableFile as error:  # a member that reaches a limit is left out alone
                    raise DataError(str(error)) from error

            for documents in read_entries(((each.filename, each) for each in members), read, notes):
                left -= sum(len(each.text) for each in documents)
                found += documents
        if not found:
            raise DataError(notes[0] if notes else "no file in it")
        return [attrs.evolve(found[0], notes=(*notes, *found[0].notes)), *found[1:]]


def _unseen(member: ZipInfo) -> bool:
    """Return whether a member is a folder, hidden, or in a folder that programs generate."""
    parts = PurePosixPath(member.filename).parts
    return member.is_dir() or any(part.startswith(".") or part in FOREIGN for part in parts)


def _member(archive: Archive, member: ZipInfo, left: float) -> list[ParsedDocument]:
    """Return the documents of a member, if some of the ``left`` characters remain.

    Raises ``LiorError`` for a member that cannot be read or is too large.
    """
    if member.flag_bits & 1:
        raise DataError("protected by a password")
    if member.file_size > max(_SMALL, _RATIO * member.compress_size):
        raise DataError(f"it would grow more than {_RATIO} times")
    if member.file_size > archive.unpacked.left or left < 0:
        raise DataError(f"the archive has more than {current_limits().unpacked:,} bytes; unpack it")
    path = PurePosixPath(member.filename)
    with damage("member"):
        left = current_limits().unpacked
        data, name = decompress(archive.read(member), path.name, limit=left, count=archive.unpacked.count)
    reader = choose_reader(data, name)
    if isinstance(reader, Zip):
        raise DataError("an archive inside an archive; unpack it")
    documents = parse_with(reader, data, name)
    names = document_names(member.filename, [each.name for each in documents])
    return [
        attrs.evolve(each, name=own, title=each.title or path.stem, places=_places(each, member.filename))
        for each, own in zip(documents, names, strict=True)
    ]


def _places(document: ParsedDocument, member: str) -> tuple[tuple[int, str], ...]:
    """Return the places of a document with the member's path before each. A document without places gets the
    path alone, except chats and mail, whose places are the beginnings of messages.
    """
    whole = () if document.kind in ("chat", "mail") else ((0, member),)
    return tuple((first, f"{member}, {place}") for first, place in document.places) or whole
