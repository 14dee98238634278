"""The format of the checkpoints of lior: their manifest and the names of their files, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lior.errors import UsageError
from lior.runs import bundle

FORMAT = bundle.Format(program="lior", version=2)
MODEL, TEXT, TRAINING = "model", "text", "training"
"""Groups of tensors, each in a file of its own: the model, its documents, the state of a training."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the checkpoint at ``path``; raises as :func:`lior.runs.bundle.read_manifest`."""
    return bundle.read_manifest(path, format=FORMAT)


def misfits_as_run_errors(path: Path) -> AbstractContextManager[None]:
    """Return :func:`lior.runs.bundle.misfits_as_run_errors` for a checkpoint of lior."""
    return bundle.misfits_as_run_errors(path, program=FORMAT.program)


def separate(data: bytes, starts: Sequence[int]) -> list[bytes]:
    """Return the parts of ``data`` that begin at ``starts``."""
    return [data[begin:end] for begin, end in pairwise([*starts, len(data)])]


_ARRAYS = {"tokens": "int32", "starts": "int64", "structures": "uint8", "structure_starts": "int64"}


def check_text(
    arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any], *, vocab: int
) -> dict[int, int]:
    """Check the documents against a tokenizer of ``vocab`` ids and the manifest; returns the split parts.

    A checksum shows that a file was not changed, not that lior wrote it.

    Raises
    ------
    UsageError
        With the name of the fault.
    """
    _check_arrays(arrays, vocab)
    names, added = manifest["documents"], manifest["added"]
    tokens, starts, inner = arrays["tokens"], arrays["starts"], arrays["structure_starts"]
    if not _is_texts(names) or not len(names) == len(starts) == len(inner):
        raise UsageError("text: there is not one name and one structure for each document")
    if not _is_texts(added) or len(added) > len(names):
        raise UsageError("added is not a list of times, at most one for each document")
    trained = int(starts[len(names) - len(added)]) if added else len(tokens)
    for key, most in (("n_train", trained), ("bytes", 1 << 62)):
        if type(manifest[key]) is not int or not 0 <= manifest[key] <= most:
            raise UsageError(f"{key} = {manifest[key]!r} is not within 0 to {most}")
    return _split_parts(manifest["split_parts"], names, len(names) - len(added))


def _check_arrays(arrays: Mapping[str, NDArray[Any]], vocab: int) -> None:
    for name, dtype in _ARRAYS.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise UsageError(f"text: {name} is {arrays[name].dtype} {arrays[name].shape}, not {dtype} (any)")
    tokens, structures = arrays["tokens"], arrays["structures"]
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab:
        raise UsageError(f"text: tokens has ids beyond the {vocab} of the tokenizer")
    if not _ascends(arrays["starts"], len(tokens), least=1):
        raise UsageError("text: starts do not ascend from 0 within the tokens")
    if not _ascends(arrays["structure_starts"], len(structures), least=0):
        raise UsageError("text: structure_starts do not ascend from 0 within the structures")


def _ascends(starts: NDArray[Any], end: int, *, least: int) -> bool:
    """Return whether places begin at 0 and go on to ``end`` in steps of ``least`` or more."""
    return not len(starts) or (starts[0] == 0 and bool((np.diff(starts, append=end) >= least).all()))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _split_parts(pairs: Any, names: Sequence[str], trained: int) -> dict[int, int]:
    """Check the pairs of :attr:`Corpus.split_parts`; the first ``trained`` documents may be split."""
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise UsageError("split_parts is not a list of pairs")
    for part, before in pairs:
        whole = type(part) is int and type(before) is int
        if not (whole and 0 <= before < part < trained and names[before] == names[part]):
            raise UsageError(f"split_parts: {part!r} is not a part of document {before!r}")
    split_parts: dict[int, int] = dict(pairs)
    if not len(split_parts) == len({*split_parts.values()}) == len(pairs):
        raise UsageError("split_parts: two parts continue one, or one continues two")
    return split_parts
