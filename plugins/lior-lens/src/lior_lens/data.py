"""Samples with truth: a straight picture, a lens, and the picture as the lens took it.

Sample ``i`` of a source is a function of the seed and ``i`` alone, so that training can go on anywhere.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lior.errors import DataError, install_hint
from lior_lens import images, lenses, scenes
from lior_lens.geometry import Lens, Size
from lior_lens.warp import reduced

Picture = NDArray[np.uint8]
SHAPES = ((4, 3), (3, 2), (16, 9), (1, 1), (3, 4), (2, 3))
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"})

_LEAST = 0.6
"""Smallest share of the largest possible cut-out of a photograph."""
_LONGEST = 1600
"""Long side of photographs, in pixels, at most."""


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """A picture with its truth."""

    picture: Picture
    """``[height, width, 3]``, as the lens took it."""
    straight: Picture
    """The same view without the lens, as the true correction would show it."""
    lens: Lens
    """The lens, with the scale of :func:`lior_lens.lenses.centre`."""
    name: str

    @property
    def size(self) -> Size:
        """Of the picture."""
        return Size(width=self.picture.shape[1], height=self.picture.shape[0])


class SampleSource(Protocol):
    """A source of straight pictures."""

    def view(self, index: int, size: Size, rng: Generator) -> tuple[Picture, str]:
        """A straight picture, at least of that size and of its shape, and its name."""


@attrs.frozen(kw_only=True)
class Scenes:
    """Drawn scenes."""

    sharper: float = 1.25
    """How much larger they are drawn, so that bending does not blur them."""

    def view(self, index: int, size: Size, rng: Generator) -> tuple[Picture, str]:
        """See :class:`Source`."""
        width, height = round(size.width * self.sharper), round(size.height * self.sharper)
        return scenes.scene(width, height, rng), f"scene {index}"


@attrs.frozen(kw_only=True)
class Boards:
    """Calibration boards."""

    def view(self, index: int, size: Size, rng: Generator) -> tuple[Picture, str]:
        """See :class:`Source`."""
        return scenes.chessboard(2 * size.width, 2 * size.height, rng), f"board {index}"


@attrs.frozen(kw_only=True)
class Photos:
    """Cut-outs of photographs that are taken to be straight."""

    pictures: Sequence[tuple[str, Picture]]

    def view(self, index: int, size: Size, rng: Generator) -> tuple[Picture, str]:
        """See :class:`Source`; photographs take turns."""
        name, picture = self.pictures[index % len(self.pictures)]
        height, width = picture.shape[:2]
        scale = min(width / size.width, height / size.height) * float(rng.uniform(_LEAST, 1.0))
        w, h = round(size.width * scale), round(size.height * scale)
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        cut = picture[y : y + h, x : x + w]
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        return np.ascontiguousarray(reduced(cut, 1.25 * size.width / w)), name


@attrs.frozen(kw_only=True)
class Mixture:
    """Several sources, each with its share."""

    sources: Sequence[tuple[float, SampleSource]]

    def view(self, index: int, size: Size, rng: Generator) -> tuple[Picture, str]:
        """See :class:`Source`."""
        shares = np.array([share for share, _ in self.sources])
        chosen = int(rng.choice(len(shares), p=shares / shares.sum()))
        return self.sources[chosen][1].view(index, size, rng)


@attrs.frozen(kw_only=True)
class Stream:
    """Samples in endless order."""

    source: SampleSource
    seed: int
    long_side: int = 256
    worn: bool = True
    """Whether blur, noise and JPEG are added behind the lens."""

    def sample(self, index: int, shape: tuple[int, int] | None = None) -> Sample:
        """Sample ``index``; ``shape`` is width to height, drawn if not given."""
        rng = np.random.default_rng([self.seed, index])
        drawn = SHAPES[int(rng.integers(len(SHAPES)))]
        size = sized(shape or drawn, self.long_side)
        lens = lenses.centre(lenses.draw(rng))
        straight, name = self.source.view(index, size, rng)
        zoom, shift = float(rng.uniform(1.0, 1.25)), rng.uniform(-1, 1, 2).tolist()
        picture, straight = lenses.bend(straight, lens, size, zoom=zoom, shift=(shift[0], shift[1]))
        if self.worn:
            picture = scenes.worn(picture, rng)
        return Sample(picture=picture, straight=straight, lens=lens, name=name)

    def batch(self, index: int, count: int) -> list[Sample]:
        """Samples ``index * count`` and on, all of one shape, which changes from batch to batch."""
        shape = SHAPES[int(np.random.default_rng([self.seed, 1 << 40, index]).integers(len(SHAPES)))]
        return [self.sample(index * count + each, shape) for each in range(count)]


def sized(shape: tuple[int, int], long_side: int, *, multiple: int = 16) -> Size:
    """The size of that shape whose long side is ``long_side``; sides are multiples of ``multiple``."""
    scale = long_side / max(shape)
    width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in shape)
    return Size(width=width, height=height)


def truths(samples: Sequence[Sample], *, points: int = 17) -> NDArray[np.float32]:
    """Return a grid of points mapped by the true lenses: ``[batch, 2, points, points]`` in half-diagonals."""
    grids = [lenses.displace(each.lens, each.size, columns=points, rows=points) for each in samples]
    return np.stack(grids).astype(np.float32)


def batched(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """``[batch, 3, height, width]`` in [0, 1]."""
    stacked = np.stack(pictures).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked).astype(np.float32) / np.float32(255)


# --- photographs ---

HELD_OUT = ("china", "flower", "coffee", "motorcycle_left", "rocket", "page")
"""Photographs of installed packages that are never trained on."""
_NAMES = (
    "astronaut chelsea camera brick grass gravel text coins moon retina ihc clock_motion hubble_deep_field"
)
FOR_TRAINING = _NAMES.split()
"""Not motorcycle_right: it shows what the held-out motorcycle_left does."""


def packaged(names: Sequence[str]) -> list[tuple[str, Path]]:
    """Photographs that scikit-image and scikit-learn bring along, as far as they are installed, by name."""
    found = []
    for name in names:
        for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
            spec = importlib.util.find_spec(package)
            for place in (spec.submodule_search_locations or []) if spec else []:
                for suffix in (".png", ".jpg"):
                    path = Path(place) / folder / f"{name}{suffix}"
                    if path.is_file():
                        found.append((name, path))
    return found


def opened(found: Iterable[tuple[str, Path]]) -> list[tuple[str, Picture]]:
    """Photographs with their names."""
    return [(name, read_rgb(path)) for name, path in found]


def folder(path: Path) -> list[tuple[str, Picture]]:
    """The readable photographs of a folder and those below it; raises ``DataError`` when there is none."""
    found = []
    for file in image_files(path):
        try:
            found.append((str(file.relative_to(path)), read_rgb(file)))
        except DataError:
            continue
    if not found:
        raise DataError(f"{path}: no photograph in there that can be read ({', '.join(sorted(SUFFIXES))})")
    return found


def image_files(path: Path) -> Iterator[Path]:
    """Files with the suffix of a picture, in the order of their names."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())


def read_rgb(path: Path) -> Picture:
    """A file as ``[height, width, 3]`` of uint8, upright, at most 1,600 long; raises ``DataError``."""
    picture = images.read(path, least=_LONGEST).upright()
    return reduced(picture, _LONGEST / max(picture.shape[:2]))


def photo_source(found: Sequence[tuple[str, Picture]]) -> Photos:
    """A source of photographs of at least 64 pixels; raises ``DataError`` where there are none."""
    pictures = [each for each in found if min(each[1].shape[:2]) >= 64]
    if not pictures:
        raise DataError(f"no photographs: name a folder of them, or: {install_hint('photos')}")
    return Photos(pictures=pictures)
