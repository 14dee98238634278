"""Files that mean harm: each is refused in one sentence, or read as what it is; none does anything else.

tests/runs/test_bundle.py has what every snapshot refuses, and `lior bench attack flips` damages all kinds of
stored files.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import lior
from lior.errors import LiorError, UntrustedPlugin
from lior.plugins.registry import registry
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs import inspection
from tests.faults.faults import forge, newest, run_command


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


def test_numbers_and_log_are_not_needed_and_forging_nothing_changes_nothing(command, run):
    for extra in ("summary.json", "train.log", "metrics.jsonl"):
        (run / extra).unlink()
    forge(run)
    assert command("eval", run, "--quiet").code == 0


# --- headers that lie ---

_SIZES = st.lists(st.sampled_from([0, 1, 2, 255, 2**31, 2**62, 2**64, -1, 1.5, None]), max_size=4)
_DTYPES = st.sampled_from(["F64", "F16", "BF16", "I8", "U64", "BOOL", "C64", "F8_E4M3", "X", None, 3])
_OFFSETS = st.lists(st.sampled_from([0, 1, 8, 64, 2**63, 2**64, -8, "0", None]), max_size=3)
_ENTRY = {"shape": _SIZES, "dtype": _DTYPES, "data_offsets": _OFFSETS}
LIES = st.fixed_dictionaries({}, optional=_ENTRY) | st.sampled_from([None, [], "F32", 1])
"""What a header may say of a tensor instead of the truth."""


@settings(max_examples=60)
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


def test_what_was_skipped_is_told(command, run):
    place = shutil.copytree(newest(run), runfolder.checkpoint_path(run, 10**6))
    (place / "manifest.json").write_text("{}")
    for args in (("eval", run), ("generate", run, "--max-tokens", 1)):
        result = command(*args)
        assert result.code == 0
        assert f"note: an older checkpoint is used, for {place}/manifest.json" in result.err


# --- forged manifests and tensors ---------------------------------------------------------


EDITS = {
    "left out": (None, "token_counts starts"),
    "cut": (lambda t: t[:-1], "token_counts geometry.encoder.table memory.sdm.counters"),
    "coordinates cut": (lambda t: t[:-1], "geometry.frame.log_lam memory.exact.z"),
    "narrower": (lambda t: t[:, :-1], "cells"),
    "a matrix": (lambda t: t.reshape(1, -1), "tokens"),
    "of floats": (lambda t: t.float(), "token_counts tokens"),
    "of integers": (lambda t: t.long(), "mixer.gate0 memory.sdm.counters"),
    "not numbers": (lambda t: t * torch.nan, "geometry.frame.log_lam mixer.gate0 memory.exact.z"),
    "what was learned is not numbers": (lambda t: t * torch.nan, "memory.sdm.online.bias"),
    "below zero": (lambda t: t - 1000, "token_counts tokens"),
    "a little below zero": (lambda t: t - 7, "structure_starts"),
    "too large": (lambda t: t * 1000, "memory.sdm.sizes memory.sdm.passages tokens"),
    "of no alphabet": (lambda t: t + 10**6, "memory.exact.token"),
    "all the same": (lambda t: t * 0, "memory.sdm.addresses"),
    "between documents": (lambda t: t + 5, "starts"),
    "behind the text": (lambda t: torch.tensor([0, 10, 10**9]), "starts"),
}
"""What becomes of tensors of the model or of the text, and their names."""
TENSORS = [(case, name) for case, (_, names) in EDITS.items() for name in names.split()]


@pytest.mark.parametrize(("case", "name"), TENSORS)
def test_tensors_that_no_program_wrote(run, case, name):
    edit, _ = EDITS[case]
    [path] = [each for each in newest(run).glob("*.safetensors") if name in load_file(each)]
    tensors = load_file(path)
    value = tensors.pop(name)
    tensors |= {name: edit(value).contiguous()} if edit else {}
    save_file(tensors, path)
    forge(run)
    assert name.split(".")[-1] in refused(run) or "does not fit together" in refused(run)


ENTRIES = [{"n_train": 10**12}, {"components": None}, {"geometry": {"smoothink": 1}}, {"files": {}}]
ENTRIES += [{"documents": ["a"] * 9}, {"geometry": {"resilience_at": "nowhere", "smoothing": 0.5}}]
ENTRIES += [{"files": {"../../model.safetensors": {"bytes": 1, "sha256": "0"}}}]
PLUGINS = [("frame", {"name": "rotor"}), ("encoder", {"name": "../../etc/passwd"})]
PLUGINS += [("encoder", {"name": "os:system"}), ("encoder", {"options": {"n": 10**12}})]
PLUGINS += [("memory", {"options": {"orders": list(range(100_000))}})]
MANIFESTS = [
    *(lambda m, key=key: m.pop(key) for key in ("documents", "n_train")),
    *(lambda m, new=new: m.update(new) for new in ENTRIES),
    *(lambda m, kind=kind, new=new: m["components"][kind][0].update(new) for kind, new in PLUGINS),
]


@pytest.mark.parametrize("edit", MANIFESTS)
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
OPENING = ("ask R who", "eval R", "chat R", "generate R", "why R --prompt a", "docs R", "inspect R", "plot R")
OPENING += ("forget R x", "learn R FILE", "score R FILE", "train --resume R")


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_damaged_is_refused_by_whatever_opens_it(run, command, case):
    (newest(run) / "text.safetensors").write_bytes(TEXTS[case])
    forge(run)
    for line in OPENING if case == "empty" else OPENING[:2]:
        done = command(*({"R": run, "FILE": __file__}.get(word, word) for word in line.split()))
        assert (done.code in (1, 2), done.err.count("\n")) == (True, 1), (line, done)
        assert done.err.startswith(f"lior: error: {run}"), line


def test_memories_of_documents_that_are_not_there(run, command):
    path = newest(run) / "text.safetensors"
    save_file({name: value[:0] for name, value in load_file(path).items()}, path)
    forge(run, lambda m: m.update(n_train=0, documents=[], split_parts=[]))
    assert "hold documents that it does not have" in command("why", run, "--prompt", "the").err


# --- fuzz -----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(data=st.data())
def test_a_manifest_of_anything(data, finished, tmp_path_factory):
    """Any JSON in the place of any entry is refused or is what was there."""
    run = tmp_path_factory.mktemp("run") / "r"
    shutil.copytree(finished, run, copy_function=os.link)

    def edit(manifest: dict) -> None:
        at, key = manifest, data.draw(st.sampled_from(sorted(manifest)))
        while isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
            at = at[key]
            key = data.draw(st.sampled_from(sorted(at)))
        at[key] = data.draw(JSON)

    forge(run, edit)
    with contextlib.suppress(LiorError):  # anything else is a defect
        rundir._newest(run, device="cpu")
    shutil.rmtree(run)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
KEYS = st.text(max_size=8)
JSON = st.recursive(
    LEAVES | st.just("../x"), lambda one: st.lists(one, max_size=4) | st.dictionaries(KEYS, one, max_size=4)
)


# --- memory -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_reading_a_hostile_run_takes_no_more_memory_than_its_files(run):
    """A limit on the address space of a child, well above what an honest run takes."""
    forge(run, lambda m: m["components"]["encoder"][0].update(options={"n": 2_000_000_000, "lags": 60_000}))
    code, _, err = run_command(["eval", str(run)], run, limit=(resource.RLIMIT_AS, 6 << 30))
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("lior: error: ")


# --- a run of a stranger: opening it imports only what is installed ---

TRAP = "from pathlib import Path\nPath(__file__).with_name('sprung').touch()\n"
FRAME = "from lior_plugins.frames.lowrank import LowRank as Theirs\n"


@pytest.fixture
def stranger(run, monkeypatch) -> Iterator[Path]:
    """A run that is the working directory, from which Python imports, with traps in it."""
    (run / "trap_mod.py").write_text(TRAP + FRAME)
    (info := run / "trap-1.0.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trap\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lior.frames]\ntrap = trap_mod:Theirs\n")
    monkeypatch.chdir(run)
    monkeypatch.syspath_prepend(str(run))
    monkeypatch.setattr(registry, "_index", None)
    yield run
    monkeypatch.undo()
    sys.modules.pop("trap_mod", None)
    registry._index = None


def test_a_name_is_that_of_an_installed_distribution(stranger):
    forge(stranger, lambda m: m["components"]["frame"][0].update(name="trap"))
    with pytest.raises(Exception, match=r"needs frame 'trap' of lior 0.1.0, which is not installed"):
        rundir.open_run(Path())
    assert "trap" not in registry.names("frame")
    assert not (stranger / "sprung").exists()


def test_a_class_needs_the_users_word(stranger, command, monkeypatch):
    forge(stranger, lambda m: m["components"]["frame"][0].update(name="trap_mod:Theirs"))
    for name in ("eval", "docs", "inspect"):
        done = command(name, stranger)
        assert (done.code, done.err.count("\n")) == (1, 1), done.err
        assert "names the frame 'trap_mod:Theirs', and lior imports no code on the word of a file" in done.err
    assert not (stranger / "sprung").exists()
    monkeypatch.setenv("LIOR_ALLOW_PLUGINS", "trap_mod:Theirs")
    rundir.open_run(stranger)
    (stranger / "sprung").unlink()
    sys.modules.pop("trap_mod")
    monkeypatch.delenv("LIOR_ALLOW_PLUGINS")
    assert command("--trust-plugins", "eval", stranger).code == 0
    assert (stranger / "sprung").exists()


def test_parts_that_are_not_needed_are_not_imported_to_be_shown(stranger):
    checkpoint = rundir.open_run(Path())
    checkpoint.manifest["components"]["frame"][0]["name"] = "trap_mod:Theirs"
    with pytest.raises(UntrustedPlugin):
        inspection.inspect(Path(), checkpoint)
    assert not (stranger / "sprung").exists()


@pytest.mark.slow
def test_a_package_that_lies_beside_is_not_taken_for_an_installed_one(stranger, monkeypatch):
    """Of a process of its own: here the true ``lior_plugins`` is imported already."""
    (stranger / "lior_plugins").mkdir()
    (stranger / "lior_plugins" / "__init__.py").write_text(TRAP)
    monkeypatch.setenv("PYTHONPATH", ".")
    _, _, err = run_command(["eval", "."], stranger)
    assert "of lior 0.1.0 would be imported from " in err
    assert err.count("\n") == 1
    assert not (stranger / "lior_plugins" / "sprung").exists()
