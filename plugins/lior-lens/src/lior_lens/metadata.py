"""What a file says about its photograph, beside the pixels: taken from one file and put into another.

Between files of one kind all of it is kept, byte by byte: segments of JPEG (EXIF, XMP, colour profile, IPTC,
comment, density), chunks of PNG, tags of TIFF. What describes how pixels are stored is the new file's own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from lior_lens import tags

_EXIF, _XMP, _ICC, _FURTHER = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"MPF\0"
_APP0, _APP1, _APP2, _APP14, _APP15, _COM, _SOS = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE, 0xDA
_CHUNKS = frozenset(b"gAMA cHRM sRGB iCCP cICP mDCV cLLI pHYs eXIf tEXt zTXt iTXt tIME".split())
"""Those that say nothing of how pixels are stored."""
_XMP_KEYWORD = b"XML:com.adobe.xmp\0\0\0\0\0"
_INCH = 0.0254


@attrs.frozen(kw_only=True, eq=False)
class KeptMetadata:
    """What is kept of a file."""

    exif: bytes | None = None
    """As a file of tags, without a JPEG file's ``Exif`` before it."""
    icc: bytes | None = None
    """The colour profile."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    segments: tuple[tuple[int, bytes], ...] | None = None
    """Of a JPEG file: marker and content."""
    chunks: tuple[tuple[bytes, bytes], ...] | None = None
    """Of a PNG file: kind and content."""

    def tags(self) -> dict[int, tags.Tag]:
        """All of it as tags of TIFF."""
        try:
            found = {} if self.exif is None else tags.kept(tags.parse(self.exif))
        except ValueError:
            found = {}
        if self.icc:
            found[tags.ICC] = tags.Tag(7, len(self.icc), self.icc)
        if self.xmp:
            found[tags.XMP] = tags.Tag(1, len(self.xmp), self.xmp)
        return found

    def corrected(self, width: int, height: int, thumbnail: Callable[[int], bytes]) -> KeptMetadata:
        """The same for the corrected picture: see :func:`lior_lens.tags.correct`."""
        if self.exif is None:
            return self
        return attrs.evolve(self, exif=tags.correct(self.exif, width, height, thumbnail))


def of(content: bytes, format: str, info: Mapping[Any, Any]) -> KeptMetadata:
    """What a file has beside its pixels; ``info`` is what Pillow found."""
    if format == "TIFF":
        return of_tags(content)
    exif, dpi = info.get("exif"), info.get("dpi")
    return KeptMetadata(
        exif=exif.removeprefix(_EXIF) if exif else None,
        icc=info.get("icc_profile"),
        xmp=info.get("xmp"),
        dpi=dpi and (float(dpi[0]), float(dpi[1])),
        segments=tuple(_segments(content)) if format == "JPEG" else None,
        chunks=tuple(_chunks(content)) if format == "PNG" else None,
    )


def of_tags(content: bytes, *, upright: bool = False) -> KeptMetadata:
    """The tags of a TIFF or raw file; none where they cannot be read.

    Parameters
    ----------
    upright
        The pixels were turned already.
    """
    try:
        found = tags.kept(tags.parse(content))
    except ValueError:
        return KeptMetadata()
    icc, xmp = found.pop(tags.ICC, None), found.pop(tags.XMP, None)
    if upright and tags.ORIENTATION in found:
        found[tags.ORIENTATION] = tags.Tag(3, 1, b"\1\0")
    return KeptMetadata(
        exif=tags.blob(found) if found else None,
        icc=None if icc is None else bytes(icc.value),
        xmp=None if xmp is None else bytes(xmp.value),
    )


# --- JPEG: ITU-T T.81, annex B ---


def _all_segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Begin, marker and content of the segments before the pixels."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _SOS:
            return
        length = struct.unpack_from(">H", content, at + 2)[0]
        yield at, marker, content[at + 4 : at + 2 + length]
        at += 2 + length


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    for _, marker, body in _all_segments(content):
        stored = marker == _APP14 or (marker == _APP0 and not body.startswith(b"JFIF\0"))
        if (_APP0 <= marker <= _APP15 or marker == _COM) and not stored and not body.startswith(_FURTHER):
            yield marker, body[:12] + b"\0\0" if marker == _APP0 else body  # without JFIF's small picture


def into_jpeg(encoded: bytes, kept: KeptMetadata) -> bytes:
    """A JPEG file with what is kept in place of its own."""
    first = tuple(_made_segments(kept)) if kept.segments is None else kept.segments
    out = [b"\xff\xd8"]
    for marker, body in first:
        if marker == _APP1 and body.startswith(_EXIF) and kept.exif is not None:
            body = _EXIF + kept.exif
        out.append(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    own = 2
    for at, marker, body in _all_segments(encoded):
        if marker == _APP0:
            own = at + 4 + len(body)
            if kept.segments is None:
                out.insert(1, encoded[at:own])
    return b"".join([*out, encoded[own:]])


def _made_segments(kept: KeptMetadata) -> Iterator[tuple[int, bytes]]:
    if kept.exif and len(kept.exif) <= tags.MOST:
        yield _APP1, _EXIF + kept.exif
    if kept.xmp and len(kept.xmp) <= 65502:
        yield _APP1, _XMP + kept.xmp
    parts = [kept.icc[at : at + 65519] for at in range(0, len(kept.icc), 65519)] if kept.icc else []
    for number, part in enumerate(parts, 1):
        yield _APP2, _ICC + bytes([number, len(parts)]) + part


# --- PNG: third edition, 2025 ---


def _all_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, content[at + 8 : at + 8 + length]
        at += 12 + length


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((kind, body) for kind, body in _all_chunks(content) if kind in _CHUNKS)


def into_png(encoded: bytes, kept: KeptMetadata) -> bytes:
    """A PNG file with what is kept behind its first chunk."""
    first = tuple(_made_chunks(kept)) if kept.chunks is None else kept.chunks
    end = 8 + 25
    more = []
    for kind, body in first:
        if kind == b"eXIf" and kept.exif is not None:
            body = kept.exif
        whole = kind + body
        more.append(struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole)))
    return b"".join([encoded[:end], *more, encoded[end:]])


def _made_chunks(kept: KeptMetadata) -> Iterator[tuple[bytes, bytes]]:
    if kept.icc:
        yield b"iCCP", b"profile\0\0" + zlib.compress(kept.icc)
    if kept.dpi:
        yield b"pHYs", struct.pack(">IIB", *(round(each / _INCH) for each in kept.dpi), 1)
    if kept.exif:
        yield b"eXIf", kept.exif
    if kept.xmp:
        yield b"iTXt", _XMP_KEYWORD + kept.xmp


def into_tiff(encoded: bytes, kept: KeptMetadata) -> bytes:
    """A TIFF file with what is kept as tags beside its own."""
    return tags.into_tiff(encoded, kept.tags())
