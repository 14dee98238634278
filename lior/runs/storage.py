"""Snapshots: tensors and a manifest in a folder that is there whole or not at all.

A snapshot is a folder with ``NAME.safetensors`` for every group of tensors and ``manifest.json``, which has
the format, whatever the program puts there, size and SHA-256 of each file, and its own SHA-256. It is written
to a sibling, flushed to the disk and renamed, and nothing in it is changed afterwards. Nothing that is read
can run code. :mod:`lior.runs.checkpoint` keeps models in them, and a program of another distribution can keep
its own; :mod:`lior.runs.folder` has the directory around them.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "first"
>>> mine = Format(program="mine", version=1)
>>> write(path, {"model": {"weight": torch.ones(2)}}, {"loss": 0.5}, format=mine)
>>> manifest, states = read(path, format=mine)
>>> manifest["loss"], states["model"]["weight"].tolist()
(0.5, [1.0, 1.0])
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lior.errors import NewerFormat, PluginError, RunError, UsageError
from lior.interfaces import State
from lior.runs import files as durable

MANIFEST = "manifest.json"
_SUFFIX = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_OWN = ("format", "files", "sha256")
"""Entries of a manifest that are not the program's."""
_MOST = 64 << 20
_MISFITS = (LookupError, TypeError, AttributeError, ValueError, RuntimeError, ArithmeticError, MemoryError)
"""What code raises that is given what it did not write."""


@attrs.frozen(kw_only=True)
class Format:
    """Which snapshots a program writes and reads."""

    program: str
    """What messages call it, such as ``lior``: who is to be upgraded when a format is newer."""
    version: int
    """Of the layout, and of what the manifest and the tensors mean; the newest that is read."""
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = attrs.field(factory=dict)
    """Version -> what makes a manifest of the next version of one of it; versions without are too old."""


# --- writing ---


def write(
    path: Path,
    tensors: Mapping[str, State],
    manifest: Mapping[str, Any],
    *,
    format: Format,
    share: Mapping[str, Path] | None = None,
) -> None:
    """Write a snapshot to ``path``, which must not exist.

    All files are written to a sibling first, flushed to the disk and moved at
    the end, so that ``path`` never holds half a snapshot.

    Parameters
    ----------
    tensors
        Name of a group -> its tensors, of any shape and device and of all types that safetensors has (complex
        numbers best as ``torch.view_as_real``); views of one storage are written apart.
    manifest
        Further entries, ready for JSON; ``format``, ``files`` and ``sha256`` are added.
    share
        Name of a group -> an earlier snapshot that has the same tensors in it. Its file gets a second name
        where the file system can do that, and is written anew elsewhere.

    Raises
    ------
    UsageError
        When the name of a group is not made of letters, digits, ``_`` and ``-``, or the manifest has an entry
        that is added here.
    TypeError, ValueError
        When an entry of the manifest is not ready for JSON.
    OSError
        When a file cannot be written, for instance because the disk is full. After this, as after any
        exception, nothing of the snapshot is left.
    """
    _check_names(tensors, manifest)
    entries = json.loads(json.dumps(dict(manifest)))  # as they are read back, or the checksum would not match
    part = path.with_name(path.name + durable.PARTIAL)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name, state in tensors.items():
            file = name + _SUFFIX
            if not share or name not in share or not _link(share[name] / file, part / file):
                _write_tensors(part / file, state)
        files = {file.name: fingerprint(file) for file in sorted(part.iterdir())}
        whole = {"format": format.version, **entries, "files": files}
        whole["sha256"] = digest(whole)
        durable.write_text(part / MANIFEST, _encoded(whole, path))
        part.rename(path)
        durable.sync(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _check_names(tensors: Iterable[str], manifest: Mapping[str, Any]) -> None:
    for name in tensors:
        if not _NAME.fullmatch(name):
            raise UsageError(f"group of tensors {name!r}: only letters, digits, _ and - make a name")
    for name in _OWN:
        if name in manifest:
            raise UsageError(f"entry {name!r} of a manifest is written by lior itself; rename it")


def _encoded(manifest: dict[str, Any], path: Path) -> str:
    text = json.dumps(manifest, indent=1)
    if len(text) > _MOST:
        raise RunError(
            f"{path}: its manifest would be larger than {_MOST >> 20} MiB, and none so large is read; "
            "put less into it"
        )
    return text


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name; it is never changed in place. Some file systems cannot."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _write_tensors(path: Path, tensors: State) -> None:
    try:
        save_file(_separate(tensors), path)
    except SafetensorError as error:  # what safetensors makes of a full disk
        raise OSError(f"{path.name}: {error}") from error
    path.chmod(0o666 & ~_umask())  # safetensors writes 0600 whatever the umask
    durable.sync(path)


def _separate(tensors: State) -> State:
    """The tensors on the CPU without common storage, which safetensors refuses: a plugin may keep views."""
    separate: State = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        here = value.contiguous().cpu()
        storage = here.untyped_storage().data_ptr()
        separate[name] = here.clone() if storage in seen else here
        seen.add(storage)
    return separate


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- reading ---


def read(
    path: Path, *, format: Format, device: torch.device | str = "cpu"
) -> tuple[dict[str, Any], dict[str, State]]:
    """The manifest of the snapshot at ``path``, as the present format has it, and its tensors on ``device``.

    Raises
    ------
    RunError
        When a file is missing, damaged, a link, or of a format that cannot be migrated.
    NewerFormat
        When a later version of the program wrote it.
    """
    manifest = read_manifest(path, format=format)
    with fitting_together(path, program=format.program):
        return manifest, read_tensors(path, manifest, _groups(manifest), device=device)


def _groups(manifest: Mapping[str, Any]) -> list[str]:
    """The groups of tensors that a manifest lists; none can lead out of the snapshot."""
    for file in manifest["files"]:
        if not file.endswith(_SUFFIX) or not _NAME.fullmatch(file.removesuffix(_SUFFIX)):
            raise UsageError(f"{file!r} is not the name of a file of tensors")
    return [file.removesuffix(_SUFFIX) for file in manifest["files"]]


def read_manifest(path: Path, *, format: Format) -> dict[str, Any]:
    """The manifest of the snapshot at ``path``, as the present format has it; other files are not looked at.

    Raises
    ------
    RunError
        When it is missing, damaged, or of a format that cannot be migrated.
    NewerFormat
        When a later version of the program wrote it.
    """
    file = path / MANIFEST
    try:
        if file.stat().st_size > _MOST:
            raise RunError(f"{file}: larger than {_MOST >> 20} MiB; not a manifest of {format.program}")
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no checkpoint there (manifest.json is missing)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({error})") from error
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        raise RunError(f"{file}: not a manifest of {format.program}")
    if manifest["format"] > format.version:
        raise NewerFormat(
            f"{file}: written in format {manifest['format']}, and this {format.program} reads "
            f"{format.version}; install a newer {format.program}"
        )
    if manifest.pop("sha256", None) != digest(manifest):
        raise RunError(f"{file}: changed since it was written (its checksum does not match)")
    return _migrated(manifest, file, format)


def _migrated(manifest: dict[str, Any], file: Path, format: Format) -> dict[str, Any]:
    while (version := manifest["format"]) < format.version:
        migrate = format.migrations.get(version)
        if migrate is None:
            raise RunError(
                f"{file}: written in format {version} by an earlier {format.program}; this one reads "
                f"{min(format.migrations, default=format.version)} to {format.version}; "
                "train again with the run's config.toml"
            )
        try:
            manifest = {**migrate(manifest), "format": version + 1}
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{file}: not a manifest of format {version} ({error!r}); it was not made by {format.program}"
            ) from error
    return manifest


def read_tensors(
    path: Path, manifest: Mapping[str, Any], groups: Iterable[str], *, device: torch.device | str = "cpu"
) -> dict[str, State]:
    """Some groups of tensors of the snapshot at ``path``, whose manifest was read.

    They are read while their checksums are worked out, and given only when these are right.

    Raises
    ------
    RunError
        When a file is missing, damaged or a link.
    LookupError, TypeError
        When the manifest does not list a group: within :func:`fitting_together`, that is a ``RunError``.
    """
    files = {group: group + _SUFFIX for group in groups}

    def check() -> None:
        for file in files.values():
            verify(path / file, manifest["files"][file])

    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check)
        try:
            found = {group: _load(path / file, device) for group, file in files.items()}
        finally:
            checked.result()  # a checksum that is wrong says more than what reading made of it
    return found


def _load(path: Path, device: torch.device | str) -> State:
    try:
        tensors = load_file(path, device=str(device))
        # In the file they begin anywhere; matrix products round by how their operands are aligned.
        for name in tensors:
            tensors[name] = tensors[name].clone()
        return tensors
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged ({error})") from error


@contextlib.contextmanager
def fitting_together(path: Path, *, program: str) -> Iterator[None]:
    """Turn what code raises when what it was given belongs to no one run into ``RunError``.

    For whoever makes something of what was read from ``path``: a right checksum does not say that
    ``program`` wrote it.
    """
    try:
        yield
    except PluginError:
        raise
    except (UsageError, *_MISFITS) as error:
        cause = " ".join(str(error).split()) if isinstance(error, UsageError) else repr(error).splitlines()[0]
        raise RunError(
            f"{path}: the checkpoint does not fit together ({cause}); it was not made by {program}"
        ) from error


# --- checksums ---


def digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own entry, whatever its layout on disk."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def verify(path: Path, expected: Mapping[str, Any]) -> None:
    """Refuse a file that is not as the manifest says, with ``RunError``.

    Parameters
    ----------
    expected
        What :func:`fingerprint` said of it when it was written.
    """
    if path.is_symlink():
        raise RunError(f"{path}: a link, not a file of this checkpoint")
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: not a file")
    try:
        found = fingerprint(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected:
        what = "cut short or grown" if found["bytes"] != expected.get("bytes") else "changed"
        raise RunError(f"{path}: {what} since it was written (its checksum does not match the manifest)")
