"""Files that mean harm: each is refused in one sentence, or read as what it is; none does anything else.

Cut files, links, manifests without end and headers that lie are in tests/runs/test_bundle.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lior.errors import LiorError, RunError, SkippedCheckpoint
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs.bundle import digest, verify
from lior.runs.format import read_manifest
from tests.faults.faults import forge


def newest(run: Path) -> Path:
    return runfolder.listed(run)[0]


def refused(run: Path) -> str:
    """What is said of a run that cannot be used."""
    with pytest.raises(LiorError) as caught:
        rundir.open_run(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A finished run to be spoiled."""
    return Path(shutil.copytree(finished, tmp_path / "r"))


# --- damage by chance -------------------------------------------------------------------


@pytest.mark.slow
def test_no_flipped_bit_of_any_file_goes_unnoticed(run):
    """A bit in every 997th byte, and all bits of the first and last 64 bytes."""
    for path in sorted(newest(run).iterdir()):
        data = path.read_bytes()
        places = {*range(0, len(data), 997), *range(min(64, len(data))), *range(len(data) - 64, len(data))}
        for at in sorted(places):
            bit = 1 << at % 8
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            assert noticed(newest(run), path, data), f"{path.name}, byte {at}"
        path.write_bytes(data)
    rundir.open_run(run)


def noticed(place: Path, path: Path, data: bytes) -> bool:
    """Whether the checkpoint is refused, or means the same (white space of the manifest)."""
    try:
        manifest = read_manifest(place)
        for name, expected in manifest["files"].items():
            verify(place / name, expected)
    except RunError:
        return True
    return path.name == "manifest.json" and json.loads(path.read_bytes()) == json.loads(data)


def test_files_in_each_other_s_place(run):
    place = newest(run)
    model, text = place / "model.safetensors", place / "text.safetensors"
    held = model.read_bytes()
    model.write_bytes(text.read_bytes())
    assert "cut short or grown" in refused(run)
    forge(run)
    assert "does not fit together" in refused(run)
    text.write_bytes(held)
    forge(run)
    assert "does not fit together" in refused(run)


def test_the_newest_checkpoint_that_verifies_counts(run):
    """Damage of the newest costs what it added, and is told."""
    old, place = newest(run), runfolder.checkpoint_path(run, 10**6)
    shutil.copytree(old, place)
    (place / "model.safetensors").write_bytes(b"")
    with pytest.warns(SkippedCheckpoint, match=r"step-001000000/model.safetensors: cut short"):
        rundir.open_run(run)
    shutil.rmtree(old)
    assert "cut short" in refused(run)


def test_what_was_skipped_is_told(command, finished):
    shutil.copytree(finished, "r")
    place = runfolder.checkpoint_path(Path("r"), 10**6)
    shutil.copytree(newest(Path("r")), place)
    (place / "manifest.json").write_text("{}")
    for args in (("eval", "r"), ("generate", "r", "--max-tokens", 1)):
        result = command(*args)
        assert result.code == 0
        assert (
            "note: an older checkpoint is used, for r/checkpoints/step-001000000/manifest.json" in result.err
        )


# --- forged manifests and tensors ---------------------------------------------------------


def retype(dtype: torch.dtype):
    return lambda t: t.to(dtype)


TENSORS = {
    "without an entry": ("token_counts", None),
    "of another shape": ("token_counts", lambda t: t[:-1]),
    "of another type": ("token_counts", retype(torch.float32)),
    "counts below zero": ("token_counts", lambda t: t - 1000),
    "a metric of NaN": ("geometry.frame.log_lam", lambda t: t * torch.nan),
    "a metric of another shape": ("geometry.frame.log_lam", lambda t: t[:-1]),
    "a table that is too short": ("geometry.encoder.table", lambda t: t[:-1]),
    "mixer of NaN": ("mixer.gate0", lambda t: t * torch.nan),
    "mixer of integers": ("mixer.gate0", retype(torch.int64)),
    "cells of another width": ("cells", lambda t: t[:, :-1]),
    "counters out of the alphabet": ("memory.sdm.sizes", lambda t: t * 1000),
    "counters cut": ("memory.sdm.counters", lambda t: t[:-1]),
    "counters of another type": ("memory.sdm.counters", retype(torch.int64)),
    "addresses twice": ("memory.sdm.addresses", lambda t: t * 0),
    "passages beyond the tokens": ("memory.sdm.passages", lambda t: t * 1000),
    "learned numbers of NaN": ("memory.sdm.online.bias", lambda t: t * torch.nan),
    "items without coordinates": ("memory.exact.z", lambda t: t[:-1]),
    "items of unknown tokens": ("memory.exact.token", lambda t: t + 10**6),
    "items of NaN": ("memory.exact.z", lambda t: t * torch.nan),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_no_model_has(run, case):
    name, edit = TENSORS[case]
    path = newest(run) / "model.safetensors"
    tensors = load_file(path)
    assert name in tensors, sorted(tensors)
    value = tensors.pop(name)
    if edit is not None:
        tensors[name] = edit(value).contiguous()
    save_file(tensors, path)
    forge(run)
    assert name.split(".")[-1] in refused(run) or "does not fit together" in refused(run)


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t | {"tokens": t["tokens"] * 1000},
        lambda t: t | {"tokens": t["tokens"] - 1000},
        lambda t: t | {"starts": t["starts"] + 5},
        lambda t: t | {"starts": torch.tensor([0, 10, 10**9])},
        lambda t: t | {"tokens": t["tokens"].float()},
        lambda t: {"tokens": t["tokens"]},
    ],
)
def test_texts_that_no_tokenizer_made(run, edit):
    path = newest(run) / "text.safetensors"
    save_file(edit(load_file(path)), path)
    forge(run)
    assert "does not fit together" in refused(run)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.update(n_train=10**12),
        lambda m: m.update(documents=["a"] * 9),
        lambda m: m.update(files={}),
        lambda m: m.update(files={"../../model.safetensors": {"bytes": 1, "sha256": "0"}}),
        lambda m: m["components"]["encoder"][0].update(name="../../etc/passwd"),
        lambda m: m["components"]["encoder"][0].update(name="os:system"),
        lambda m: m["components"]["encoder"][0].update(options={"n": 10**12}),
        lambda m: m["components"]["memory"][0].update(options={"orders": list(range(100_000))}),
        lambda m: m.update(geometry={"resilience_at": "nowhere", "smoothing": 0.5}),
    ],
)
def test_manifests_that_lior_did_not_write(run, edit):
    """Those that mean something; the others are drawn below."""
    forge(run, edit)
    refused(run)


def test_a_tensor_that_is_larger_than_the_file(run):
    header = json.dumps(
        {"token_counts": {"dtype": "I64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    ).encode()
    path = newest(run) / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    forge(run)
    assert "model.safetensors: damaged" in refused(run)


# --- fuzz -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_manifest_of_anything(data, finished, tmp_path_factory):
    """Any JSON in the place of any entry is refused or is what was there."""
    place = runfolder.checkpoint_path(tmp_path_factory.mktemp("run"), 1)
    place.mkdir(parents=True)
    for source in newest(finished).iterdir():
        os.link(source, place / source.name)
    path = place / "manifest.json"
    manifest = json.loads(path.read_text())
    path.unlink()
    del manifest["sha256"]
    at, key = manifest, data.draw(st.sampled_from(sorted(manifest)))
    while isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at)))
    at[key] = data.draw(JSON)
    path.write_text(json.dumps(manifest | {"sha256": digest(manifest)}))
    with contextlib.suppress(LiorError):  # anything else is a defect
        rundir._newest(place.parent.parent, device="cpu")
    shutil.rmtree(place)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), st.just("../x")
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


# --- memory -----------------------------------------------------------------------------------


def test_reading_a_hostile_run_takes_no_more_memory_than_its_files(run):
    """A limit on the address space of a child, well above what an honest run takes."""
    forge(run, lambda m: m["components"]["encoder"][0].update(options={"n": 2_000_000_000, "lags": 60_000}))
    limit = 6 << 30
    child = subprocess.run(
        [sys.executable, "-m", "lior_cli.main", "eval", str(run)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == 1
    assert child.stderr.startswith("lior: error: ")
    assert child.stderr.count("\n") == 1
