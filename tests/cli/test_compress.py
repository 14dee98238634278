"""`lior compress` and `lior decompress`: files, streams, refusals; nothing is left of what failed."""

from __future__ import annotations

import io
import json
import shutil
import sys
from types import SimpleNamespace

import attrs
import pytest

from lior.model.compression import CompressedFile
from lior.runs import folder as runfolder
from lior.runs.bundle import digest

DATA = b"to be, or not to be: \x00\xff that is the question\n" * 4


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "data" / "a.txt"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.fixture
def packed(command, original):
    assert command("compress", original, "--quiet").code == 0
    return original.with_name("a.txt.lior")


def refused(command, *args, code=1) -> str:
    result = command(*args)
    assert (result.code, result.out) == (code, "")
    message = result.err.splitlines()[-1]
    assert message.startswith("lior: error: ")
    return message


def names(path) -> set[str]:
    return {each.name for each in path.parent.iterdir()}


def test_there_and_back(command, original, packed):
    original.unlink()
    result = command("decompress", packed)
    assert result.code == 0
    assert result.out.startswith(f"{packed.stat().st_size:,} bytes to {len(DATA)}, all as before (")
    assert result.err.startswith(f"decompress: {len(DATA)} bytes\n")
    assert original.read_bytes() == DATA
    assert names(packed) == {"a.txt", "a.txt.lior"}


def test_one_sentence_and_json(command, original):
    result = command("compress", original)
    assert (result.code, result.out.count("\n")) == (0, 1)
    assert result.err.startswith(f"compress: {len(DATA)} bytes\n")
    result = command("compress", original, "--force", "--json", "--quiet")
    summary = json.loads(result.out)
    assert result.err == ""
    size = original.with_name("a.txt.lior").stat().st_size
    assert (summary["bytes_in"], summary["bytes_out"]) == (len(DATA), size)
    assert summary["bits_per_byte"] == 8 * size / len(DATA)
    coded = 8 * (size - summary["header_bytes"])
    assert summary["model_bits"] <= coded <= 1.001 * summary["model_bits"] + 128
    assert summary["overhead"] == pytest.approx(coded / summary["model_bits"] - 1)
    assert summary["bytes_per_second"] == pytest.approx(len(DATA) / summary["seconds"])
    back = command("decompress", f"{original}.lior", "-o", original, "--force", "--json", "--quiet")
    assert [json.loads(back.out)[key] for key in ("bytes_in", "bytes_out")] == [size, len(DATA)]


@pytest.mark.slow
def test_a_trained_run_helps_and_is_asked_for(command, original, packed, finished, tmp_path, sample):
    original.write_bytes(sample.read_bytes()[1000:1200])
    small = tmp_path / "data" / "b.lior"
    assert command("compress", original, "--run", finished, "-o", small, "--quiet").code == 0
    assert small.stat().st_size < 0.9 * 200
    missing = refused(command, "decompress", small, "-o", tmp_path / "c", code=2)
    assert "made with a trained run" in missing
    assert command("decompress", small, "--run", finished, "-o", tmp_path / "c", "--quiet").code == 0
    assert (tmp_path / "c").read_bytes() == original.read_bytes()
    assert "leave out --run" in refused(
        command, "decompress", packed, "--run", finished, "-o", tmp_path / "d", code=2
    )
    assert not (tmp_path / "d").exists()


def test_another_run_is_refused(command, original, finished, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    file = runfolder.list_checkpoints(other)[0] / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["documents"] = [name + "!" for name in manifest["documents"]]
    del manifest["sha256"]
    manifest["sha256"] = digest(manifest)
    file.write_text(json.dumps(manifest))
    out = tmp_path / "x.lior"
    assert command("compress", original, "--run", finished, "-o", out, "--quiet").code == 0
    message = refused(command, "decompress", out, "--run", other, "-o", tmp_path / "y")
    assert "made with another run" in message
    assert not (tmp_path / "y").exists()


def test_a_recipe_of_ones_own_is_asked_for(command, original, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[memory]\nname = 'sdm'\n[memory.sdm]\nwindow = 4\ngates = ['longest']\n")
    out, back = tmp_path / "x.lior", tmp_path / "back"
    assert command("compress", original, "--config", recipe, "-o", out, "--quiet").code == 0
    assert str(tmp_path).encode() not in out.read_bytes()
    assert "your own recipe 'mine.toml'" in refused(command, "decompress", out, "-o", back, code=2)
    message = refused(command, "decompress", out, "--config", "fast", "-o", back)
    assert "other settings or versions of recipe 'mine.toml'" in message
    assert command("decompress", out, "--config", recipe, "-o", back, "--quiet").code == 0
    assert back.read_bytes() == DATA
    both = refused(command, "compress", original, "--config", recipe, "--run", "runs/x", code=2)
    assert "give one" in both


def test_streams(command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(DATA)))
    written = run_raw(monkeypatch, ["compress", "-", "--quiet"])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(written)))
    assert run_raw(monkeypatch, ["decompress", "-", "--quiet"]) == DATA
    assert "--json" in refused(command, "compress", "-", "--json", code=2)


def run_raw(monkeypatch, args) -> bytes:
    """Standard output of a command, as bytes."""
    from lior_cli.main import main

    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert main(args) == 0
    return out.buffer.getvalue()


def test_nothing_is_overwritten_without_force(command, original, packed):
    before = packed.read_bytes()
    assert "exists already; nothing was touched" in refused(command, "compress", original, code=2)
    assert "exists already" in refused(command, "decompress", packed, code=2)
    assert (packed.read_bytes(), original.read_bytes()) == (before, DATA)
    assert command("decompress", packed, "--force", "--quiet").code == 0
    assert names(packed) == {"a.txt", "a.txt.lior"}


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:9], lambda d: b"", lambda d: DATA])
def test_damage_leaves_nothing(command, original, packed, damage):
    packed.write_bytes(damage(packed.read_bytes()))
    original.unlink()
    refused(command, "decompress", packed)
    assert names(packed) == {"a.txt.lior"}


def test_what_cannot_be_read_or_written(command, original, packed, tmp_path):
    assert "cannot be read: No such file" in refused(command, "compress", tmp_path / "no")
    assert "cannot be read: No such file" in refused(command, "decompress", tmp_path / "no.lior")
    assert "name the output with -o" in refused(command, "decompress", original, code=2)
    assert "there is no folder" in refused(command, "compress", original, "-o", "no/x", code=2)
    assert "not a regular file" in refused(command, "compress", original, "-o", tmp_path, "--force", code=2)
    assert "no such run directory" in refused(command, "compress", original, "-o", "x", "--run", "nowhere")


@pytest.mark.parametrize("recipe", ["../../fast", "/etc/passwd", "..", "fast/../fast", "\x1b[2J\n"])
def test_a_name_that_leads_elsewhere_is_not_followed(command, original, packed, recipe):
    """A file of a stranger names a recipe; no path in it is opened."""
    found = CompressedFile.unpack(packed.read_bytes(), name="x")
    packed.write_bytes(attrs.evolve(found, recipe=recipe).pack())
    original.unlink()
    message = refused(command, "decompress", packed, code=2)
    assert "made with your own recipe" in message
    assert message.isprintable()
    assert names(packed) == {"a.txt.lior"}


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_through_a_link(command, original, packed, tmp_path, there):
    outside = tmp_path / "outside"
    original.unlink()
    original.symlink_to(outside)
    if there:
        outside.write_text("mine")
        assert "exists already" in refused(command, "decompress", packed, code=2)
    assert command("decompress", packed, "--quiet", "--force").code == 0
    assert outside.read_text() == "mine" if there else not outside.exists()
    assert (original.is_symlink(), original.read_bytes()) == (False, DATA)
