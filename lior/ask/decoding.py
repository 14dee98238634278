"""Bytes to text: UTF-8 first, then byte order marks, UTF-16, and at last the most probable encoding."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from lior.errors import DataError

_MARKS = (
    (BOM_UTF8, "utf-8-sig"),
    (BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_CONTROL = bytes({*range(32), 127} - set(b"\b\t\n\f\r\x1b"))
"""Bytes that text does not have; terminals and printers use the others."""
_HIGH = bytes(range(128, 256))
_SAMPLE = 1 << 16
_COMMON = ("cp1252", "cp1251", "gb18030", "cp932", "cp949", "big5")
"""What files have most often, where several encodings are as probable: few words tell little."""


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of ``data``, and notes on how it was understood: none for whole UTF-8.

    ``\\r\\n`` becomes ``\\n``; all else is kept, a lone ``\\r`` and a form feed included. Bytes that the encoding
    does not have become U+FFFD.

    Raises
    ------
    DataError
        When it is not text.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "") or _wide(data)
    if not encoding:
        _refuse_binary(data)
        encoding = "utf-8"
    text = data.decode(encoding, "replace")
    notes = () if encoding.startswith("utf-8") else (f"read as {encoding.upper()}",)
    wrong = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    if wrong > 0 and encoding == "utf-8" and 20 * wrong > len(data) - len(data.translate(None, _HIGH)):
        encoding = _guess(data)
        text = data.decode(encoding, "replace")
        notes = (f"not UTF-8; read as {encoding}, the most probable encoding",)
    elif wrong > 0:
        notes = (*notes, f"{wrong} bytes are not {encoding.upper()} and stand as U+FFFD")
    return text.replace("\r\n", "\n"), notes


def _wide(data: bytes) -> str:
    """UTF-16 without a mark: half of the bytes have few values, and what they stand for can be printed."""
    head = data[: 8192 & ~1]
    if b"\0" not in head or len(data) % 2:
        return ""
    for half, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if sum(sorted(map(half.count, set(half)))[-2:]) >= 0.8 * len(half):
            text = head.decode(encoding, "replace")
            if sum(1 for c in text if not (c.isprintable() or c.isspace())) <= 0.02 * len(text):
                return encoding
    return ""


def _refuse_binary(data: bytes) -> None:
    if b"\0" in data:
        raise DataError("binary data (it has null bytes)")
    head = data[:_SAMPLE]
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > 0.02 * len(head):
        raise DataError(f"binary data ({control / len(head):.0%} of its bytes are control characters)")


def _guess(data: bytes) -> str:
    """The most probable encoding of text that is not UTF-8, as Python names it."""
    from charset_normalizer import from_bytes

    # lines of plain ASCII tell nothing, and cost time
    sample = b"\n".join(re.findall(rb"[^\n]*[\x80-\xff][^\n]*", data[: 1 << 22]))[:_SAMPLE]
    found = list(from_bytes(sample))
    equal = {
        name
        for each in found
        if each.chaos <= found[0].chaos and each.coherence >= found[0].coherence - 0.05
        for name in each.could_be_from_charset
    }
    return next((name for name in _COMMON if name in equal), found[0].encoding if found else "cp1252")
