"""Paths to files: the files that folders, globs and single paths stand for, without those to be left out."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from lior.errors import DataError, UsageError
from lior.files import original, printable
from lior.reading.skipping import SkippedFile, SkipReason

STDIN = "-"
"""The path that stands for standard input."""

FOREIGN = ("node_modules", "site-packages", "venv", "__pycache__")
"""Names of folders that programs generate."""
_RUN = {"config.toml", "checkpoints"}
"""Names by which the directory of a run is recognised; it is made from the text around it and changes with
it.
"""
_ARCHIVE = re.compile(r"lock|archive\.json(\.partial)?|\d{5,}(\.(json|npy|spool|partial))?")
"""Names in an archive of ``lior archive``, which is made from the text around it too."""
_MAILDIR = {"cur", "new", "tmp"}
"""Folders of a Maildir, in which each message is a file; those in the last one are incomplete."""
_MAIL_INDEX = ".msf"
"""The suffix of Thunderbird's index of a mail folder, which is the file of the same name
without the suffix.
"""
_GLOB = frozenset("*?[")

_Cause = tuple[SkipReason, str]
"""The reason why a path is left out, and its detail."""


@attrs.frozen
class SourceFile:
    """A file that is to be read."""

    name: str
    """The name of the document, made :func:`~lior.files.printable`. In a folder it is the path inside the
    folder, with ``/``, after the folder's name if there are several folders. A single file has its own name.
    """
    path: Path
    """The path as given, or below the given folder."""
    named: bool = False
    """Whether the file itself was named, not a folder that it is in."""


_Found = tuple[Path, SourceFile, _Cause | None]
"""The path that tells a file from all others, the file, and the reason to leave it out or ``None``."""
_follow = False


def follows_links() -> bool:
    """Return whether links that lead to folders, or out of the folders given, are followed."""
    return _follow


@contextmanager
def follow_links(chosen: bool) -> Iterator[None]:
    """Context manager: follow such links, or do not, in all threads."""
    global _follow
    before, _follow = _follow, chosen
    try:
        yield
    finally:
        _follow = before


def find_files(paths: Sequence[str | Path]) -> tuple[list[SourceFile], list[SkippedFile]]:
    """Return the files that paths stand for, in a stable order, each once, and what is left out.

    Nothing is opened. A file that several links in a folder lead to is read once, under its own name if it is
    in a folder that is given. Links that leave these folders are left out, unless :func:`follow_links` says
    otherwise; a path that is given is read wherever it leads.

    Parameters
    ----------
    paths
        Folders, files and glob patterns; ``-`` stands for standard input.

    Raises
    ------
    DataError
        When a path does not exist or a pattern matches nothing.
    """
    given = [root for path in paths for root in expand(str(path))]
    folders = [*filter(Path.is_dir, given)]
    labels = _labels([_absolute(root) for root in folders])
    sources: dict[Path, SourceFile] = {}
    skipped: dict[Path, SkippedFile] = {}
    links: dict[Path, SourceFile] = {}
    for root in given:
        for path, source, cause in _below(root, labels) if root.is_dir() else _alone(root):
            if cause:
                skipped.setdefault(path, SkippedFile(source.name, *cause))
            elif source.path.is_symlink() and not source.named:
                links.setdefault(path, source)
            else:
                sources.setdefault(path, source)
    for path, source, cause in _judge_links(links, sources, {root.resolve() for root in folders}):
        if cause:
            skipped.setdefault(path, SkippedFile(source.name, *cause))
        else:
            sources.setdefault(path, source)
    return _distinct(sources), [each for place, each in skipped.items() if place not in sources]


def _alone(root: Path) -> Iterator[_Found]:
    """Yield a file that was named."""
    name = "<stdin>" if str(root) == STDIN else printable(root.name)
    yield _absolute(root), SourceFile(name, root, named=True), None


def _below(folder: Path, labels: Mapping[Path, tuple[str, ...]]) -> Iterator[_Found]:
    """Yield the files below a folder, each with the reason to leave it out or ``None``."""
    home = _absolute(folder)
    for path, cause in walk(folder):
        below = path.relative_to(folder)
        name = "/".join((*labels[home], printable(below.as_posix())))
        yield home / below, SourceFile(name, path), cause


def _distinct(sources: Mapping[Path, SourceFile]) -> list[SourceFile]:
    """Return the files; those that were named, and share their name with others, are named by their path."""
    count = Counter(source.name for source in sources.values())
    return [
        attrs.evolve(each, name=printable(place.as_posix())) if each.named and count[each.name] > 1 else each
        for place, each in sources.items()
    ]


def _judge_links(
    links: Mapping[Path, SourceFile], sources: Mapping[Path, SourceFile], homes: set[Path]
) -> Iterator[_Found]:
    """Yield links to files, each with the reason to leave it out or ``None``.

    ``sources`` are files that are read, ``homes`` the folders given, without links in their paths."""
    if not links:
        return
    resolved = cache(Path.resolve)
    read = {resolved(path.parent) / path.name: source.name for path, source in sources.items()}
    for path, source in links.items():
        target = path.resolve()
        if not (_follow or homes.intersection(target.parents)):
            yield path, source, (SkipReason.OUTSIDE_LINK, "")
        elif target in read:
            yield path, source, (SkipReason.READ_ONCE, read[target])
        else:
            read[target] = source.name
            yield path, source, None


def is_run(path: Path) -> bool:
    """Return whether a path is the directory of a run, with a ``config.toml`` and a folder
    ``checkpoints``.
    """
    try:
        return (path / "config.toml").is_file() and (path / "checkpoints").is_dir()
    except (OSError, ValueError):
        return False  # not a name that the file system can hold, or a folder of another user


def archive_names(names: Collection[str]) -> set[str]:
    """Return those of the names in a folder that are of an archive, or of its unfinished build.

    >>> sorted(archive_names(["lock", "archive.json", "00000", "notes.txt"]))
    ['00000', 'archive.json', 'lock']
    """
    found = {name for name in names if _ARCHIVE.fullmatch(name)}
    return found if "lock" in found and len(found) > 1 else set()


def names_path(text: str) -> bool:
    """Return whether a text is the path of a file or folder that exists."""
    return _exists(_home(text))


def expand(path: str) -> list[Path]:
    """Return the file, the folder, or the files of a pattern that a user's ``path`` stands for.

    Raises ``DataError`` when there is none.
    """
    if path == STDIN:
        return [Path(STDIN)]
    if not path:
        raise DataError("'': a text has no name here; give files or folders, or - for standard input")
    found = _home(path)
    for place in (found, _home(original(path))):  # as given, or with the name as displayed
        if _exists(place):
            return [place]
    if not _GLOB & set(path):
        raise DataError(f"{path}: no such file or folder")
    matches = (Path(name) for name in glob.glob(str(found), recursive=True))  # noqa: PTH207 (absolute patterns)
    files = sorted(match for match in matches if match.is_file())
    if not files:
        raise DataError(f"{path}: the pattern matches no file")
    return files


def labels_of(paths: Sequence[str]) -> list[str]:
    """Return the prefix of the file names of each folder at ``paths``; empty for a single folder."""
    folders = [_absolute(root) for path in paths for root in expand(path) if root.is_dir()]
    return [name for label in _labels(folders).values() for name in label]


def folders_of(paths: Sequence[str]) -> list[Path]:
    """Return the folders to watch for changes of the files at ``paths``: given folders and
    parents of files.
    """
    found = [root for path in paths for root in expand(path)]
    return [root if root.is_dir() else root.parent for root in found]


def walk(folder: Path) -> Iterator[tuple[Path, _Cause | None]]:
    """Yield the files below a folder, sorted by path, each with the reason to leave it out or ``None``.

    A folder that is left out is yielded once, without its content. Links to folders are followed only with
    :func:`follow_links`, each folder once. A Maildir yields its messages.
    """
    entered = set[tuple[int, int]]()
    stack: list[os.DirEntry[str] | Path] = [folder]
    own = set[str]()
    while stack:
        entry = stack.pop()
        path = Path(entry)
        if isinstance(entry, os.DirEntry) and (cause := _left_out(entry)):
            yield path, cause
        elif str(path) in own:
            yield path, (SkipReason.GENERATED, "")
        elif entry.is_dir():
            if _follow and _entered(path, entered):
                yield path, (SkipReason.READ_ONCE, "a folder")
                continue
            try:
                with os.scandir(path) as entries:
                    found = sorted(entries, key=lambda each: each.name, reverse=True)
                names = {each.name for each in found}
                if path != folder and names >= _RUN:
                    yield path, (SkipReason.RUN_DIRECTORY, "")
                    continue
                stack += found
                own |= {str(path / name) for name in archive_names(names)}
                if names >= _MAILDIR:
                    own |= {str(path / each.name) for each in found if each.name == "tmp" or each.is_file()}
            except OSError as error:
                yield path, (SkipReason.CLOSED_FOLDER, str(error.strerror or error))
        else:
            yield path, None


def absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """Return ``paths`` as they can be read from any working directory."""
    return tuple(path if path == STDIN else str(Path(path).expanduser().absolute()) for path in paths)


def _left_out(entry: os.DirEntry[str]) -> _Cause | None:
    """Return the reason why a file or folder below the given one is not read; ``None`` if it is read."""
    reason = None
    try:
        if entry.name.startswith("."):
            folders = (Path(entry, name) for name in _MAILDIR)  # such as Maildir/.Sent
            mail = not entry.is_symlink() and all(folder.is_dir() for folder in folders)
            reason = None if mail else SkipReason.HIDDEN
        elif entry.is_dir():
            if entry.is_symlink() and not _follow:
                reason = SkipReason.FOLDER_LINK
            elif entry.name in FOREIGN:
                reason = SkipReason.GENERATED
        elif entry.name.endswith(_MAIL_INDEX):
            reason = SkipReason.GENERATED
        elif not entry.is_file():
            reason = SkipReason.BROKEN_LINK if entry.is_symlink() else SkipReason.NOT_REGULAR
    except OSError as error:
        return SkipReason.UNREADABLE, str(error.strerror or error)
    return (reason, "") if reason else None


def _entered(folder: Path, known: set[tuple[int, int]]) -> bool:
    """Return whether a folder was entered before, perhaps by another name, and add it to ``known``."""
    try:
        found = folder.stat()
    except OSError:
        return False  # it cannot be opened either
    key = found.st_dev, found.st_ino
    again = key in known
    known.add(key)
    return again


def _absolute(path: Path) -> Path:
    return path.resolve() if ".." in path.parts else path.absolute()


def _labels(folders: list[Path]) -> dict[Path, tuple[str, ...]]:
    """Return the prefix of the paths inside each folder: empty for a single folder, else a distinct name."""
    folders = list(dict.fromkeys(folders))
    if len(folders) < 2:
        return dict.fromkeys(folders, ())
    names = [folder.name for folder in folders]
    shown = {f: f.name if names.count(f.name) == 1 and f.name else f.as_posix() for f in folders}
    return {folder: (printable(name),) for folder, name in shown.items()}


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)  # there is no such user: the name is taken literally


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a name that the file system cannot hold


def as_paths(name: str, given: Any) -> list[str]:
    """Return one path or several as a list of texts; ``name`` is the name of the argument, for errors.

    Raises ``UsageError`` when an item is not a path.

    >>> as_paths("text", Path("a.txt")), as_paths("text", ["a.txt", Path("b")])
    (['a.txt'], ['a.txt', 'b'])
    """
    paths = [given] if isinstance(given, str | os.PathLike) or not isinstance(given, Iterable) else [*given]
    for path in paths:
        as_path(name, path)
    return [os.fspath(path) for path in paths]


def as_path(name: str, given: Any) -> Path:
    """Return the path of an argument of that name; raises ``UsageError`` for anything else."""
    if not isinstance(given, str | os.PathLike):
        raise UsageError(f"{name}: {given!r} is of type {type(given).__name__}; give a path (str or Path)")
    if "\0" in os.fspath(given):
        raise UsageError(f"{name}: {given!r} has a NUL, which no path can have")
    return Path(given)
