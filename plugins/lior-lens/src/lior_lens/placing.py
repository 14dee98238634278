"""Files to correct, and the places of their results."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from lior.errors import DataError, UsageError
from lior_lens import images


@attrs.frozen(kw_only=True)
class Found:
    """A file that was named, or lies in a folder that was named."""

    path: Path
    inside: Path
    """The result's path below the folder of results."""
    why_not: str = ""
    """Why it is no photograph."""
    failed: bool = False
    """Whether it should have been one."""


def find(sources: Sequence[Path], results: Path | None = None) -> list[Found]:
    """The files of files and folders, by name; those that are no photographs have a reason.

    Several folders keep their own names, one does not.

    Parameters
    ----------
    results
        A folder that is not looked into.

    Raises ``DataError`` when a source is missing, or no photograph is there.
    """
    found: list[Found] = []
    for source in sources:
        if source.is_dir():
            below = Path(source.resolve().name) if len(sources) > 1 else Path()
            found += _in_folder(source, below, results)
        elif source.exists():
            found.append(Found(path=source, inside=Path(source.name), why_not=_irregular(source)))
        else:
            raise DataError(f"{source}: no such file or folder")
    if all(each.why_not for each in found):
        where = ", ".join(map(str, sources))
        more = f"; {len(found)} other files" if found else ""
        raise DataError(f"{where}: no photograph in there ({' '.join(sorted(images.READ))} are read){more}")
    return found


def photographs(source: Path) -> list[Path]:
    """The photographs of a file or folder; raises ``DataError`` when there is none."""
    return [each.path for each in find([source]) if not each.why_not]


def _irregular(path: Path) -> str:
    return "" if path.is_file() else "no regular file"


def _in_folder(source: Path, below: Path, results: Path | None) -> Iterator[Found]:
    faults: list[OSError] = []
    for name, folders, files in os.walk(source, onerror=faults.append):
        here, passed = Path(name), list[tuple[str, str]]()
        for folder in sorted(folders):
            if results is not None and same(here / folder, results):
                passed.append((folder, "the folder of results, not looked into"))
            elif (here / folder).is_symlink():
                passed.append((folder, "a link to a folder, not followed"))
        folders[:] = sorted(set(folders) - {folder for folder, _ in passed})
        for file in sorted(files):
            path = here / file
            if path.is_symlink() and not path.exists():
                why_not = "a link to nothing"
            else:
                why_not = _irregular(path) or ("" if images.is_picture(path) else "no picture")
            passed.append((file, why_not))
        for each, why_not in sorted(passed):
            path = here / each
            failed = bool(why_not) and path.suffix.lower() in images.READ
            yield Found(path=path, inside=below / path.relative_to(source), why_not=why_not, failed=failed)
    for fault in faults:
        path = Path(fault.filename)
        why_not = f"cannot be read: {fault.strerror}"
        yield Found(path=path, inside=below / path.relative_to(source), why_not=why_not, failed=True)


def same(a: Path, b: Path) -> bool:
    """Whether two paths lead to the same place, which need not be there."""
    return os.path.realpath(a) == os.path.realpath(b)


class Places:
    """The places of results: a name, or names below a folder; nothing is overwritten."""

    def __init__(self, sources: Sequence[Path], out: Path, *, folder: bool = False) -> None:
        """Decide what OUT is.

        Parameters
        ----------
        folder
            OUT was written with a slash at its end.

        Raises ``UsageError`` when it would write where originals are, or OUT is nothing to write to.
        """
        self.out = out
        single = len(sources) == 1 and not sources[0].is_dir()
        named = not folder and not out.is_dir() and bool(out.suffix)
        looks_like_file = named and out.suffix.lower() in images.READ | images.UNREAD
        self.named = single and looks_like_file
        _check_out(sources, out, single=single, named=named, looks_like_file=looks_like_file)
        self.folder = out.parent if self.named else out
        if not self.named and any(same(each if each.is_dir() else each.parent, out) for each in sources):
            raise UsageError(
                f"{out}: originals are in there, which are never written over; give another folder"
            )
        self._lock = threading.Lock()
        self._taken: dict[str, Path] = {}
        self._originals: dict[tuple[int, int], Path] = {}
        self._names: set[Path] = set()

    def prepare(self, found: Sequence[Found]) -> None:
        """Make the folder, and remember originals; raises ``DataError`` when it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written: {error.strerror or error}") from error
        if not os.access(self.folder, os.W_OK):
            raise DataError(f"{self.folder}: cannot be written; choose another folder")
        for each in found:
            if each.path.exists():
                self._originals[_identity(each.path)] = each.path
        self._names = {each.inside for each in found if not each.why_not}

    def place(self, found: Found, name: str, *, replace: bool) -> Path:
        """Return the path of a result; if another file has this name, the original suffix is added.

        Raises ``DataError`` when the place is taken.
        """
        if self.named:
            target = self.out
        else:
            inside = found.inside.with_name(name)
            if inside != found.inside and inside in self._names:
                inside = inside.with_stem(f"{inside.stem}-{found.path.suffix[1:].lower()}")
            target = self.out / inside
        with self._lock:
            first = self._taken.setdefault(os.path.realpath(target), found.path)
        if first != found.path:
            raise DataError(f"{target} is already the result of {first}")
        if target.exists() and _identity(target) in self._originals:
            raise DataError(f"{target} is an original, which is never written over; give another folder")
        if target.is_dir():
            raise DataError(f"{target} is a folder")
        if target.exists() and not replace:
            raise DataError(f"{target} exists; --replace writes it anew")
        return target


def _check_out(
    sources: Sequence[Path], out: Path, *, single: bool, named: bool, looks_like_file: bool
) -> None:
    """Raise ``UsageError`` when OUT is an original, or a file that is no place for a result."""
    if single and same(sources[0], out):
        raise UsageError(f"{out}: the original; give another name for the result")
    if not single and (out.is_file() or looks_like_file):
        raise UsageError(f"{out}: a file, perhaps an original; give a folder for the results")
    if single and named and (looks_like_file or out.is_file()):
        images.format_of(out)
    elif out.is_file():
        raise UsageError(f"{out}: a file, and no name of a picture; give another name or a folder")
    elif named and not looks_like_file:
        raise UsageError(f"{out}: no name of a picture; a new folder of that name is {out}{os.sep}")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
