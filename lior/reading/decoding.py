"""Bytes to text: UTF-8 first, then byte order marks, UTF-16, and at last the most probable encoding."""

from __future__ import annotations

import codecs
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import Counter
from collections.abc import Callable
from io import BytesIO

from lior.reading.skipping import SkipReason, UnreadableFile

_MARKS = (
    (BOM_UTF8, "utf-8-sig"),
    (BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_CONTROL = bytes({*range(32), 127} - set(b"\b\t\n\f\r\x1b"))
"""Control characters that do not occur in text; terminals and printers use the others."""
_NULLS = "it has null bytes"
_HIGH = bytes(range(128, 256))
_SAMPLE = 1 << 16
_NAME = re.compile(rb"(?:coding[:=]\s*|encoding=|charset=)[\"']?([a-zA-Z][\w.-]+)")
_ESCAPES = ("punycode", "idna", "unicode-escape", "raw-unicode-escape")  # the first takes quadratic time
_WIDE = ["utf_7", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]
_JAPANESE = [
    "cp932",
    "euc_jis_2004",
    "euc_jisx0213",
    "euc_jp",
    "shift_jis",
    "shift_jis_2004",
    "shift_jisx0213",
]
_CHINESE = ["big5", "big5hkscs", "cp950", "gb18030", "gb2312", "gbk", "hz"]
_MULTIBYTE = [*_JAPANESE, *_CHINESE, "cp949", "euc_kr", "johab"]
_KANA_SHARE = 0.25
"""The minimum share of kana among the characters that are not ASCII; a Japanese text has as many, unless it
consists of names alone.
"""
_EBCDIC = ["cp037", "cp1026", "cp1140", "cp273", "cp424", "cp500", "cp875"]
"""Encodings that are not supersets of ASCII: lines would end where the file has no line feed."""
_RARE = [
    "cp720", "cp775", "cp856", "cp860", "cp861", "cp862", "cp863", "cp864", "cp865", "cp869", "cp1006",
    "cp1125", "hp_roman8", "iso8859_3", "iso8859_4", "iso8859_10", "iso8859_13", "iso8859_14", "iso8859_16",
    "koi8_t", "kz1048", "mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_turkish", "ptcp154",
    "tis_620",
]  # fmt: skip
"""Encodings that few files have; a short text with "é" and "€" is likelier in one of them than in its own."""
_DOS = ["cp437", "cp850", "cp852", "cp855", "cp857", "cp858", "cp866"]
_ODD = re.compile(r"[^\W\d_][^\w\s!-~’–—·][^\W\d_]")
"""A sign within a word, as in "W‰hrung": the text is in another encoding."""
_COMMON = ("cp1252", "cp1251", "koi8_r", "gb18030", "cp932", "cp949", "big5")
"""The most frequent encodings, preferred where several are equally probable, as they are for a few words."""


def decode_text(data: bytes, *, entries: bool = False) -> tuple[str, tuple[str, ...]]:
    """Return the text of ``data``, and notes on how it was decoded: none for whole UTF-8.

    ``\\r\\n`` becomes ``\\n``; all else is kept, a lone ``\\r`` and a form feed included. Bytes that are
    invalid in the encoding become U+FFFD. In a file of ``entries`` a few lines may have null bytes and
    control characters, so that one odd entry does not cause the loss of the others.

    Raises ``UnreadableFile``, a ``DataError``, when it is not text.
    """
    encoding = _mark(data) or _wide(data)
    notes = (f"read as {encoding.upper()}",) if encoding and encoding != "utf-8-sig" else ()
    if not encoding:
        try:
            refuse_binary(data[:_SAMPLE])
            if b"\0" in data:
                raise UnreadableFile(SkipReason.BINARY, _NULLS)
        except UnreadableFile:
            if not (entries and _most_lines(data, _is_plain, times=3)):
                raise
            nulls = data.count(b"\0")
            notes = (f"{nulls} null bytes stand as U+FFFD",) if nulls else ()
            data = data.replace(b"\0", b"\xef\xbf\xbd")
        encoding = "utf-8"
    text = data.decode(encoding, "replace")
    wrong = text.count("\ufffd") - (data.count(b"\xef\xbf\xbd") if encoding.startswith("utf-8") else 0)
    if (
        wrong
        and encoding == "utf-8"
        and 20 * wrong > len(data) - len(data.translate(None, _HIGH))
        and not _most_lines(data, is_utf8, among=lambda line: not line.isascii())
    ):
        encoding, how = _name(data) or _guess(data)
        text, notes = data.decode(encoding, "replace"), (*notes, f"not UTF-8; read as {encoding}, {how}")
        wrong = text.count("\ufffd")
    if wrong:
        notes = (*notes, f"{wrong} characters are not {encoding.upper()} and stand as U+FFFD")
    return text.replace("\r\n", "\n"), notes


def beginning(data: bytes, most: float, lines: float) -> bytes:
    """Return the beginning of a text up to the end of a line or word: at most ``most`` bytes and ``lines``
    lines.
    """
    end = int(min(most, len(data)))
    if data.count(b"\n", 0, end) > lines:
        end = 0
        for _ in range(int(lines)):
            end = data.find(b"\n", end) + 1
    if end == len(data):
        return data
    end = next((at + 1 for mark in (b"\n", b" ") if (at := data.rfind(mark, end // 2, end)) >= 0), end)
    if (_mark(data) or _wide(data)) not in ("", "utf-8-sig"):
        return data[: end // 4 * 4]
    lead = next((at for at in range(end, max(end - 4, 0), -1) if data[at] & 0xC0 != 0x80), end)
    return data[:lead]  # do not cut a character


def _most_lines(
    data: bytes,
    whole: Callable[[bytes], bool],
    among: Callable[[bytes], bool] = lambda _: True,
    times: int = 1,
) -> bool:
    """Return whether ``whole`` holds for at least ``times`` as many distinct lines of ``data`` as it fails
    for; only lines with ``among`` count.
    """
    counts = Counter({hash(line): whole(line) for line in BytesIO(data) if among(line)}.values())
    return counts[True] >= times * counts[False]


def _is_plain(line: bytes) -> bool:
    return line == line.translate(None, _CONTROL)


def is_utf8(data: bytes) -> bool:
    """Return whether the bytes are UTF-8 text as they are, without null bytes."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def refuse_binary(head: bytes) -> None:
    """Raise ``UnreadableFile`` if ``head``, the beginning of a file, is not of a text in any encoding."""
    if _mark(head) or _wide(head):
        return
    if head.startswith(b"PK\x03\x04"):
        raise UnreadableFile(SkipReason.BINARY, "a zip archive; unpack it into a folder")
    if b"\0" in head:
        raise UnreadableFile(SkipReason.BINARY, _NULLS)
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > 0.02 * len(head):
        share = f"{control / len(head):.0%} of its bytes are control characters"
        raise UnreadableFile(SkipReason.BINARY, share)


def _mark(data: bytes) -> str:
    name = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    wide = name in ("utf-16", "utf-32")
    return "" if wide and b"\0" not in data[:_SAMPLE] and is_utf8(data[2:]) else name  # two odd bytes


def _wide(data: bytes) -> str:
    """Return the name of UTF-16 without a byte order mark: one half of the bytes has few values, and the text
    has words; empty for other data.
    """
    head = data[: 8192 & ~1]
    if b"\0" not in head or len(data) % 2 or len(data) < 16:
        return ""
    for half, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if sum(sorted(map(half.count, set(half)))[-2:]) >= 0.8 * len(half):
            text = head.decode(encoding, "replace")
            if {" ", "\n"} & set(text) and all(c.isprintable() or c.isspace() for c in text.rstrip("\ufffd")):
                return encoding
    return ""


def _name(data: bytes) -> tuple[str, str] | None:
    """Return the encoding that the text itself names: XML, HTML, source code."""
    if not (match := _NAME.search(data[:2048])):
        return None
    name = match[1].decode()
    try:
        if codecs.lookup(name).name in _ESCAPES:
            return None
        if match[0].decode(name) != match[0].decode("ascii"):
            return None
        data.decode(name)
    except (UnicodeError, LookupError):
        return None  # the declaration is wrong
    return name, "which it names"


def _guess(data: bytes) -> tuple[str, str]:
    """Return the most probable encoding, as Python names it."""
    from charset_normalizer import from_bytes

    # lines of plain ASCII carry no information about the encoding and cost time
    sample = b"\n".join(re.findall(rb"[^\n]*[\x80-\xff][^\n]*", data[: 1 << 22]))[:_SAMPLE]
    runs = re.findall(rb"[\x80-\xff]+", sample)
    single = len(b"".join(runs)) < 1.5 * len(runs)  # lone bytes between letters: one byte is one character
    japanese, narrow = _kana(sample)
    if japanese:
        return japanese, "the most probable encoding"
    excluded = [*_WIDE, *_EBCDIC, *_RARE, *(_MULTIBYTE if single else _JAPANESE if narrow else ())]
    if not _ODD.search(sample.decode("cp1252", "replace")):
        excluded += [*_DOS, *(["mac_roman"] if _ODD.search(sample.decode("mac_roman")) else ())]
    found = list(from_bytes(sample, cp_exclusion=excluded))
    equal = {
        name
        for each in found
        if each.chaos <= found[0].chaos and each.coherence >= found[0].coherence - 0.05
        for name in each.could_be_from_charset
    }
    best = next((name for name in _COMMON if name in equal), found[0].encoding if found else "cp1252")
    return best, "the most probable encoding"


def _kana(sample: bytes) -> tuple[str, bool]:
    """Return the Japanese encoding in which much of a text is kana, and whether in Shift JIS much is
    half-width kana. Bytes of other languages seldom decode to kana, but often to half-width kana.
    """
    narrow = False
    for encoding in ("cp932", "euc_jp"):
        text = re.sub("[\0-\x7f]", "", sample.decode(encoding, "replace"))
        share = _KANA_SHARE * len(text)
        narrow |= len(re.findall("[\uff61-\uff9f]", text)) > share
        if len(re.findall("[\u3041-\u30fe]", text)) > share and text.count("\ufffd") <= len(text) / 50:
            return encoding, narrow
    return "", narrow
