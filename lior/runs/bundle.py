"""Bundles: a folder of tensor files and a manifest that exists whole or not at all.

A bundle has ``NAME.safetensors`` for every group of tensors, and ``manifest.json``. The manifest has the
format, the program's own entries, the size and SHA-256 of each file, and its own SHA-256. It is written to
a sibling, flushed to the disk and renamed; its contents never change afterwards. None of its files can run
code. :mod:`lior.runs.checkpoint` stores models in bundles, and a program of another distribution can store
its own; :mod:`lior.runs.folder` manages the directory around them.

>>> import tempfile, torch
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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from safetensors import SafetensorError

from lior.errors import NewerFormat, PluginError, RunError, UsageError
from lior.files import follow
from lior.interfaces import State
from lior.plugins.trust import opening
from lior.runs import files

if TYPE_CHECKING:
    import torch

__all__ = [
    "MANIFEST",
    "Format",
    "digest",
    "file_name",
    "fingerprint",
    "misfits_as_run_errors",
    "read",
    "read_manifest",
    "save_file",
    "verify",
    "write",
]


MANIFEST = "manifest.json"
_SUFFIX = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_OWN = ("format", "files", "sha256")
"""Entries of a manifest that :func:`write` adds."""
_LARGEST = 64 << 20
_MISFITS = (LookupError, TypeError, AttributeError, ValueError, RuntimeError, ArithmeticError, MemoryError)
"""Errors of code that reads values that it did not write."""


@attrs.frozen(kw_only=True)
class Format:
    """The bundles that a program writes and reads."""

    program: str
    """The program's name in messages, such as ``lior``: the program to upgrade when a format is newer."""
    version: int
    """The newest version that is read, of the layout and the meaning of manifest and tensors."""


def file_name(group: str) -> str:
    """Return the name of the file that holds a group of tensors."""
    return group + _SUFFIX


# --- writing ---


def write(
    path: Path,
    tensors: Mapping[str, State],
    manifest: Mapping[str, Any],
    *,
    format: Format,
    share: Mapping[str, Path] | None = None,
) -> None:
    """Write a bundle to ``path``, which must not exist and never holds part of a bundle.

    Parameters
    ----------
    tensors
        Tensors of each group by its name, of any shape and device and of all types that safetensors has
        (complex numbers best as ``torch.view_as_real``); views of one storage are written separately.
    manifest
        Further entries, ready for JSON; ``format``, ``files`` and ``sha256`` are added.
    share
        An earlier bundle with the same tensors in a group, by the group's name. Its file gets a second name
        if the file system supports hard links; otherwise it is written again.

    Raises
    ------
    UsageError
        When the name of a group is not made of letters, digits, ``_`` and ``-``, or the manifest has an
        entry that is added here.
    TypeError, ValueError
        When an entry of the manifest is not ready for JSON.
    OSError
        When a file cannot be written, for instance because the disk is full. After this or any other
        exception, nothing of the bundle remains.
    """
    for name in tensors:
        if not _NAME.fullmatch(name):
            raise UsageError(f"group of tensors {name!r}: only letters, digits, _ and - make a name")
    for name in _OWN:
        if name in manifest:
            raise UsageError(f"entry {name!r} of a manifest is written by lior itself; rename it")
    entries = json.loads(json.dumps(dict(manifest)))  # as when read back, or the checksum would not match
    part = path.with_name(path.name + files.PARTIAL)
    shutil.rmtree(part, ignore_errors=True)
    if not path.parent.exists():
        path.parent.mkdir(0o700, parents=True)
        follow(path.parent)
    part.mkdir(0o700)
    follow(part)
    try:
        for name, state in tensors.items():
            file = file_name(name)
            if not share or name not in share or not _link(share[name] / file, part / file):
                _write_tensors(part / file, state)
        written = {file.name: fingerprint(file) for file in sorted(part.iterdir())}
        whole = {"format": attrs.asdict(format), **entries, "files": written}
        whole["sha256"] = digest(whole)
        text = json.dumps(whole, indent=1)
        if len(text) > _LARGEST:
            fault = f"its manifest would be larger than {_LARGEST >> 20} MiB, the most that is read"
            raise RunError(f"{path}: {fault}; put less into it")
        files.write_text(part / MANIFEST, text)
        _publish(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _publish(part: Path, path: Path) -> None:
    """Give the written bundle its final name; if that cannot be flushed, it gets the old name back."""
    part.rename(path)
    try:
        files.sync(path.parent)
    except BaseException:
        path.rename(part)
        raise


def _link(source: Path, target: Path) -> bool:
    """Give a file, which is never changed in place, a second name; some file systems cannot."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _write_tensors(path: Path, tensors: State) -> None:
    try:
        save_file(_separate(tensors), path)
    except SafetensorError as error:  # raised for a full disk as well
        raise OSError(f"{path.name}: {error}") from error
    follow(path)
    files.sync(path)


def save_file(tensors: State, path: Path) -> None:
    """Write tensors with safetensors, which imports torch; manifests are read without it."""
    from safetensors.torch import save_file as save

    save(tensors, path)


def _separate(tensors: State) -> State:
    """Return the tensors on the CPU without common storage, which safetensors refuses; plugins may use
    views."""
    separate: State = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        here = value.contiguous().cpu()
        storage = here.untyped_storage().data_ptr()
        separate[name] = here.clone() if storage in seen else here
        seen.add(storage)
    return separate


# --- reading ---


def read(
    path: Path, *, format: Format, device: torch.device | str = "cpu"
) -> tuple[dict[str, Any], dict[str, State]]:
    """Return the manifest of the bundle at ``path``, and its tensors on ``device``.

    Checksums are computed while the tensors are read; a wrong checksum explains more than a read error.

    Raises
    ------
    RunError
        When a file is missing, damaged, a link, from another program, or in a format that is no longer
        read.
    NewerFormat
        When a later version of the program wrote it.
    """
    manifest = read_manifest(path, format=format)
    with misfits_as_run_errors(path, program=format.program):
        listed = {file.removesuffix(_SUFFIX): file for file in manifest["files"]}
        for group, file in listed.items():
            if file != file_name(group) or not _NAME.fullmatch(group):  # a path could lead out of the bundle
                raise UsageError(f"{file!r} is not the name of a file of tensors")

        def check() -> None:
            for file in listed.values():
                verify(path / file, manifest["files"][file])

        with ThreadPoolExecutor(1) as pool:
            checked = pool.submit(check)
            try:
                found = {group: _load(path / file, device) for group, file in listed.items()}
            finally:
                checked.result()
        return manifest, found


def read_manifest(path: Path, *, format: Format) -> dict[str, Any]:
    """Return the manifest of the bundle at ``path``; other files are not read.

    Raises
    ------
    RunError
        When it is missing, damaged, from another program, or in a format that is no longer read.
    NewerFormat
        When a later version of the program wrote it.
    """
    file = path / MANIFEST
    try:
        if file.stat().st_size > _LARGEST:
            raise RunError(f"{file}: larger than {_LARGEST >> 20} MiB; not a manifest of {format.program}")
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no checkpoint there (manifest.json is missing)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({error})") from error
    _check_format(manifest, file, format)
    if manifest.pop("sha256", None) != digest(manifest):
        raise RunError(f"{file}: changed since it was written (its checksum does not match)")
    return dict(manifest)


def _check_format(manifest: Any, file: Path, format: Format) -> None:
    found = manifest.get("format") if isinstance(manifest, dict) else None
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(found, dict) or type(version) is not int or found.get("program") != format.program:
        raise RunError(f"{file}: not a manifest of {format.program}")
    if version != format.version:
        newer = version > format.version
        fault = f"{file}: written in format {version}, and this {format.program} reads {format.version}"
        hint = f"install a newer {format.program}" if newer else "make it anew"
        raise (NewerFormat if newer else RunError)(f"{fault}; {hint}")


def _load(path: Path, device: torch.device | str) -> State:
    from safetensors.torch import load_file

    try:
        tensors = load_file(path, device=str(device))
        # In the file they begin at any byte; matrix products round differently for other alignments.
        for name in tensors:  # one after the other, so that not all of them are in memory twice
            tensors[name] = tensors[name].clone()
        return tensors
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged ({error})") from error


@contextlib.contextmanager
def misfits_as_run_errors(path: Path, *, program: str) -> Iterator[None]:
    """Turn errors of code that uses values read from ``path`` into ``RunError``.

    A right checksum does not prove that ``program`` wrote the values, or that they belong to one run.
    Classes that only the values name are not imported (:func:`lior.plugins.trust.opening`).
    """
    try:
        with opening(path):
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
    """Return the SHA-256 of a manifest without its own entry, whatever its layout on disk."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Return the size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def verify(path: Path, expected: Mapping[str, Any]) -> None:
    """Refuse a file that differs from its :func:`fingerprint` in the manifest, with ``RunError``."""
    if path.is_symlink():
        raise RunError(f"{path}: a link, not a file of this checkpoint")
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: not a file")
    try:
        found = fingerprint(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected:
        fault = "cut short or grown" if found["bytes"] != expected.get("bytes") else "changed"
        raise RunError(f"{path}: {fault} since it was written (its checksum does not match the manifest)")
