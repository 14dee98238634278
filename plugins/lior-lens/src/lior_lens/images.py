"""Photographs in files: read with everything that belongs to them, written beside the original, never over
it.

Pixels stay as they are stored; the tag that says how to turn them is kept with them. 16 bits a channel and
floating point are read and written by OpenCV, the rest by Pillow; raw files need the extra ``raw``.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shutil
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from lior.errors import DataError, MissingPackage, UsageError, install_hint
from lior.files import writing
from lior_lens import metadata, tags
from lior_lens.geometry import Size
from lior_lens.metadata import KeptMetadata

RAW = frozenset({".nef", ".cr2", ".cr3", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"})
UNREAD = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".psd", ".psb", ".xcf", ".exr", ".hdr", ".svg", ".eps", ".ai", ".cdr"}
)
"""Suffixes of pictures that are recognised, but not read."""
_ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm", ".pnm", ".pfm"),
}
"""File types that are written, with their suffixes; the first one is the default."""
READ = frozenset(each for endings in _ENDINGS.values() for each in endings) | {".gif", ".jp2", ".pbm"} | RAW
_OPENED = (*_ENDINGS, "GIF", "JPEG2000")
_HOLDS = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("L", "LA", "RGB", "RGBA"),
    "WEBP": ("L", "LA", "RGB", "RGBA"),
    "TIFF": ("L", "LA", "RGB", "RGBA", "CMYK"),
    "BMP": ("L", "RGB"),
    "PPM": ("L", "RGB"),
}
_COMPRESSIONS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd")
_PFM = (b"Pf\n", b"PF\n")
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(
    rb"P(?P<kind>[2356])" + _GAP + rb"(?P<width>\d+)" + _GAP + rb"(?P<height>\d+)" + _GAP + rb"(?P<top>\d+)\s"
)
_DEEP = ("PNG", "TIFF", "PPM")
_SMALL = 160
"""Long side of the EXIF thumbnail, in pixels."""
_BYTES_A_PIXEL = 4.0
"""Memory for each byte of a picture: decoded, resampled, encoded, and Pillow's own copy."""

Pixels = NDArray[np.generic]


@attrs.frozen(kw_only=True, eq=False)
class Photo:
    """A photograph as it is stored."""

    pixels: Pixels
    """``[height, width]`` or ``[height, width, channels]`` of uint8, uint16 or float32, as ``mode`` says."""
    mode: str
    """Pillow's name of the channels: L, LA, RGB, RGBA or CMYK."""
    format: str
    """Pillow's name of the kind of file."""
    width: int
    height: int
    """The height of the whole picture in pixels, as is ``width``; ``pixels`` may show it smaller."""
    kept: KeptMetadata = attrs.field(factory=KeptMetadata)
    orientation: int = 1
    """The orientation tag of EXIF, 1 to 8."""
    subsampling: int = 0
    """The chroma subsampling of a JPEG file: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    lossless: bool = False
    """Whether a WebP file was compressed without loss."""
    compression: str | None = None
    """The compression of a TIFF file, by its name in Pillow."""
    note: str = ""
    """Parts of the file that are not kept, in words."""

    def upright(self) -> NDArray[np.uint8]:
        """The picture as it is to be looked at: ``[height, width, 3]`` of uint8."""
        return turn(_rgb(self), self.orientation)

    @property
    def size(self) -> Size:
        """The size of the whole picture, upright."""
        wide, high = (self.width, self.height) if self.orientation <= 4 else (self.height, self.width)
        return Size(width=wide, height=high)

    @property
    def memory(self) -> int:
        """The memory that the correction of the whole picture needs, in bytes."""
        bytes_a_pixel = self.pixels.nbytes // max(1, self.pixels.shape[0] * self.pixels.shape[1])
        return int(self.width * self.height * bytes_a_pixel * _BYTES_A_PIXEL)


def read(path: Path, *, least: int | None = None) -> Photo:
    """Read a photograph.

    Parameters
    ----------
    least
        A long side that is enough: JPEG files are then decoded at a half, a quarter or an eighth where that
        has as many pixels, which takes a quarter of the time, and raw files at a half.

    Raises ``DataError`` in one line, when there is no photograph in the file, it is animated, or it does not
    fit into memory; ``MissingPackage`` for raw files without the extra.
    """
    if path.suffix.lower() in RAW:
        return _raw(path, half=least is not None)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty, 0 bytes")
        content = path.read_bytes()
        deep = _light(path, content) if content[:3] in _PFM else _deep_tiff(path, content)
        if deep is not None:
            return deep
        plain = tags.unturned(content)
        with _quiet, Image.open(io.BytesIO(plain), formats=_OPENED) as image:
            return _read(path, content, image, least)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path}: no picture that can be read ({_kind(path)})") from None
    except MemoryError:
        raise DataError(f"{path}: too large for the memory that is free") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read: {said}") from error


def _kind(path: Path) -> str:
    if path.suffix.lower() in UNREAD:
        return f"{path.suffix[1:].upper()} is not read; save it as TIFF, PNG or JPEG"
    return "its content is of another kind"


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name, or else by its first bytes."""
    if path.suffix.lower() in READ | UNREAD:
        return True
    try:
        with _quiet, Image.open(path, formats=_OPENED):
            return True
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError):
        return False


class _Quiet:
    """Without warnings of Pillow and OpenCV and Pillow's limit of size; several threads may be inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._outside = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._outside.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                self._outside.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
                self._outside.callback(cv2.utils.logging.setLogLevel, cv2.utils.logging.getLogLevel())
                cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._outside.close()


_quiet = _Quiet()


def _read(path: Path, content: bytes, image: Image.Image, least: int | None) -> Photo:
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    frames, note = getattr(image, "n_frames", 1), ""
    if frames > 1 and image.format != "MPO":
        what = f"{frames} pages" if kind == "TIFF" else f"animated, {frames} pictures"
        raise DataError(f"{path}: {what}; only single ones are corrected")
    if frames > 1:
        note = f"{frames - 1} more in the file (previews, depth) not kept"
    width, height = image.size
    _check_memory(path, width, height, len(image.getbands()) * (2 if image.mode.startswith("I;16") else 1))
    kept = metadata.of(content, kind, image.info, getattr(image, "applist", ()))
    orientation = tags.orientation(kept.exif)
    known: dict[str, Any] = {
        "format": kind,
        "kept": kept,
        "note": note,
        "width": width,
        "height": height,
        "orientation": orientation,
        "compression": image.info.get("compression"),
        "lossless": kind == "WEBP" and b"VP8L" in content[: 1 << 16],
        "subsampling": max(0, JpegImagePlugin.get_sampling(image)),
    }
    deep = _deep(path, content, image)
    if deep is not None:
        return Photo(pixels=deep, mode=_mode(deep), **known)
    if least is not None and kind == "JPEG":
        share = least / max(width, height)
        image.draft(None, (int(width * share) + 1, int(height * share) + 1))
    mode = image.mode if image.mode in _HOLDS["TIFF"] else "RGBA" if "transparency" in image.info else "RGB"
    if image.mode == "1":
        mode = "L"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return Photo(pixels=pixels, mode=mode, **known)


def _deep(path: Path, content: bytes, image: Image.Image) -> Pixels | None:
    """The pixels of a PNG, PPM or JPEG 2000 file with more than 8 bits a channel, else ``None``.

    Pillow would cut colours down to 8 bits.
    """
    if image.format == "PPM":
        return _deep_pnm(path, content)
    if image.format == "JPEG2000" or (image.format == "PNG" and content[24] == 16):
        found = _by_opencv(path, content)
        return None if found.dtype == np.uint8 else found
    return None


def _deep_pnm(path: Path, content: bytes) -> Pixels | None:
    """16 bits of a file of Netpbm, whose brightest value may be any number, made to end at 65,535."""
    head = _PNM.match(content)
    if head is None or int(head["top"]) <= 255:
        return None
    width, height, top = (int(head[name]) for name in ("width", "height", "top"))
    shape = (height, width, 3) if head["kind"] == b"6" else (height, width)
    if head["kind"] in b"23" or len(content) - head.end() < 2 * math.prod(shape):
        raise DataError(f"{path}: 16 bits as text, or cut off")
    values = np.frombuffer(content, ">u2", math.prod(shape), head.end()).reshape(shape)
    return (np.minimum(values, top) * (65535 / top) + 0.5).astype(np.uint16)


def _by_opencv(path: Path, content: bytes) -> Pixels:
    with _quiet:
        found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype not in (np.uint8, np.uint16, np.float32):
        raise DataError(f"{path}: more than 8 bits a channel in a form that cannot be read")
    if found.ndim == 3 and found.shape[2] not in (3, 4):
        raise DataError(f"{path}: {found.shape[2]} channels of more than 8 bits; 1, 3 and 4 can be read")
    if found.ndim == 3:
        found = cv2.cvtColor(found, cv2.COLOR_BGR2RGB if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return found


def _deep_tiff(path: Path, content: bytes) -> Photo | None:
    """A TIFF file of 16 bits a channel or 32 bits of floating point; ``None`` for any other file."""
    try:
        found = tags.parse(content)
        count = tags.pages(content)
    except ValueError:
        return None

    def of(number: int, default: int) -> int:
        return max(found[number].numbers or (default,)) if number in found else default

    bits, form, channels = of(tags.BITS, 1), of(tags.SAMPLE_FORMAT, 1), of(tags.CHANNELS, 1)
    if bits <= 8:
        return None
    if (bits, form) not in ((16, 1), (32, 3)) or of(tags.PHOTOMETRIC, 1) not in (1, 2):
        what = f"{bits} bits of {'whole numbers' if form < 3 else 'floating point'}"
        raise DataError(
            f"{path}: TIFF of {what}, colours of kind {of(tags.PHOTOMETRIC, 1)}; read are grey and RGB of 8 "
            "and 16 bits and of 32 bits of floating point"
        )
    if count > 1:
        raise DataError(f"{path}: {count} pages; only single ones are corrected")
    _check_memory(path, of(256, 1), of(257, 1), bits // 8 * channels)
    pixels = _by_opencv(path, tags.unturned(content))
    kept = metadata.of_tags(content)
    return Photo(
        pixels=pixels,
        mode=_mode(pixels),
        format="TIFF",
        width=pixels.shape[1],
        height=pixels.shape[0],
        kept=kept,
        orientation=tags.orientation(kept.exif),
    )


def _light(path: Path, content: bytes) -> Photo:
    pixels = _by_opencv(path, content)
    height, width = pixels.shape[:2]
    return Photo(pixels=pixels, mode=_mode(pixels), format="PPM", width=width, height=height)


def _mode(pixels: Pixels) -> str:
    return "L" if pixels.ndim == 2 else ("RGB", "RGBA")[pixels.shape[2] - 3]


def _raw(path: Path, *, half: bool) -> Photo:
    try:
        import rawpy
    except ImportError as error:
        raise MissingPackage(f"{path}: raw files need rawpy: {install_hint('raw')}") from error
    try:
        with rawpy.imread(str(path)) as file:
            pixels = file.postprocess(output_bps=16, use_camera_wb=True, half_size=half)
        kept = metadata.of_tags(path.read_bytes(), upright=True)
    except (rawpy.LibRawError, OSError) as error:
        raise DataError(f"{path}: no raw file that can be read ({error})") from error
    height, width = (side * (1 + half) for side in pixels.shape[:2])
    return Photo(pixels=pixels, mode="RGB", format="RAW", width=width, height=height, kept=kept)


def _check_memory(path: Path, width: int, height: int, bytes_a_pixel: int) -> None:
    need = int(width * height * bytes_a_pixel * _BYTES_A_PIXEL)
    free = free_memory()
    if free is not None and need > free:
        size = f"{width}x{height}"
        raise DataError(
            f"{path}: too large for the memory that is free ({size} needs {need >> 20} MiB of {free >> 20})"
        )


def free_memory() -> int | None:
    """Return the bytes that this process may still allocate, or ``None`` if unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf(
                "SC_PAGESIZE"
            )
            found.append(max(0, limit - used))
    return min(found) if found else None


# --- turning ---


def turn(pixels: Any, orientation: int) -> Any:
    """Return the pixels upright, as EXIF's orientation describes."""
    out = pixels
    if orientation in (5, 6, 7, 8):
        out = np.swapaxes(out, 0, 1)
    if orientation in (2, 3, 6, 7):
        out = out[:, ::-1]
    if orientation in (3, 4, 7, 8):
        out = out[::-1]
    return np.ascontiguousarray(out)


def turn_back(pixels: Any, orientation: int) -> Any:
    """The inverse of :func:`turn`."""
    return turn(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def _rgb(photo: Photo) -> NDArray[np.uint8]:
    pixels = photo.pixels
    if pixels.dtype == np.float32:
        pixels = _show(pixels)  # type: ignore[arg-type]
    elif pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)  # type: ignore[operator]
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if photo.mode in ("CMYK", "LA"):
        return np.asarray(Image.fromarray(pixels, photo.mode).convert("RGB"))
    return pixels[..., :3]  # type: ignore[return-value]


def _show(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Floating point as a screen shows it: up to its 99.5th percentile, with gamma 2.2."""
    finite = np.nan_to_num(light, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(np.percentile(finite[::4, ::4], 99.5)) or 1.0
    return (np.clip(finite / top, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


# --- writing ---


def format_of(path: Path) -> str:
    """The kind of file that a name stands for; raises ``UsageError`` where none is written."""
    for kind, endings in _ENDINGS.items():
        if path.suffix.lower() in endings:
            return kind
    known = " ".join(endings[0] for endings in _ENDINGS.values())
    raise UsageError(f"{path}: files with the ending {path.suffix} are not written; choose one of {known}")


def name(photo: Photo, original: Path) -> str:
    """The name of a corrected photograph: the original's, with another ending where its kind is not written.

    GIF and JPEG 2000 become PNG, raw files TIFF of 16 bits.
    """
    kind = {"RAW": "TIFF"}.get(photo.format, photo.format if photo.format in _ENDINGS else "PNG")
    own, stem = original.suffix, original.stem
    if own.lower() not in READ:  # house.v2: no ending of a picture
        stem = original.name
    if kind == "PPM" and photo.pixels.dtype != np.float32:  # a bitmap is grey now
        fits = own.lower() in ((".pgm", ".pnm") if photo.mode == "L" else (".ppm", ".pnm"))
        return original.name if fits else stem + (".pgm" if photo.mode == "L" else ".ppm")
    return original.name if own.lower() in _ENDINGS[kind] else stem + _ENDINGS[kind][0]


def write(path: Path, photo: Photo, pixels: Pixels, *, quality: int = 95) -> str:
    """Write pixels in the place of ``photo``'s, in the kind of file that the name says, with what is kept.

    The whole file or none. JPEG has the original's subsampling; EXIF gets a new small picture.

    Returns
    -------
    str
        What such a file does not keep of the photograph; mostly nothing.

    Raises ``DataError`` when it cannot be written or such a file cannot hold the pixels.
    """
    lost = photo.note
    if pixels.dtype == np.uint16 and format_of(path) not in _DEEP:
        pixels, lost = (pixels >> 8).astype(np.uint8), "8 of 16 bits kept"  # type: ignore[operator]
    with writing(path, parents=True) as stream:
        stream.write(_encode(path, photo, pixels, quality))
    return lost


def copy(original: Path, path: Path) -> None:
    """Copy a file byte by byte; the whole file or none. Raises ``DataError``."""
    with writing(path, parents=True) as stream, original.open("rb") as source:
        shutil.copyfileobj(source, stream, 1 << 20)


def _encode(path: Path, photo: Photo, pixels: Pixels, quality: int) -> bytes:
    kind = format_of(path)
    if photo.mode not in _HOLDS[kind]:
        what = "CMYK" if photo.mode == "CMYK" else "transparency"
        raise DataError(f"{path}: such a file cannot hold {what}; choose .png or .tif")
    if pixels.dtype == np.float32 and kind != "TIFF" and path.suffix.lower() != ".pfm":
        raise DataError(f"{path}: such a file cannot hold floating point; choose .tif")
    height, width = pixels.shape[:2]
    kept = photo.kept.corrected(width, height, lambda most: _thumbnail(photo.mode, pixels, most))
    plain = _by_pillow(kind, photo, pixels, kept, quality)
    put = {"PNG": metadata.into_png, "TIFF": metadata.into_tiff}.get(kind)
    return plain if put is None else put(plain, kept)


def _by_pillow(kind: str, photo: Photo, pixels: Pixels, kept: KeptMetadata, quality: int) -> bytes:
    """Encode pixels, of JPEG, WebP and BMP with their metadata."""
    if pixels.dtype != np.uint8:
        stored = pixels
        if pixels.ndim == 3:
            stored = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
        ending = ".pfm" if pixels.dtype == np.float32 else ".pgm" if pixels.ndim == 2 else ".ppm"
        ending = {"PNG": ".png", "TIFF": ".tif"}.get(kind, ending)
        return cv2.imencode(ending, stored)[1].tobytes()
    options: dict[str, Any] = {}
    if kept.dpi and kind == "BMP":
        options["dpi"] = kept.dpi
    if kind == "JPEG":
        options |= metadata.jpeg_options(kept)
        options |= {"quality": quality, "subsampling": photo.subsampling if photo.mode == "RGB" else 0}
    elif kind == "WEBP":
        found = {"exif": kept.exif, "icc_profile": kept.icc, "xmp": kept.xmp}
        options |= {name: value for name, value in found.items() if value}
        options |= {"lossless": True} if photo.lossless else {"quality": quality}
    elif kind == "TIFF":
        options["compression"] = photo.compression if photo.compression in _COMPRESSIONS else "tiff_lzw"
    stream = io.BytesIO()
    Image.fromarray(pixels, photo.mode).save(stream, kind, **options)
    return stream.getvalue()


def _thumbnail(mode: str, pixels: Pixels, most: int) -> bytes:
    """Return the EXIF thumbnail as JPEG of at most ``most`` bytes; empty if it does not fit."""
    fit = _SMALL / max(pixels.shape[:2])
    size = max(1, round(pixels.shape[1] * fit)), max(1, round(pixels.shape[0] * fit))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if fit < 1 else cv2.INTER_LINEAR)
    photo = Photo(pixels=small, mode=mode, format="JPEG", width=size[0], height=size[1])
    for quality in (85, 70, 50, 30):
        stream = io.BytesIO()
        Image.fromarray(_rgb(photo)).save(stream, "JPEG", quality=quality)
        if stream.tell() <= most:
            return stream.getvalue()
    return b""
