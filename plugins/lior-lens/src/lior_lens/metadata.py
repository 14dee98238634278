"""The metadata of a photograph, read from one file and put into another.

Between files of one kind all of it is kept. Pillow writes the segments of JPEG (EXIF, XMP, colour profile,
IPTC, comment) and WebP's metadata. Chunks of PNG and tags of TIFF are written here, since Pillow writes no
colours of 16 bits a channel. The description of how pixels are stored is the new file's own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from lior_lens import tags

_EXIF, _FURTHER = b"Exif\0\0", b"MPF\0"
_STORAGE = ("APP0", "APP14")
"""Segments of a JPEG file that its encoder writes: density and colour transform."""
_APP0, _COM = 0xE0, 0xFE
_LONGEST_XMP = 65502
"""Bytes of XMP that a JPEG file has room for."""
_CHUNKS = frozenset(b"gAMA cHRM sRGB iCCP cICP mDCV cLLI pHYs eXIf tEXt zTXt iTXt tIME".split())
"""Types of PNG chunks that do not describe how pixels are stored."""
_XMP_KEYWORD = b"XML:com.adobe.xmp\0\0\0\0\0"
_INCH = 0.0254


@attrs.frozen(kw_only=True, eq=False)
class KeptMetadata:
    """The metadata of a file that is kept."""

    exif: bytes | None = None
    """As a file of tags, without a JPEG file's ``Exif`` before it."""
    icc: bytes | None = None
    """The colour profile."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    segments: bytes | None = None
    """The other segments of a JPEG file, one after the other."""
    chunks: tuple[tuple[bytes, bytes], ...] | None = None
    """The type and content of a PNG file's chunks."""

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


def of(
    content: bytes, format: str, info: Mapping[Any, Any], segments: Iterable[tuple[str, bytes]] = ()
) -> KeptMetadata:
    """Return the metadata of a file.

    ``info``, ``segments``: Pillow's ``Image.info``, and of a JPEG file its ``applist``.
    """
    if format == "TIFF":
        return of_tags(content)
    exif, dpi = info.get("exif"), info.get("dpi")
    return KeptMetadata(
        exif=exif.removeprefix(_EXIF) if exif else None,
        icc=info.get("icc_profile"),
        xmp=info.get("xmp"),
        dpi=dpi and (float(dpi[0]), float(dpi[1])),
        segments=b"".join(_kept_segments(segments)) if format == "JPEG" else None,
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


def _kept_segments(segments: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, body in segments:
        if name in _STORAGE or body.startswith((_EXIF, _FURTHER)):
            continue
        marker = _COM if name == "COM" else _APP0 + int(name.removeprefix("APP"))
        yield struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_options(kept: KeptMetadata) -> dict[str, Any]:
    """Return the metadata as options of Pillow's JPEG encoder; what is too long for JPEG is dropped."""
    found: dict[str, Any] = {"dpi": kept.dpi} if kept.dpi else {}
    if kept.exif and len(kept.exif) <= tags.MOST:
        found["exif"] = _EXIF + kept.exif
    if kept.segments is not None:
        return found | {"extra": kept.segments}
    if kept.xmp and len(kept.xmp) <= _LONGEST_XMP:
        found["xmp"] = kept.xmp
    return found | ({"icc_profile": kept.icc} if kept.icc else {})


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
