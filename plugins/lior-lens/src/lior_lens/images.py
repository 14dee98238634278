"""Photographs in files: read with everything that belongs to them, written beside the original, never over
it.

Pixels stay as they are stored; the EXIF tag that says how to turn them is kept with them. 16 bits a channel
are read and written by OpenCV, the rest by Pillow; raw files need the extra ``raw``.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lior.errors import DataError, MissingPackage
from lior.files import replacing

RAW = frozenset({".nef", ".cr2", ".cr3", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"})
_KEPT = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "LA": 2}
_WRITTEN = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp"}
_ORIENTATION = 0x0112
_BYTES_A_PIXEL = 4.0
"""Memory for each byte of a picture: decoded, resampled, encoded, and Pillow's own copy."""

Pixels = NDArray[np.generic]


@attrs.frozen(kw_only=True, eq=False)
class Photo:
    """A photograph as it is stored."""

    pixels: Pixels
    """``[height, width]`` or ``[height, width, channels]`` of uint8 or uint16, in the order of ``mode``."""
    mode: str
    """Pillow's name of the channels."""
    format: str
    """Pillow's name of the kind of file to write."""
    exif: bytes | None = None
    profile: bytes | None = None
    orientation: int = 1
    """EXIF's, 1 to 8."""

    def upright(self) -> NDArray[np.uint8]:
        """The picture as it is to be looked at: ``[height, width, 3]`` of uint8."""
        return turned(_rgb(self), self.orientation)


def read(path: Path) -> Photo:
    """Read a photograph.

    Raises ``DataError`` in one line, when there is no photograph in the file, it is animated, or it does not
    fit into memory; ``MissingPackage`` for raw files without the extra.
    """
    if path.suffix.lower() in RAW:
        return _raw(path)
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty, 0 bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decompression bombs: memory is asked about here
            with _unlimited(), Image.open(path) as image:
                return _read(path, image)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path}: no picture that can be read (its content is of another kind)") from None
    except MemoryError:
        raise DataError(f"{path}: too large for the memory that is free") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read: {said}") from error


@contextlib.contextmanager
def _unlimited() -> Iterator[None]:
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _read(path: Path, image: Image.Image) -> Photo:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a JPEG with previews behind it
        raise DataError(f"{path}: animated or of {frames} pages; only single pictures are corrected")
    _check_memory(
        path, image.width, image.height, len(image.getbands()) * (2 if image.mode.startswith("I;16") else 1)
    )
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    exif, profile = image.info.get("exif"), image.info.get("icc_profile")
    orientation = int(image.getexif().get(_ORIENTATION, 1) or 1)
    if exif is None and len(image.getexif()):
        kept = image.getexif()
        if kind == "TIFF":  # its tags also say where its pixels are
            kept = Image.Exif()
            kept[_ORIENTATION] = orientation
        exif = kept.tobytes()
    known: dict[str, Any] = {
        "format": kind if kind in _WRITTEN else "PNG", "exif": exif, "profile": profile,
        "orientation": orientation if 1 <= orientation <= 8 else 1,
    }  # fmt: skip
    deep = _sixteen(path, image)
    if deep is not None:
        mode = "I;16" if deep.ndim == 2 else ("RGB" if deep.shape[2] == 3 else "RGBA")
        return Photo(pixels=deep, mode=mode, **known)
    mode = image.mode if image.mode in _KEPT else ("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "1":
        mode = "L"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return Photo(pixels=pixels, mode=mode, **known)


def _sixteen(path: Path, image: Image.Image) -> Pixels | None:
    """The pixels of a file with 16 bits a channel, else ``None``; Pillow would cut colours down to 8."""
    if image.format == "PNG":
        with path.open("rb") as stream:
            head = stream.read(26)
        deep = len(head) == 26 and head[24] == 16
    elif image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
        deep = max(bits if isinstance(bits, tuple) else (bits,)) == 16
    else:
        return None
    if not deep:
        return None
    found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or (found.ndim == 3 and found.shape[2] not in (3, 4)):
        raise DataError(f"{path}: 16 bits a channel in a form that cannot be read")
    if found.ndim == 3:
        found = cv2.cvtColor(found, cv2.COLOR_BGR2RGB if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return found


def _raw(path: Path) -> Photo:
    try:
        import rawpy
    except ImportError as error:
        raise MissingPackage(f"{path}: raw files need rawpy: `pip install 'lior-lens[raw]'`") from error
    try:
        with rawpy.imread(str(path)) as file:
            pixels = file.postprocess(output_bps=16, use_camera_wb=True)
    except (rawpy.LibRawError, OSError) as error:
        raise DataError(f"{path}: no raw file that can be read ({error})") from error
    return Photo(pixels=pixels, mode="RGB", format="PNG")


def _check_memory(path: Path, width: int, height: int, bytes_a_pixel: int) -> None:
    need = int(width * height * bytes_a_pixel * _BYTES_A_PIXEL)
    free = free_memory()
    if free is not None and need > free:
        size = f"{width}x{height}"
        raise DataError(
            f"{path}: too large for the memory that is free ({size} needs {need >> 20} MiB of {free >> 20})"
        )


def free_memory() -> int | None:
    """Bytes that this process may still take, as far as the system says."""
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


def turned(pixels: Any, orientation: int) -> Any:
    """Pixels as EXIF's orientation wants them looked at."""
    out = pixels
    if orientation in (5, 6, 7, 8):
        out = np.swapaxes(out, 0, 1)
    if orientation in (2, 3, 6, 7):
        out = out[:, ::-1]
    if orientation in (3, 4, 7, 8):
        out = out[::-1]
    return np.ascontiguousarray(out)


def turned_back(pixels: Any, orientation: int) -> Any:
    """The inverse of :func:`turned`."""
    return turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def _rgb(photo: Photo) -> NDArray[np.uint8]:
    pixels = photo.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)  # type: ignore[operator]
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if photo.mode in ("CMYK", "LA"):
        return np.asarray(Image.fromarray(pixels, photo.mode).convert("RGB"))
    return pixels[..., :3]  # type: ignore[return-value]


def upright_rgb(path: Path, *, long_side: int) -> NDArray[np.uint8]:
    """A file's picture, upright and made smaller: ``[height, width, 3]`` of uint8; raises as :func:`read`."""
    picture = read(path).upright()
    fit = long_side / max(picture.shape[:2])
    if fit >= 1:
        return picture
    return cv2.resize(picture, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)


# --- writing ---


def suffix(photo: Photo, original: Path) -> str:
    """The ending of the file to write: the original's where its kind stays, else added to it."""
    own = original.suffix
    kinds = Image.registered_extensions()
    return own if kinds.get(own.lower()) == photo.format else own + _WRITTEN[photo.format]


def write(path: Path, photo: Photo, pixels: Pixels, *, quality: int = 95) -> None:
    """Write pixels in the place of ``photo``'s, with its EXIF and colour profile; the whole file or none.

    Raises ``DataError`` when it cannot be written; ``MissingPackage`` for TIFF with 16 bits and colours
    without the extra.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = _encoded(photo, pixels, quality)
        with replacing(path) as stream:
            stream.write(encoded)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def _encoded(photo: Photo, pixels: Pixels, quality: int) -> bytes | memoryview:
    if pixels.dtype == np.uint16 and photo.format == "TIFF":
        return _deep_tiff(photo, pixels)
    if pixels.dtype == np.uint16:
        stored = pixels
        if pixels.ndim == 3:
            stored = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
        return _with_chunks(cv2.imencode(".png", stored)[1].tobytes(), photo)
    options: dict[str, Any] = {
        name: value for name, value in (("exif", photo.exif), ("icc_profile", photo.profile)) if value
    }
    if photo.format == "BMP":
        options = {}
    if photo.format in ("JPEG", "WEBP"):
        options["quality"] = quality
    if photo.format == "JPEG" and photo.mode in ("RGB", "CMYK"):
        options["subsampling"] = 0
    stream = io.BytesIO()
    Image.fromarray(pixels, photo.mode).save(stream, photo.format, **options)
    return stream.getbuffer()


def _deep_tiff(photo: Photo, pixels: Pixels) -> memoryview:
    try:
        import tifffile
    except ImportError as error:
        raise MissingPackage("TIFF with 16 bits needs tifffile: `pip install 'lior-lens[tiff]'`") from error
    stream = io.BytesIO()
    options: dict[str, Any] = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"}
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        options["extrasamples"] = ["unassalpha"]
    if photo.orientation != 1:
        options["extratags"] = [(274, 3, 1, photo.orientation, True)]
    tifffile.imwrite(stream, pixels, iccprofile=photo.profile, compression="zlib", **options)
    return stream.getbuffer()


def _with_chunks(png: bytes, photo: Photo) -> bytes:
    """A PNG with the colour profile and EXIF, which OpenCV does not write, behind its first chunk."""
    end = 8 + 25
    more = b""
    if photo.profile:
        more += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(photo.profile))
    if photo.exif:
        more += _chunk(b"eXIf", photo.exif.removeprefix(b"Exif\0\0"))
    return png[:end] + more + png[end:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
