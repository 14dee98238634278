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
_SAMPLE = 1 << 16


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


_HIGH = bytes(range(128, 256))


def _wide(data: bytes) -> str:
    """UTF-16 without a mark, if every second byte is mostly zero: Latin text."""
    head = data[:8192]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < 0.2 * len(head) or min(even, odd) > 0.02 * len(head):
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


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
    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"
