"""Lenses of other programs: OpenCV's matrices and coefficients, lensfun's profiles, files of either.

The unit of lensfun's polynomials is half the shorter side of the measured picture (Hugin's convention). A
picture of a smaller sensor shows less of the lens, by the ratio of the crop factors.
"""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
from PIL import Image

from lior.errors import DataError, MissingPackage, UsageError, install_hint
from lior_lens import images
from lior_lens.geometry import Floats, Lens, Size
from lior_lens.lenses import centre
from lior_lens.lines import strength_of

_EXIF_IFD = 0x8769
_OF_CAMERA = {"make": 0x010F, "model": 0x0110}
_OF_PICTURE = {"lens": 0xA434, "focal": 0x920A, "aperture": 0x829D, "focal_35": 0xA405}
"""Numbers of the EXIF tags that are read."""
_SAME_FOCAL, _SAME_CROP = 0.02, 0.03
"""Shares by which focal lengths and crop factors may differ and count as the same, since EXIF rounds focal
lengths (chosen by hand)."""
_SMALLEST_BOARD = 32
"""Pixels of a side below which OpenCV does not look for a chessboard; chosen by hand."""
DIFFERENT = 3.0
"""Birge ratio above which photographs are of different lenses."""


# --- OpenCV ---


def to_opencv(lens: Lens, size: Size) -> dict[str, list[Any]]:
    """``K``, ``distortion`` (k1, k2, p1, p2, k3) and ``new_K`` for ``cv2.undistort``.

    Raises ``UsageError`` when the lens has powers that OpenCV's model has not.
    """
    if not lens.is_brown:
        raise UsageError(
            "OpenCV has no such model (odd powers, or a scale at the centre); `lens.fitted` comes near"
        )
    d = size.half_diagonal
    cx, cy = size.to_pixel(lens.dcx, lens.dcy)
    k = [[d, 0.0, cx], [0.0, d, cy], [0.0, 0.0, 1.0]]
    new = [[d * lens.scale, 0.0, cx], [0.0, d * lens.scale * lens.aspect, cy], [0.0, 0.0, 1.0]]
    a = lens.radial
    return {"K": k, "distortion": [a[2], a[4], lens.p1, lens.p2, a[6]], "new_K": new}


def from_opencv(k: Sequence[Sequence[float]], distortion: Sequence[float], size: Size) -> Lens:
    """The lens of a camera matrix and 4 or 5 coefficients; the corrected picture is that of the same matrix.

    Raises ``UsageError`` for other numbers of coefficients, skew, or pixels that are not square to 1 in
    1,000.
    """
    matrix = np.asarray(k, np.float64)
    if matrix.shape != (3, 3) or len(distortion) not in (4, 5):
        raise UsageError(
            'an OpenCV camera has a 3x3 matrix "K" and 4 or 5 coefficients "distortion": [k1, k2, p1, p2, k3]'
        )
    fx, fy = matrix[0, 0], matrix[1, 1]
    if abs(matrix[0, 1]) > 1e-3 * fx or abs(fx / fy - 1) > 1e-3:
        raise UsageError(
            f"fx {fx:g} and fy {fy:g} differ, or K has skew: pixels must be square; "
            "calibrate with CALIB_FIX_ASPECT_RATIO, or by `lior lens lens --board`"
        )
    f = float(fx + fy) / 2 / size.half_diagonal
    k1, k2, p1, p2, *rest = map(float, distortion)
    cx, cy = size.to_unit(float(matrix[0, 2]), float(matrix[1, 2]))
    return Lens.brown(
        k1=k1 / f**2, k2=k2 / f**4, k3=(rest[0] if rest else 0.0) / f**6, p1=p1 / f, p2=p2 / f, dcx=cx, dcy=cy
    )


def from_boards(paths: Sequence[Path], columns: int, rows: int) -> tuple[Lens, Size, float]:
    """The lens of photographs of a chessboard with ``columns x rows`` inner corners, by OpenCV's calibration.

    Returns
    -------
    lens, size, error
        The error is the root mean square of the corners' distances in pixels.

    Raises ``DataError`` when fewer than three photographs of one size show the board; ``UsageError`` for a
    board that OpenCV cannot find.
    """
    if min(columns, rows) < 3:
        raise UsageError(f"a board of {columns}x{rows} inner corners: allowed are at least 3 along each side")
    corners, size = [], None
    for path in paths:
        grey = cv2.cvtColor(images.read(path).upright(), cv2.COLOR_RGB2GRAY)
        own = Size(width=grey.shape[1], height=grey.shape[0])
        if min(grey.shape) < _SMALLEST_BOARD:
            continue
        seen, found = cv2.findChessboardCorners(grey, (columns, rows))
        if seen and (size is None or own == size):
            size = own
            stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-4)
            corners.append(cv2.cornerSubPix(grey, found, (5, 5), (-1, -1), stop))
    if size is None or len(corners) < 3:
        raise DataError(
            f"{len(corners)} of {len(paths)} photographs show a board of {columns}x{rows} inner corners"
        )
    board = np.zeros((columns * rows, 3), np.float32)
    board[:, :2] = np.mgrid[:columns, :rows].T.reshape(-1, 2)
    d = size.half_diagonal
    first = np.array([[2 * d, 0, size.width / 2 - 0.5], [0, 2 * d, size.height / 2 - 0.5], [0, 0, 1]])
    error, k, distortion, *_ = cv2.calibrateCamera(
        [board] * len(corners),
        corners,
        (size.width, size.height),
        first,
        np.zeros(5),
        flags=cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_FIX_K3,
    )
    return from_opencv(k, distortion.ravel()[:5], size), size, float(error)


# --- lensfun ---


def from_lensfun(
    model: str, terms: Sequence[float], size: Size, *, crop: float = 1.0, aspect: float | None = None
) -> Lens:
    """A lens of lensfun's model and terms.

    Parameters
    ----------
    model
        ``poly3`` (k1), ``poly5`` (k1, k2) or ``ptlens`` (a, b, c).
    crop
        Crop factor of the picture's camera over that of the measurement.
    aspect
        Long to short side of the pictures of the measurement; that of ``size`` if not given.
    """
    own = max(size.width, size.height) / min(size.width, size.height)
    measured = own if aspect is None else aspect
    # half the shorter side of the measurement, in half-diagonals of this picture
    unit = crop / math.hypot(1, measured)
    if model == "poly3":
        (k1,) = terms
        f = [1 - k1, 0.0, k1]
    elif model == "poly5":
        k1, k2 = terms
        f = [1.0, 0.0, k1, 0.0, k2]
    elif model == "ptlens":
        a, b, c = terms
        f = [1 - a - b - c, c, b, a]
    else:
        raise UsageError(f"lensfun's model {model!r}: known are poly3, poly5, ptlens")
    return Lens(radial=tuple(value / unit**power for power, value in enumerate(f + [0.0] * (7 - len(f)))))


def to_lensfun(lens: Lens, size: Size, *, focal: float) -> str:
    """A ``<distortion>`` element, as near to the lens as ptlens comes; lensfun has no other centre than the
    middle.

    Raises ``UsageError`` when ptlens is off by more than 1 % of the half-diagonal anywhere.
    """
    unit = 1 / math.hypot(1, max(size.width, size.height) / min(size.width, size.height))
    r = np.linspace(0, 1, 200)
    g = sum(value * r ** (i + 1) for i, value in enumerate(lens.radial)) / lens.radial[0]
    # r (1 + c' r + b' r² + a' r³), which is ptlens up to a zoom
    basis = np.stack([r**2, r**3, r**4], -1)
    c, b, a = np.linalg.lstsq(basis, g - r, rcond=None)[0]
    off = float(np.abs(basis @ [c, b, a] - (g - r)).max())
    if off > 0.01 or lens.p1 or lens.p2 or abs(lens.dcx) + abs(lens.dcy) > 0.02:
        raise UsageError(
            "lensfun's models have no such lens: it is off centre, tangential, or of too high an order"
        )
    terms = np.array([a * unit**3, b * unit**2, c * unit])
    terms = terms / (1 + terms.sum())  # lensfun keeps the edge of the unit in place
    a, b, c = terms.tolist()
    return f'<distortion model="ptlens" focal="{focal:g}" a="{a:.7g}" b="{b:.7g}" c="{c:.7g}" />'


def exif_of(path: Path) -> dict[str, Any]:
    """Make, model, lens, focal length (mm; ``focal_35``: on film) and aperture, as far as it has them."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            more = exif.get_ifd(_EXIF_IFD)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return {}
    found = {name: exif.get(tag) for name, tag in _OF_CAMERA.items()}
    found |= {name: more.get(tag) for name, tag in _OF_PICTURE.items()}
    clean: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, str) and value.strip("\0 "):
            clean[name] = value.strip("\0 ")
        elif value is not None and not isinstance(value, str):
            clean[name] = float(value)
    return clean


def crop_of(exif: Mapping[str, Any]) -> float | None:
    """The camera's crop factor: the focal length on film over the focal length; ``None`` if unknown."""
    return exif["focal_35"] / exif["focal"] if exif.get("focal_35") and exif.get("focal") else None


def by_exif(path: Path, size: Size) -> tuple[Lens, str] | None:
    """The lens that lensfun's database has for a photograph's EXIF, and its name; ``None`` where it has none.

    Raises ``MissingPackage`` when lensfunpy is not installed.
    """
    exif = exif_of(path)
    try:
        import lensfunpy
    except ImportError as error:
        raise MissingPackage(f"lens profiles need lensfunpy: {install_hint('profiles')}") from error
    if not exif.get("model") or not exif.get("focal"):
        return None
    database = lensfunpy.Database()
    cameras = database.find_cameras(exif.get("make", ""), exif["model"])
    if not cameras:
        return None
    lenses = database.find_lenses(cameras[0], None, exif.get("lens"))
    if not lenses or ("lens" not in exif and len(lenses) > 1):
        return None
    modifier = lensfunpy.Modifier(lenses[0], cameras[0].crop_factor, size.width, size.height)
    modifier.initialize(exif["focal"], exif.get("aperture", 8.0), scale=1.0)
    lens = _measure(modifier, size)
    return None if lens is None else (lens, f"{lenses[0].maker} {lenses[0].model} at {exif['focal']:g} mm")


def _measure(modifier: Any, size: Size) -> Lens | None:
    """A radial lens through lensfun's own map: it knows all its conventions best."""
    grid = modifier.apply_geometry_distortion()
    if grid is None:
        return None
    rows = np.linspace(0, size.height - 1, 41).round().astype(int)
    columns = np.linspace(0, size.width - 1, 41).round().astype(int)
    picked = grid[np.ix_(rows, columns)].astype(np.float64)
    x, y = size.to_unit(columns[None].astype(float), rows[:, None].astype(float))
    gx, gy = size.to_unit(picked[..., 0], picked[..., 1])
    return fit(np.broadcast_to(x, gx.shape), np.broadcast_to(y, gx.shape), gx, gy)


def fit(x: Floats, y: Floats, gx: Floats, gy: Floats) -> Lens:
    """The radial lens that takes points nearest to given ones, by least squares; all seven coefficients."""
    powers = np.hypot(x, y)[..., None] ** np.arange(7)
    basis = np.concatenate([(x[..., None] * powers).reshape(-1, 7), (y[..., None] * powers).reshape(-1, 7)])
    target = np.concatenate([gx.ravel(), gy.ravel()])
    return Lens(radial=tuple(np.linalg.lstsq(basis, target, rcond=None)[0].tolist()))


# --- files ---


def write_lens(lens: Lens, size: Size) -> str:
    """A lens as JSON, with the size of the pictures it is for and OpenCV's numbers where there are any."""
    table: dict[str, Any] = {"size": [size.width, size.height], "lens": lens.table()}
    if lens.is_brown:
        table["opencv"] = to_opencv(lens, size)
    return json.dumps(table, indent=1)


def read_lens(
    path: Path, size: Size | None = None, *, focal: float | None = None, crop: float | None = None
) -> Lens:
    """Return the lens of :func:`read_sized_lens`."""
    return read_sized_lens(path, size, focal=focal, crop=crop)[0]


def read_sized_lens(
    path: Path, size: Size | None = None, *, focal: float | None = None, crop: float | None = None
) -> tuple[Lens, Size | None]:
    """Read a lens: what :func:`write_lens` wrote, ``{"k1": ...}``, OpenCV's numbers as JSON, lensfun's XML.

    Parameters
    ----------
    size
        Of the pictures; OpenCV's and lensfun's forms need it where the file has none.
    focal
        Length in mm, which chooses from several of lensfun's elements.
    crop
        Crop factor of the camera. lensfun's file has that of the measurement; without one of the two they
        count as the same.

    Returns
    -------
    lens, size
        The size in the file, or the given one.

    Raises ``DataError`` when the file cannot be read; ``UsageError`` when there is no lens in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
        ) from error
    try:
        if text.lstrip().startswith("<"):
            return _from_xml(text, size, focal, crop), size
        return _from_json(text, size)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: a value is missing or no number ({error}); `lior lens lens` writes such files"
        ) from None


def _from_json(text: str, size: Size | None) -> tuple[Lens, Size | None]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError("neither JSON nor lensfun's XML") from None
    if not isinstance(table, dict):
        raise UsageError("a lens is a JSON object")
    if "size" in table:
        width, height = map(int, table["size"])
        if min(width, height) < 1:
            raise UsageError(f'"size": [{width}, {height}]: allowed are width and height in pixels, above 0')
        size = Size(width=width, height=height)
    if "lens" in table:
        return Lens.of(table["lens"]), size
    if "K" in table:
        if size is None:
            raise UsageError('OpenCV\'s numbers are for pictures of one size; add "size": [width, height]')
        return from_opencv(table["K"], table.get("distortion", []), size), size
    try:
        return Lens.of(table), size
    except UsageError as error:
        raise UsageError(f'{error}; OpenCV\'s numbers are "K", "distortion" and "size"') from None


def _from_xml(text: str, size: Size | None, focal: float | None, crop: float | None) -> Lens:
    if size is None:
        raise UsageError("lensfun's terms need the size of the pictures; give --size")
    try:
        root = ElementTree.fromstring(text if "<lensdatabase" in text else f"<all>{text}</all>")
    except ElementTree.ParseError as error:
        raise UsageError(f"no XML: {error}") from None
    lens, element = _only_distortion(root, focal)
    model = element.get("model", "")
    names = {"poly3": ("k1",), "poly5": ("k1", "k2"), "ptlens": ("a", "b", "c")}.get(model, ())
    ratio = [float(each) for each in (lens.findtext("aspect-ratio") or "").split(":") if each]
    measured = float(lens.findtext("cropfactor") or 0)
    smaller = crop / measured if crop and measured else 1.0
    return from_lensfun(
        model,
        [float(element.get(name, 0)) for name in names],
        size,
        crop=1.0 if abs(smaller - 1) < _SAME_CROP else smaller,
        aspect=ratio[0] / (ratio[1] if len(ratio) > 1 else 1.0) if ratio else None,
    )


def _only_distortion(
    root: ElementTree.Element, focal: float | None
) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the lens and its one ``<distortion>``: the only one, or the only one for the focal length."""
    found = [(lens, each) for lens in [root, *root.iter("lens")] for each in _distortions(lens)]
    fitting = [
        pair for pair in found if focal and abs(float(pair[1].get("focal", 0)) / focal - 1) < _SAME_FOCAL
    ]
    if len(found) != 1 and len(fitting) != 1:
        asked = "" if focal is None else f", {len(fitting)} of them for {focal:g} mm"
        raise UsageError(f"{len(found)} <distortion> elements{asked}; leave the one for your focal length")
    return found[0] if len(found) == 1 else fitting[0]


def _distortions(lens: ElementTree.Element) -> list[ElementTree.Element]:
    """Those of a lens, or those outside of any."""
    return lens.findall("distortion") + lens.findall("calibration/distortion")


@attrs.frozen(kw_only=True)
class Measured:
    """The estimated lens of a photograph or a camera."""

    lens: Lens
    spread: float
    """Standard deviation of its strength at the corner."""
    size: Size
    """The size of the photograph, upright."""
    exif: Mapping[str, Any]
    photographs: int = 1
    """The number of photographs it was estimated from."""
    birge: float = 1.0
    """The Birge ratio of the photographs: their scatter relative to their spreads, at least 1."""


@attrs.frozen(kw_only=True)
class Pooled(Measured):
    """The pooled lens of photographs with the same camera, lens, focal length and shape."""

    @property
    def words(self) -> str:
        """The result in one line."""
        return (
            f"{named(self.exif)}: from {self.photographs} photographs, give or take "
            f"{100 * self.spread:.1f} % at the corner"
        )

    def check(self) -> None:
        """Raise ``UsageError`` if the photographs are of different lenses."""
        if self.birge > DIFFERENT:
            raise UsageError(
                f"their lenses differ by {self.birge:.1f} times what their spreads allow; "
                "give only photographs of one lens, at one focal length"
            )


def named(exif: Mapping[str, Any]) -> str:
    """Camera, lens and focal length in words."""
    who = [str(exif[name]) for name in ("make", "model", "lens") if name in exif]
    at = f"{exif['focal']:g} mm" if "focal" in exif else "unknown focal length"
    return f"{' '.join(who) or 'unknown camera'}, {at}"


def camera(exif: Mapping[str, Any], size: Size) -> tuple[Any, ...]:
    """Return the key of photographs through one lens; the focal length on film detects digital zoom."""
    names = (str(exif.get(name, "")) for name in ("make", "model", "lens"))
    lengths = (float(exif.get(name, 0.0)) for name in ("focal", "focal_35"))
    return (*names, *lengths, round(size.ratio, 2))


def birge(strengths: Sequence[float], spreads: Sequence[float]) -> float:
    """Return the scatter of estimates relative to their spreads, at least 1 (R. T. Birge, "The calculation of
    errors by the method of least squares", 1932)."""
    values, weights = np.array(strengths), np.maximum(spreads, 1e-4) ** -2.0
    off = values - weights @ values / weights.sum()
    return max(1.0, math.sqrt(float(weights @ off**2) / max(1, len(values) - 1)))


def pooled(measured: Sequence[Measured]) -> list[Pooled]:
    """Lenses of one camera, lens, focal length and shape taken together, by the inverse of their variances.

    If they differ by more than their spreads allow, the spread is multiplied by :func:`birge`.
    """
    groups: dict[tuple[Any, ...], list[Measured]] = {}
    for each in measured:
        groups.setdefault(camera(each.exif, each.size), []).append(each)
    found = []
    for _, group in sorted(groups.items()):
        weights = np.array([1 / max(each.spread, 1e-4) ** 2 for each in group])
        radial = weights @ np.array([centre(each.lens).radial for each in group]) / weights.sum()
        scatter = birge([strength_of(each.lens) for each in group], [each.spread for each in group])
        found.append(
            Pooled(
                exif=group[0].exif,
                lens=Lens(radial=radial),
                spread=scatter * float(weights.sum() ** -0.5),
                size=group[0].size,
                photographs=sum(each.photographs for each in group),
                birge=max(scatter, *(each.birge for each in group)),
            )
        )
    return found


def database(found: Sequence[Pooled]) -> tuple[str, list[str]]:
    """lensfun's XML and a line for each lens, with a reason if it is not written.

    The mount is ``Generic``, the crop factor what EXIF says, else 1.

    Raises ``UsageError`` when none can be written.
    """
    root = ElementTree.Element("lensdatabase", version="1")
    lenses: dict[tuple[Any, ...], ElementTree.Element] = {}
    lines = []
    for each in found:
        try:
            each.check()
            element = _distortion(each)
        except UsageError as error:
            lines.append(f"{each.words}: not written: {error}")
            continue
        key = tuple(str(each.exif.get(name, "")) for name in ("make", "model", "lens")), each.size.ratio
        if key not in lenses:
            lenses[key] = _lens_element(root, each)
        lenses[key].append(element)
        lines.append(each.words)
    if not lenses:
        raise UsageError("; ".join(lines))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n", lines


def _distortion(pooled: Pooled) -> ElementTree.Element:
    focal = pooled.exif.get("focal", 0.0)
    if not focal:
        raise UsageError("EXIF names no focal length, which lensfun needs; .json has the lens without one")
    return ElementTree.fromstring(to_lensfun(pooled.lens, pooled.size, focal=focal))


def _lens_element(root: ElementTree.Element, one: Pooled) -> ElementTree.Element:
    lens = ElementTree.SubElement(root, "lens")
    model = str(one.exif.get("model", "unknown"))
    crop = crop_of(one.exif) or 1.0
    text = {
        "maker": one.exif.get("make", "unknown"),
        "model": one.exif.get("lens", model),
        "mount": "Generic",
        "cropfactor": f"{crop:.4g}",
        "aspect-ratio": f"{one.size.ratio:.5g}",
    }
    for tag, value in text.items():
        ElementTree.SubElement(lens, tag).text = str(value)
    return ElementTree.SubElement(lens, "calibration")
