"""Files that mean harm: each is refused in one sentence, or read as what it is; none does anything else.

Flipped bits, cut files, links, manifests without end and headers that lie are in tests/runs/test_bundle.py.
"""

from __future__ import annotations

import contextlib
import json
import math
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

import lior
from lior.errors import LiorError
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs.bundle import digest
from tests.faults.faults import forge


def newest(run: Path) -> Path:
    return runfolder.list_checkpoints(run)[0]


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


# --- headers that lie ---

LIES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "shape": st.lists(
                st.sampled_from([0, 1, 2, 255, 2**31, 2**62, 2**64, -1, 1.5, None]), max_size=4
            ),
            "dtype": st.sampled_from(
                ["F64", "F16", "BF16", "I8", "U64", "BOOL", "C64", "F8_E4M3", "X", None, 3]
            ),
            "data_offsets": st.lists(st.sampled_from([0, 1, 8, 64, 2**63, 2**64, -8, "0", None]), max_size=3),
        },
    ),
    st.sampled_from([None, [], "F32", 1]),
)
"""What a header may say of a tensor instead of the truth."""


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_tensors_that_lie_of_their_shapes(finished, tmp_path_factory, data):
    """With right checksums: refused in one line, or a model that scores."""
    run = Path(shutil.copytree(finished, tmp_path_factory.mktemp("lies") / "r"))
    path = data.draw(st.sampled_from(sorted(newest(run).glob("*.safetensors"))))
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    name = data.draw(st.sampled_from(sorted(header)))
    lie = data.draw(LIES)
    header[name] = {**header[name], **lie} if isinstance(lie, dict) else lie
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + content[8 + size :])
    forge(run)
    with contextlib.suppress(LiorError):
        assert math.isfinite(lior.load(run).score("To be, or not to be"))
        return
    assert str(run) in refused(run)
    shutil.rmtree(run)


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
    "tokens of no alphabet": ("tokens", lambda t: t * 1000),
    "tokens below zero": ("tokens", lambda t: t - 1000),
    "tokens of another type": ("tokens", retype(torch.float32)),
    "a matrix of tokens": ("tokens", lambda t: t.reshape(1, -1)),
    "starts between documents": ("starts", lambda t: t + 5),
    "starts behind the text": ("starts", lambda t: torch.tensor([0, 10, 10**9])),
    "no starts": ("starts", None),
    "a structure below zero": ("structure_starts", lambda t: t - 7),
}
"""Name of a tensor of the model or of the text, and what becomes of it."""


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_no_program_wrote(run, case):
    name, edit = TENSORS[case]
    [path] = [each for each in newest(run).glob("*.safetensors") if name in load_file(each)]
    tensors = load_file(path)
    value = tensors.pop(name)
    if edit is not None:
        tensors[name] = edit(value).contiguous()
    save_file(tensors, path)
    forge(run)
    assert name.split(".")[-1] in refused(run) or "does not fit together" in refused(run)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.pop("documents"),
        lambda m: m.pop("n_train"),
        lambda m: m.update(n_train=10**12),
        lambda m: m.update(components=None),
        lambda m: m["components"]["frame"][0].update(name="rotor"),
        lambda m: m.update(geometry={"smoothink": 1}),
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


TEXTS = {
    "empty": b"",
    "a header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "a header of 100 MB": struct.pack("<Q", 100_000_002) + b"{" + b" " * 100_000_000 + b"}",
    "deep JSON": struct.pack("<Q", 300_001) + b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "no tensors": struct.pack("<Q", 2) + b"{}",
}
"""Files of tensors: the length of a header, the header as JSON, the data."""
OPENING = ("ask", "chat", "generate", "eval", "why", "score", "learn", "forget", "docs", "inspect", "plot")


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_damaged_is_refused_by_whatever_opens_it(run, command, case):
    (newest(run) / "text.safetensors").write_bytes(TEXTS[case])
    forge(run)
    more = {
        "ask": ["who"],
        "score": [__file__],
        "learn": [__file__],
        "forget": ["x"],
        "why": ["--prompt", "a"],
    }
    for name in OPENING if case == "empty" else ("ask", "eval"):
        done = command(name, run, *more.get(name, []))
        assert (done.code in (1, 2), done.err.count("\n")) == (True, 1), (name, done)
        assert done.err.startswith(f"lior: error: {run}"), name
    if case == "empty":
        for args in (["compress", __file__, "--run", run, "-o", "x"], ["train", "--resume", run]):
            done = command(*args)
            assert done.err.startswith(f"lior: error: {run}"), args


def test_memories_of_documents_that_are_not_there(run, command):
    path = newest(run) / "text.safetensors"
    none = {name: value[:0] for name, value in load_file(path).items()}
    save_file(none, path)
    forge(run, lambda m: m.update(n_train=0, documents=[], split_parts=[]))
    assert "hold documents that it does not have" in command("why", run, "--prompt", "the").err


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


@pytest.mark.slow
def test_reading_a_hostile_run_takes_no_more_memory_than_its_files(run):
    """A limit on the address space of a child, well above what an honest run takes."""
    forge(run, lambda m: m["components"]["encoder"][0].update(options={"n": 2_000_000_000, "lags": 60_000}))
    limit = 6 << 30
    child = subprocess.run(
        [sys.executable, "-m", "lior_cli.main", "eval", str(run)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1
    assert child.stderr.startswith("lior: error: ")
    assert child.stderr.count("\n") == 1
