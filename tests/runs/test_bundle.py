"""Snapshots of a program that has no model of lior: what was written comes back, or is refused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lior.errors import NewerFormat, RunError, UsageError
from lior.runs import bundle, files
from lior.runs.bundle import Format, digest, fingerprint, misfits_as_run_errors, read, read_manifest, write
from lior.testing.strategies import LAW

MINE = Format(program="mine", version=2)
DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
STATE = {"weight": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(7)}
FILES = {"manifest.json", "field.safetensors", "optimizer.safetensors"}


@pytest.fixture
def path(tmp_path) -> Path:
    """A snapshot."""
    tensors = {"field": STATE, "optimizer": {"moment": torch.ones(3, dtype=torch.float64)}}
    write(tmp_path / "one", tensors, {"energy": -0.5, "stage": "relax"}, format=MINE)
    return tmp_path / "one"


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Of the same type and shape, and equal bit by bit, NaN included."""

    def raw(tensor: Tensor) -> list[int]:
        return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()

    return one.dtype == other.dtype and one.shape == other.shape and raw(one) == raw(other)


def forge(path: Path, **entries: object) -> None:
    """Change the manifest and make its checksum right, as an attacker can."""
    file = path / "manifest.json"
    manifest = json.loads(file.read_text()) | entries
    del manifest["sha256"]
    file.write_text(json.dumps(manifest | {"sha256": digest(manifest)}))


def refused(path: Path, format: Format = MINE) -> str:
    with pytest.raises(RunError) as caught:
        read(path, format=format)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


# --- what is written comes back ---


@st.composite
def tensors(draw) -> Tensor:
    """Of any type and shape, with any bits in them; now and then only a view."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    if dtype == torch.bool:
        values = torch.randint(0, 2, shape, generator=generator).bool()
    else:
        width = torch.empty(0, dtype=dtype).element_size()
        size = [*shape, width]
        values = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8).view(dtype).squeeze(-1)
    return values.mT if values.ndim > 1 and draw(st.booleans()) else values


STATES = st.dictionaries(st.text(min_size=1, max_size=9, alphabet="abcΩ. /"), tensors(), max_size=4)


@LAW
@given(groups=st.dictionaries(st.sampled_from(["field", "optimizer", "rng_2"]), STATES, max_size=3))
def test_every_bit_comes_back(tmp_path_factory, groups):
    path = tmp_path_factory.mktemp("runs") / "one"
    write(path, groups, {}, format=MINE)
    manifest, back = read(path, format=MINE)
    assert back.keys() == groups.keys()
    assert manifest["format"] == {"program": "mine", "version": 2}
    for group, state in groups.items():
        assert back[group].keys() == state.keys()
        assert all(same_bits(back[group][name], value) for name, value in state.items())


def test_views_of_one_storage_and_parameters(tmp_path):
    both = torch.arange(6.0)
    weight = torch.nn.Parameter(torch.ones(2))
    state = {"a": both[:3], "b": both, "c": both[::2], "d": both[:1].expand(4), "e": weight, "f": weight}
    write(tmp_path / "one", {"field": state}, {}, format=MINE)
    back = read(tmp_path / "one", format=MINE)[1]["field"]
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_what_is_read_is_aligned(tmp_path):
    """Products of small matrices round otherwise when their operands begin in the middle of a vector."""
    state = {f"x{i}": torch.ones(i + 1, dtype=torch.int8) for i in range(9)}
    write(tmp_path / "one", {"field": state}, {}, format=MINE)
    assert all(t.data_ptr() % 64 == 0 for t in read(tmp_path / "one", format=MINE)[1]["field"].values())


def test_entries_come_back_as_json_has_them(tmp_path):
    """Keys that are numbers are sorted otherwise as texts: the checksum must not see a difference."""
    entries = {"counts": {10: 1, 9: 2, "x": 3}, "shape": (2, 3), "energy": 0.1 + 0.2, "none": None, "π": "π"}
    write(tmp_path / "one", {}, entries | {"nan": float("nan")}, format=MINE)
    manifest = read_manifest(tmp_path / "one", format=MINE)
    nan = manifest.pop("nan")
    assert nan != nan
    assert manifest == {
        "format": {"program": "mine", "version": 2},
        "counts": {"10": 1, "9": 2, "x": 3},
        "shape": [2, 3],
        "energy": 0.1 + 0.2,
        "none": None,
        "π": "π",
        "files": {},
    }


# --- the folder ---


def test_a_folder_of_json_and_safetensors_and_nothing_else(path):
    assert {file.name for file in path.iterdir()} == FILES
    manifest = json.loads((path / "manifest.json").read_text())
    assert list(manifest) == ["format", "energy", "stage", "files", "sha256"]
    assert manifest["files"] == {name: fingerprint(path / name) for name in FILES - {"manifest.json"}}
    assert manifest.pop("sha256") == digest(manifest)


@pytest.mark.parametrize(("folder", "inside"), [(0o700, 0o600), (0o750, 0o640), (0o777, 0o664)])
def test_permissions_follow_the_folder_and_not_the_umask(tmp_path, folder, inside):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(folder)
    before = os.umask(0o027)
    try:
        write(tmp_path / "run" / "checkpoints" / "one", {"field": STATE}, {}, format=MINE)
    finally:
        os.umask(before)
    for path in (tmp_path / "run").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (folder & 0o775 if path.is_dir() else inside), path


def test_the_file_of_a_group_is_shared(path, tmp_path):
    write(tmp_path / "two", {"field": STATE, "rng": STATE}, {}, format=MINE, share={"field": path})
    assert (tmp_path / "two" / "field.safetensors").samefile(path / "field.safetensors")
    assert read(tmp_path / "two", format=MINE)[1].keys() == {"field", "rng"}


def test_what_cannot_be_shared_is_written(path, tmp_path, monkeypatch):
    write(tmp_path / "two", {"rng": STATE}, {}, format=MINE, share={"rng": path})
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("no links here")))
    write(tmp_path / "three", {"field": STATE}, {}, format=MINE, share={"field": path})
    for name, group in (("two", "rng"), ("three", "field")):
        assert torch.equal(read(tmp_path / name, format=MINE)[1][group]["weight"], STATE["weight"])


def test_all_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """Every file and the folder are flushed, then renamed, then the folder around is."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def flush(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def move(source: Path, target: Path) -> Path:
        done.append(f"{source.name} -> {target.name}")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "rename", move)
    write(tmp_path / "one", {"field": STATE, "rng": STATE}, {}, format=MINE)
    files = ["field.safetensors", "rng.safetensors", "manifest.json.partial", "one.partial"]
    assert done == [*files, "one.partial -> one", tmp_path.name]


# --- what is not written ---


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_write_that_is_broken_off_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(files, "write_text", fail)
    with pytest.raises(type(error)):
        write(tmp_path / "one", {"field": STATE}, {}, format=MINE)
    assert list(tmp_path.iterdir()) == []


NAME, OWN = "only letters, digits, _ and - make a name", "of a manifest is written by lior itself"


@pytest.mark.parametrize(
    ("group", "entries", "error", "message"),
    [(name, {}, UsageError, NAME) for name in ("", "../field", "a/b", "a.b", ".hidden", "-x", "Ω")]
    + [("field", {name: 1}, UsageError, f"entry '{name}' {OWN}") for name in ("format", "files", "sha256")]
    + [("field", {"x": torch.ones(2)}, TypeError, "JSON serializable")],
    ids=str,
)
def test_what_is_refused_leaves_nothing(tmp_path, group, entries, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "one", {group: STATE}, entries, format=MINE)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_would_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_LARGEST", 1 << 20)
    with pytest.raises(RunError, match="one: its manifest would be larger than 1 MiB, the most that is read"):
        write(tmp_path / "one", {"field": STATE}, {"names": ["x" * 100] * 11_000}, format=MINE)
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_that_is_there_is_not_replaced(path):
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(OSError, match=r"not empty|exists"):
        write(path, {"field": STATE}, {}, format=MINE)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert list(path.parent.iterdir()) == [path]


def test_leftovers_of_a_killed_process_are_replaced(tmp_path):
    (tmp_path / "one.partial").mkdir()
    (tmp_path / "one.partial" / "junk.safetensors").touch()
    write(tmp_path / "one", {"field": STATE}, {}, format=MINE)
    assert {file.name for file in (tmp_path / "one").iterdir()} == {"manifest.json", "field.safetensors"}
    assert list(tmp_path.iterdir()) == [tmp_path / "one"]


# --- damage ---


def test_no_flipped_bit_of_any_byte_goes_unnoticed(path):
    """But where the manifest still says the same: a space that becomes a line's end."""
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for at in range(len(data)):
            file.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            try:
                read(path, format=MINE)
            except RunError:
                continue
            assert json.loads(file.read_bytes()) == json.loads(data), f"{file.name}, byte {at}"
        file.write_bytes(data)
    read(path, format=MINE)


def test_no_truncation_goes_unnoticed(path):
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        for size in range(len(data)):
            file.write_bytes(data[:size])
            assert f"/{file.name}: c" in refused(path)  # cannot be read, or cut short
        file.write_bytes(data + b" ")
        if file.suffix == ".safetensors":
            assert "cut short or grown" in refused(path)
        file.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "field.safetensors: cannot be read: No such file"),
        (lambda file: file.symlink_to(file.rename(file.with_name("x"))), "a link, not a file of this"),
        (lambda file: file.rename(file.with_name("x")) and file.mkdir(), "field.safetensors: not a file"),
    ],
)
def test_a_damaged_snapshot_is_refused(path, damage, message):
    damage(path / "field.safetensors")
    assert message in refused(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "one: no checkpoint there (manifest.json is missing)"),
        (lambda file: file.write_text("[]"), "manifest.json: not a manifest of mine"),
        (lambda file: file.write_text("[" * 10**5), "manifest.json: cannot be read"),
        (
            lambda file: os.truncate(file, 1 << 40),
            "manifest.json: larger than 64 MiB; not a manifest of mine",
        ),
    ],
)
def test_a_damaged_manifest_is_refused(path, damage, message):
    damage(path / "manifest.json")
    assert message in refused(path)


@pytest.mark.parametrize(
    "files",
    [
        None,
        [],
        3,
        ["field.safetensors"],
        {"field.safetensors": 3},
        {"field.safetensors": {}},
        {"manifest.json": {}},
        {".safetensors": {}},
    ],
    ids=str,
)
def test_manifests_that_no_program_wrote(path, files):
    """With the right checksum."""
    forge(path, files=files)
    if files != []:
        assert refused(path)
    else:
        assert read(path, format=MINE)[1] == {}


@pytest.mark.parametrize(
    "name", ["../two/field.safetensors", "{}/field.safetensors", "field.safetensors/", "x"]
)
def test_a_file_outside_is_not_read(path, tmp_path, name):
    """Even where it is what the manifest says."""
    outside = path.rename(tmp_path / "two")
    write(path, {}, {}, format=MINE)
    (path / "x").write_bytes((outside / "field.safetensors").read_bytes())
    forge(path, files={name.format(outside): fingerprint(outside / "field.safetensors")})
    assert "is not the name of a file of tensors" in refused(path)


def test_a_header_that_lies(path):
    file = path / "field.safetensors"
    file.write_bytes((2**40).to_bytes(8, "little") + b"{}" * 50)
    known = json.loads((path / "manifest.json").read_text())["files"]
    forge(path, files=known | {file.name: fingerprint(file)})
    assert "field.safetensors: damaged" in refused(path)


# --- formats ---


def test_another_version_of_the_format(path):
    forge(path, format={"program": "mine", "version": 3})
    with pytest.raises(NewerFormat, match="in format 3, and this mine reads 2; install a newer mine"):
        read(path, format=MINE)
    forge(path, format={"program": "mine", "version": 1})
    assert "in format 1, and this mine reads 2" in refused(path)


@pytest.mark.parametrize(
    "format",
    [
        None,
        True,
        2,
        "2",
        2.0,
        {},
        {"program": "mine"},
        {"program": "mine", "version": True},
        {"program": "mine", "version": "2"},
        {"program": "other", "version": 2},
        {"version": 2},
    ],
)
def test_a_format_of_another_program_or_of_none(path, format):
    forge(path, format=format)
    assert "not a manifest of mine" in refused(path)


def test_what_does_not_fit_together_is_told_in_one_line(path):
    for error in (KeyError("x"), ValueError("two\nlines"), RuntimeError("size mismatch"), UsageError("a\nb")):
        with pytest.raises(RunError) as caught, misfits_as_run_errors(path, program="mine"):
            raise error
        assert str(caught.value).startswith(f"{path}: the checkpoint does not fit together (")
        assert str(caught.value).endswith("; it was not made by mine")
        assert "\n" not in str(caught.value)
    with pytest.raises(KeyboardInterrupt), misfits_as_run_errors(path, program="mine"):
        raise KeyboardInterrupt
