"""Pairs of photographs, bent and corrected, whose lens nobody knows: tables, splits by shoot, batches.

A table is CSV with ``image_id,input_path,target_path``; paths are relative to the table. ``group`` and
``split`` (``train`` or ``val``) are optional and written by :func:`split`. A shoot is never on both sides:
its pictures show the same rooms.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import cv2
import numpy as np
from PIL import Image

from lior.errors import DataError
from lior.files import writing
from lior_lens import data, tags
from lior_lens.geometry import Size

if TYPE_CHECKING:
    from lior_lens.config import LensConfig
    from lior_lens.data import Picture
    from lior_lens.external import Batch

COLUMNS = ("image_id", "input_path", "target_path")
SIDES = ("train", "val")
SHARE = 0.1
"""Share of the pairs that validate where nothing says which."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LYING = 5
_CACHED = 512
"""Small pictures kept in memory."""


@attrs.frozen(kw_only=True)
class Pair:
    """A photograph and what it is to become."""

    name: str
    input: Path
    target: Path | None
    """``None`` where a table is of pictures to be corrected only."""
    group: str
    split: str = ""
    """``train``, ``val``, or empty where the table does not say."""


def group_of(name: str) -> str:
    """The shoot that a name tells of: the UUID in it, else the name without its last ``_g`` and number."""
    found = _UUID.search(name)
    return found[0].lower() if found else re.sub(r"_g\d+$", "", name)


def read(path: Path) -> list[Pair]:
    """The pairs of a table; raises ``DataError`` with the line where something is missing or twice."""
    found: dict[str, Pair] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        pair = _pair(path.parent, row, where)
        if pair.name in found:
            raise DataError(f"{where}: {pair.name!r} is there twice; names must differ")
        found[pair.name] = pair
    if not found:
        raise DataError(f"{path}: no pair in there")
    return list(found.values())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table with the numbers of their lines."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            missing = [each for each in COLUMNS[:2] if each not in (table.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: no column {missing[0]!r}; the first line must have {', '.join(COLUMNS)}"
                )
            return [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no table of pairs: {getattr(error, 'strerror', None) or error}") from error


def _pair(folder: Path, row: dict[str, str], where: str) -> Pair:
    """Return the pair of a row, whose paths are relative to ``folder``."""
    name, source, target, side = (row.get(each) or "" for each in (*COLUMNS, "split"))
    if not name or not source:
        raise DataError(f"{where}: image_id and input_path must be given")
    if side not in ("", *SIDES):
        raise DataError(f"{where}: split = {side!r}; allowed are train and val")
    places = [folder / each for each in (source, target) if each]
    if absent := [each for each in places if not each.is_file()]:
        raise DataError(f"{where}: {absent[0]}: no such file")
    return Pair(
        name=name,
        input=places[0],
        target=places[1] if target else None,
        group=row.get("group") or group_of(name),
        split=side,
    )


def collect(folder: Path) -> list[Pair]:
    """The pairs of a folder: ``NAME_original`` with ``NAME_generated``, ``bent/NAME`` with ``straight/NAME``.

    Raises ``DataError`` when there is none.
    """
    files = {each.with_suffix(""): each for each in data.image_files(folder)}
    found: dict[str, Pair] = {}
    for stem, path in files.items():
        name, target = stem.name, stem.parent.parent / "straight" / stem.name
        if name.endswith("_original"):
            name = name.removesuffix("_original")
            target = stem.with_name(f"{name}_generated")
        elif stem.parent.name != "bent":
            continue
        if target in files:
            if other := found.get(name):
                raise DataError(f"{name}: {other.input} and {path} have one name; split one folder at a time")
            found[name] = Pair(name=name, input=path, target=files[target], group=group_of(name))
    if not found:
        raise DataError(
            f"{folder}: no pair; name files NAME_original and NAME_generated, or use folders bent, straight"
        )
    return list(found.values())


def split(pairs: Sequence[Pair], *, share: float, seed: int) -> list[Pair]:
    """Every pair with its side, whole shoots at a time, about ``share`` of the pairs for validation.

    A pair that has a side keeps it, and its shoot with it. Raises ``DataError`` when a side is empty, or a
    table has one shoot on both.
    """
    sides: dict[str, str] = {}
    for pair in pairs:
        if pair.split and sides.setdefault(pair.group, pair.split) != pair.split:
            raise DataError(f"the shoot {pair.group!r} is on both sides; give all its pairs the same split")

    def drawn(group: str) -> bytes:
        return hashlib.sha256(f"{seed} {group}".encode()).digest()

    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.group] = counts.get(pair.group, 0) + 1
    judged = sum(counts[group] for group, side in sides.items() if side == "val")
    for group in sorted(counts.keys() - sides.keys(), key=drawn):
        room = judged + counts[group] / 2 <= share * len(pairs) and judged + counts[group] < len(pairs)
        wanted = judged == 0 or room
        sides[group] = SIDES[wanted]
        judged += counts[group] * wanted
    if len(set(sides.values())) < 2:
        raise DataError(
            f"{len(sides)} shoot cannot be split"
            if len(sides) == 1
            else "all pairs are on one side; training and validation both need a shoot (column group)"
        )
    return [attrs.evolve(pair, split=sides[pair.group]) for pair in pairs]


def write(pairs: Sequence[Pair], out: Path) -> None:
    """Write a table, with paths relative to it; raises ``DataError``."""

    def beside(path: Path | None) -> str:
        return "" if path is None else Path(os.path.relpath(path, out.parent)).as_posix()

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, "group", "split"])
    for pair in pairs:
        table.writerow([pair.name, beside(pair.input), beside(pair.target), pair.group, pair.split])
    with writing(out) as stream:
        stream.write(text.getvalue().encode())


@attrs.frozen(kw_only=True, eq=False)
class Paired:
    """Batches of pairs: all of a batch have one shape, kept up to 16 pixels; half of them are mirrored."""

    config: LensConfig
    training: dict[Size, list[Pair]]
    judged: list[tuple[Size, list[Pair]]]
    """The batches of a validation."""

    @classmethod
    def of(cls, config: LensConfig) -> Paired:
        """Those of ``data.pairs``; raises ``DataError``."""
        path = Path(config.data.pairs)
        found = read(path)
        if bare := [pair.name for pair in found if pair.target is None]:
            raise DataError(f"{path}: {bare[0]!r} has no target_path; training needs one")
        found = split(found, share=SHARE, seed=0)
        train, judged = ([pair for pair in found if pair.split == side] for side in SIDES)
        count = config.data.batch_size
        batches = [
            (size, each[i : i + count])
            for size, each in _shapes(judged, config).items()
            for i in range(0, len(each), count)
        ]
        return cls(
            config=config, training=_shapes(train, config), judged=batches[: config.train.max_val_steps]
        )

    def train(self, step: int) -> Batch:
        """See :class:`lior_lens.external.Batches`."""
        rng = np.random.default_rng([self.config.train.seed, step])
        sizes = list(self.training)
        weights = np.array([len(each) for each in self.training.values()], float)
        size = sizes[int(rng.choice(len(sizes), p=weights / weights.sum()))]
        chosen = rng.choice(len(self.training[size]), self.config.data.batch_size)
        return _batch(
            [self.training[size][i] for i in chosen], size, (rng.random(len(chosen)) < 0.5).tolist()
        )

    def validation(self) -> Iterator[Batch]:
        """See :class:`lior_lens.external.Batches`."""
        for size, each in self.judged:
            yield _batch(each, size, [False] * len(each))

    def whole(self, count: int) -> Iterator[tuple[Picture, Picture]]:
        """The first ``count`` pairs of validation as they are, upright, ``[height, width, 3]`` of uint8."""
        from lior_lens import images

        for pair in [pair for _, each in self.judged for pair in each][:count]:
            assert pair.target is not None
            yield images.read(pair.input).upright(), images.read(pair.target).upright()


def _shapes(pairs: Sequence[Pair], config: LensConfig) -> dict[Size, list[Pair]]:
    found: dict[Size, list[Pair]] = {}
    for pair in pairs:
        assert pair.target is not None
        first, second = (size_of(each) for each in (pair.input, pair.target))
        if first != second:
            raise DataError(
                f"{pair.name}: {pair.input} has {'x'.join(map(str, first))} pixels, its target "
                f"{'x'.join(map(str, second))}; they must be alike"
            )
        found.setdefault(data.sized(first, config.data.long_side), []).append(pair)
    return found


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a file's upright picture, from its head; raises ``DataError``."""
    try:
        with Image.open(path) as found:
            turned = found.getexif().get(tags.ORIENTATION, 1) >= _LYING
            return (found.height, found.width) if turned else found.size
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: no picture that can be read") from error


@functools.lru_cache(_CACHED)
def _small(path: Path, width: int, height: int) -> Picture:
    return cv2.resize(data.read_rgb(path), (width, height), interpolation=cv2.INTER_AREA)


def _batch(pairs: Sequence[Pair], size: Size, mirrored: Sequence[bool]) -> Batch:
    import torch

    from lior_lens.external import Batch

    def stacked(paths: Iterator[Path]) -> torch.Tensor:
        shown = (_small(path, size.width, size.height) for path in paths)
        return torch.from_numpy(
            data.batched(
                [each[:, ::-1] if flip else each for each, flip in zip(shown, mirrored, strict=True)]
            )
        )

    return Batch(
        images=stacked(pair.input for pair in pairs),
        targets=stacked(pair.target for pair in pairs if pair.target is not None),
    )
