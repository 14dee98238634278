"""Tags of TIFF files, which are EXIF's too: read, written into another file, and put right in place.

Tagged Image File Format 6.0 (1992) and Exif 2.32 (CIPA DC-008): a header with the byte order, and folders of
entries (number, type, count, and the value or its offset). BigTIFF has another header and is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

ORIENTATION, WIDTH, HEIGHT, XMP, ICC = 0x0112, 0xA002, 0xA003, 700, 34675
BITS, PHOTOMETRIC, CHANNELS, SAMPLE_FORMAT = 258, 262, 277, 339
_EXIF, _FOLDERS = 0x8769, (0x8769, 0x8825, 0xA005)
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
_PIXELS = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317}
    | {*range(320, 326), 330, *range(332, 342), 347, *range(512, 522), *range(529, 533), 37724}
    | {33421, 33422, *range(50706, 52600)}
)
"""Tags that describe how pixels are stored, also of raw files (DNG), and Photoshop's layers (37724)."""
MOST = 65527
"""Maximum number of bytes of EXIF in a JPEG file."""


@attrs.frozen
class Tag:
    """A value as it is stored, low byte first, or a folder of tags."""

    kind: int
    count: int
    value: bytes | Mapping[int, Tag]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The integers of a value; empty for other types."""
        form = {1: "B", 3: "H", 4: "I"}.get(self.kind)
        if form is None or not isinstance(self.value, bytes):
            return ()
        return struct.unpack(f"<{self.count}{form}", self.value)


def parse(data: bytes) -> dict[int, Tag]:
    """The first folder of tags; raises ``ValueError`` when there is none or it is damaged."""
    order, at = _header(data)
    return _folder(data, order, at, depth=0)


def pages(data: bytes) -> int:
    """Return the number of pictures in a TIFF file; raises ``ValueError`` when it is damaged."""
    order, at = _header(data)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        at = _next(data, order, at)
    return len(seen)


def _header(data: bytes) -> tuple[str, int]:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None or len(data) < 8:
        raise ValueError("no tags of TIFF")
    return order, struct.unpack_from(f"{order}I", data, 4)[0]


def _entries(data: bytes, order: str, at: int) -> range:
    if at + 2 > len(data):
        raise ValueError("a folder of tags is outside of the file")
    (count,) = struct.unpack_from(f"{order}H", data, at)
    if at + 2 + 12 * count > len(data):
        raise ValueError("a folder of tags is cut off")
    return range(at + 2, at + 2 + 12 * count, 12)


def _next(data: bytes, order: str, at: int) -> int:
    end = _entries(data, order, at).stop
    return struct.unpack_from(f"{order}I", data, end)[0] if end + 4 <= len(data) else 0


def _folder(data: bytes, order: str, at: int, *, depth: int) -> dict[int, Tag]:
    found: dict[int, Tag] = {}
    for entry in _entries(data, order, at):
        number, kind, count = struct.unpack_from(f"{order}HHI", data, entry)
        length = _SIZES.get(kind, 0) * count
        if not length:
            continue
        where = entry + 8 if length <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        if where + length > len(data):
            raise ValueError(f"tag {number} is outside of the file")
        if number in _FOLDERS and depth < 2:
            inner = struct.unpack_from(f"{order}I", data, entry + 8)[0]
            found[number] = Tag(4, 1, _folder(data, order, inner, depth=depth + 1))
            continue
        value = bytes(data[where : where + length])
        if order == ">" and kind in _SWAPPED:
            value = np.frombuffer(value, f">u{_SWAPPED[kind]}").byteswap().tobytes()
        found[number] = Tag(kind, count, value)
    return found


def kept(found: Mapping[int, Tag]) -> dict[int, Tag]:
    """Return the tags without those that describe how pixels are stored."""
    return {number: tag for number, tag in found.items() if number not in _PIXELS}


def blob(found: Mapping[int, Tag]) -> bytes:
    """A file of tags alone, as EXIF is."""
    return b"II*\0" + struct.pack("<I", 8) + _build(found, 8)


def _build(found: Mapping[int, Tag], at: int) -> bytes:
    """A folder that begins at ``at``, with the values behind it."""
    head = 2 + 12 * len(found) + 4
    rows, body = [], bytearray()
    for number, tag in sorted(found.items()):
        body += bytes((at + head + len(body)) % 2)
        where = at + head + len(body)
        if isinstance(tag.value, bytes):
            value, more = tag.value, tag.value
        else:
            value, more = struct.pack("<I", where), _build(tag.value, where)
        if isinstance(tag.value, bytes) and len(value) <= 4:
            more = b""
        elif isinstance(tag.value, bytes):
            value = struct.pack("<I", where)
        rows.append(struct.pack("<HHI", number, tag.kind, tag.count) + value.ljust(4, b"\0"))
        body += more
    return struct.pack("<H", len(found)) + b"".join(rows) + bytes(4) + bytes(body)


def into_tiff(encoded: bytes, more: Mapping[int, Tag]) -> bytes:
    """A TIFF file, low byte first and of one page, with these tags beside its own."""
    whole = encoded + bytes(len(encoded) % 2)
    folder = _build({**parse(encoded), **more}, len(whole))
    return whole[:4] + struct.pack("<I", len(whole)) + whole[8:] + folder


def orientation(data: bytes | None) -> int:
    """Return the orientation, 1 to 8; 1 if there is no valid tag."""
    try:
        found = {} if data is None else parse(data)
    except ValueError:
        found = {}
    value = found[ORIENTATION].numbers[:1] if ORIENTATION in found else ()
    return value[0] if value and 1 <= value[0] <= 8 else 1


def unturned(data: bytes) -> bytes:
    """Set the orientation of a TIFF file to 1, since Pillow and OpenCV would turn it; leave others."""
    try:
        order, at = _header(data)
    except ValueError:
        return data
    out = bytearray(data)
    for number, entry in _place(data, order, at):
        if number == ORIENTATION:
            struct.pack_into(f"{order}H", out, entry + 8, 1)
    return bytes(out)


def correct(exif: bytes, width: int, height: int, thumbnail: Callable[[int], bytes]) -> bytes:
    """EXIF with the sizes and the small picture of another photograph; all else stays where it is.

    Makers' notes know where they are, so nothing is moved: what is longer than before goes to the end.

    Parameters
    ----------
    thumbnail
        The small picture as JPEG, at most so many bytes; empty where it cannot be that short.
    """
    out = bytearray(exif)
    try:
        order, first = _header(exif)
        entries = dict(_place(exif, order, first))
        if _EXIF in entries:
            inner = struct.unpack_from(f"{order}I", exif, entries[_EXIF] + 8)[0]
            for number, entry in _place(exif, order, inner):
                kind = struct.unpack_from(f"{order}H", exif, entry + 2)[0]
                if number in (WIDTH, HEIGHT) and kind in (3, 4):
                    value = width if number == WIDTH else height
                    struct.pack_into(f"{order}{'H' if kind == 3 else 'I'}", out, entry + 8, value)
        second = _next(exif, order, first)
        if second:
            _new_thumbnail(out, order, _entries(exif, order, first).stop, second, thumbnail)
    except (ValueError, struct.error):
        return exif  # damaged: it is kept as it is
    return bytes(out)


def _place(data: bytes, order: str, at: int) -> list[tuple[int, int]]:
    return [(struct.unpack_from(f"{order}H", data, entry)[0], entry) for entry in _entries(data, order, at)]


def _new_thumbnail(
    out: bytearray, order: str, link: int, second: int, thumbnail: Callable[[int], bytes]
) -> None:
    entries: dict[int, Any] = dict(_place(bytes(out), order, second))
    made, where = b"", 0
    if _THUMBNAIL in entries and _THUMBNAIL_LENGTH in entries:
        where, length = (
            struct.unpack_from(f"{order}I", out, entries[number] + 8)[0]
            for number in (_THUMBNAIL, _THUMBNAIL_LENGTH)
        )
        made = thumbnail(max(length, MOST - len(out)))
        if len(made) > length:
            where = len(out)
    if not made:  # of another kind, or without room: none is better than a wrong one
        struct.pack_into(f"{order}I", out, link, 0)
        return
    out[where : where + len(made)] = made
    struct.pack_into(f"{order}I", out, entries[_THUMBNAIL] + 8, where)
    struct.pack_into(f"{order}I", out, entries[_THUMBNAIL_LENGTH] + 8, len(made))
