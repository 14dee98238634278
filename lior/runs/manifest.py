"""The manifest of a run's files: the files of its documents, and their state when they were read.

It is the file ``sync.json`` of the run's directory, with a checksum, written whole or not at all. The
documents themselves are only in the checkpoint: without the manifest, or with an older one,
:mod:`lior.runs.syncing` compares the files with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from lior.errors import RunError
from lior.reading.files import File
from lior.reading.finding import absolute
from lior.runs import files
from lior.runs import folder as runfolder
from lior.runs.bundle import digest

NAME = "sync.json"
_FORMAT = 2
_KEPT = "size", "modified", "sha256", "documents", "reason", "detail", "reader"
"""Stored fields of a file beside its name, in the order of its fields."""


@attrs.frozen
class FileManifest:
    """The files from which the documents of a run come."""

    paths: tuple[str, ...]
    """Absolute paths of the folders and files."""
    field: str = "text"
    """Key of the text in a line of JSON Lines."""
    files: Mapping[str, File] = attrs.field(factory=dict)
    """Stored state of each file, by its name as `lior ask` names documents. Its documents are those that the
    run has from it, or may have."""
    checkpoint: int = 0
    """Number of the newest checkpoint when the manifest was written."""

    @classmethod
    def of(cls, paths: Sequence[str], field: str, found: Iterable[File]) -> FileManifest:
        """Return the manifest of a run that is being trained on the files ``found`` at ``paths``."""
        return cls(absolute(paths), field, {file.name: entry(file) for file in found if not file.given})

    def save(self, run: Path) -> None:
        """Write the manifest into a run's directory; on error raises ``OSError`` and leaves the old one."""
        entries = {name: [getattr(file, key) for key in _KEPT] for name, file in sorted(self.files.items())}
        body = {"format": _FORMAT, **attrs.asdict(self, recurse=False), "files": entries}
        text = json.dumps({**body, "sha256": digest(body)}, separators=(",", ":"))
        files.write_text(run / NAME, text + "\n")


def entry(file: File) -> File:
    """Return a file without the fields that the manifest omits: notes and content."""
    return attrs.evolve(file, notes=(), content=())


def load(run: Path) -> FileManifest | None:
    """Return the manifest in the directory of a run; ``None`` if there is none.

    Raises ``RunError`` when it is damaged, or of a later version.
    """
    path = run / NAME
    try:
        body: dict[str, Any] = json.loads(path.read_bytes())
        wanted = body.pop("sha256")
        if body["format"] != _FORMAT or digest(body) != wanted:
            raise ValueError("its checksum or format does not match")
        entries = {name: File(name, *rest) for name, rest in body["files"].items()}
        return FileManifest(tuple(body["paths"]), body["field"], entries, body["checkpoint"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be used ({error})") from error


def newest(run: Path) -> int:
    """Return the number of the newest checkpoint; 0 if there is none."""
    return max(map(runfolder.number, runfolder.list_checkpoints(run)), default=0)
