"""The record of a run: which files its documents are from, and how these files were when they were read.

It is the file ``sync.json`` of the run's directory, with a checksum, written whole or not at all. The
documents themselves are in the checkpoint alone: without the record, or with an older one, :mod:`.syncing`
compares the files with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from lior.errors import RunError
from lior.reading.files import File
from lior.runs import files
from lior.runs import folder as runfolder

NAME = "sync.json"
_FORMAT = 1


@attrs.frozen
class Record:
    """The files of a run."""

    paths: tuple[str, ...]
    """Absolute paths of the folders and files."""
    field: str = "text"
    """Key of the text in a line of JSON Lines."""
    files: Mapping[str, File] = attrs.field(factory=dict)
    """Name of a file, as `lior ask` names documents -> what is known of it. Its documents are those that the
    run has from it, or may have."""
    checkpoint: int = 0
    """Number of the newest checkpoint when it was written."""

    def save(self, run: Path) -> None:
        """Write the record into the directory of a run; raises ``OSError`` and leaves the old one then."""
        entries = {
            name: [file.size, file.modified, file.sha256, file.documents, file.reason]
            for name, file in sorted(self.files.items())
        }
        body = {"format": _FORMAT, **attrs.asdict(self, recurse=False), "files": entries}
        text = json.dumps({**body, "sha256": _digest(body)}, separators=(",", ":"))
        files.write_text(run / NAME, text + "\n")


def entry(file: File) -> File:
    """A file without what is not recorded."""
    return attrs.evolve(file, notes=(), content=())


def of(paths: Iterable[str], field: str, found: Iterable[File]) -> Record:
    """The record of a run that is being trained on files."""
    return Record(tuple(paths), field, {file.name: entry(file) for file in found})


def load(run: Path) -> Record | None:
    """The record in the directory of a run; ``None`` if there is none.

    Raises ``RunError`` when it is damaged, or of a later version.
    """
    path = run / NAME
    try:
        body: dict[str, Any] = json.loads(path.read_bytes())
        wanted = body.pop("sha256")
        if body["format"] != _FORMAT or _digest(body) != wanted:
            raise ValueError("its checksum or format does not match")
        entries = {
            name: File(name, size, modified, digest, tuple(documents), reason)
            for name, (size, modified, digest, documents, reason) in body["files"].items()
        }
        return Record(tuple(body["paths"]), body["field"], entries, body["checkpoint"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be used ({error})") from error


def newest(run: Path) -> int:
    """Number of the newest checkpoint; 0 if there is none."""
    return max(map(runfolder.number, runfolder.listed(run)), default=0)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
