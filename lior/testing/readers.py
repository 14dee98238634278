"""The laws that every :class:`~lior.interfaces.Reader` obeys."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from lior.errors import LiorError
from lior.interfaces import ParsedDocument, Reader
from lior.testing.strategies import Contract, law

_MARKUP = st.text("<>/!?[]{}\"'&;#-=:,|. \n\r\tabAB01", max_size=120)


class ReaderContract(Contract[Reader]):
    """The laws of a reader."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        suffixes = self.make().suffixes
        assert suffixes, "no suffix: no file would get this reader"
        assert len(set(suffixes)) == len(suffixes)
        for suffix in suffixes:
            assert re.fullmatch(r"\.[^.\s/A-Z]+", suffix), f"{suffix!r} is not written as '.md'"

    @law(data=st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        read(self.make(), data)

    @law(text=st.one_of(st.text(max_size=100), _MARKUP))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        read(self.make(), text.encode("utf-8", "replace"))

    @law(text=_MARKUP)
    def test_the_same_bytes_give_the_same_documents(self, text: str) -> None:
        reader = self.make()
        assert read(reader, text.encode()) == read(self.make(), text.encode()) == read(reader, text.encode())


reader_contract = ReaderContract.of


def read(reader: Reader, data: bytes) -> list[ParsedDocument]:
    """Return the documents of ``data`` after a check of each; none if the reader refuses it in one line."""
    documents, reason = [], "none"
    try:
        documents = reader.read(data, f"name{reader.suffixes[0]}")
    except LiorError as error:
        reason = str(error)
    assert len(reason.splitlines()) == 1, f"the reason is not one line: {reason}"
    for document in documents:
        check_document(document, data)
    return documents


def check_document(document: ParsedDocument, data: bytes) -> None:
    """Raise ``AssertionError`` if positions of the document are invalid."""
    lines = document.text.count("\n") + 1
    if document.lines is not None:
        assert len(document.lines) == lines, f"{len(document.lines)} numbers for {lines} lines"
        assert min(document.lines) >= 1
        if b"\0" not in data:  # the lines of a sheet are its rows
            assert max(document.lines) <= data.count(b"\n") + 1, "a line that the file does not have"
    firsts = [first for first, _ in document.places]
    assert firsts == sorted(set(firsts)), "places must ascend"
    assert all(0 <= first < lines for first in firsts), "a place outside the text"
    for marked in (document.wrapped, document.titles):
        assert all(0 <= number < lines for number in marked), "a mark on a line that the text does not have"
    assert all(len(note.splitlines()) == 1 for note in document.notes), "a note is one line"
