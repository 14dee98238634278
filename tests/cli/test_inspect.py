"""`lior inspect`: tables or JSON, and an exit code that says whether all invariants hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs import inspection
from lior.runs.bundle import digest, fingerprint

KEYS = {"run", "components", "numbers", "memory", "metric", "text", "files", "verified", "invariants"}


def miscount(run: Path) -> None:
    """Have the run count a token that it does not hold, with correct checksums."""
    place = runfolder.list_checkpoints(run)[0]
    tensors = load_file(place / "model.safetensors")
    tensors["token_counts"][101] += 1
    save_file(tensors, place / "model.safetensors")
    manifest = json.loads((place / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["files"]["model.safetensors"] = fingerprint(place / "model.safetensors")
    (place / "manifest.json").write_text(json.dumps(manifest | {"sha256": digest(manifest)}))


def test_a_sound_run(command, finished):
    result = command("inspect", finished)
    assert (result.code, result.err) == (0, "")
    assert result.out.isascii()
    sections = [line for line in result.out.splitlines() if line.endswith(":")]
    assert sections == [
        f"{name}:"
        for name in (
            "components",
            "options other than the defaults",
            "numbers",
            "memory",
            "metric",
            "text",
            "files",
            "invariants",
        )
    ]
    assert "\nexact  3        256 z" in result.out
    assert "100.0% of 256" in result.out
    assert "\nChecksums verified on loading: model.safetensors, text.safetensors.\n" in result.out
    assert "BROKEN" not in result.out
    assert result.out.count(" holds\n") == 10


def test_json_has_the_documented_keys(command, finished):
    result = command("inspect", finished, "--json")
    assert result.code == 0
    assert result.out.count("\n") == 1
    found = json.loads(result.out)
    assert set(found) == KEYS
    assert found["run"] == str(finished)
    assert {part["kind"] for part in found["components"]} == {
        "tokenizer",
        "encoder",
        "frame",
        "rsource",
        "product",
        "memory",
    }
    assert all(part["distribution"] == "lior" and part["version"] for part in found["components"])
    assert found["memory"][1]["fill"] == 1.0
    assert found["metric"]["condition"] >= 1
    assert found["files"]["summary.json"] == (finished / "summary.json").stat().st_size
    assert [set(each) for each in found["invariants"]] == 10 * [
        {"name", "value", "relation", "bound", "holds"}
    ]


def test_a_broken_invariant_is_named_and_the_code_is_1(command, finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "r"))
    miscount(run)
    result = command("inspect", run)
    assert result.code == 1
    assert (
        result.err
        == "lior: error: invariants that do not hold: tokens counted but not held, or held but not counted\n"
    )
    assert result.out.count("BROKEN") == 1
    result = command("inspect", run, "--json")
    assert result.code == 1
    assert [each["value"] for each in json.loads(result.out)["invariants"] if not each["holds"]] == [1]


@pytest.mark.parametrize("name", ["metrics.jsonl", "sync.json", "summary.json"])
def test_damage_beside_the_checkpoint_is_noticed(finished, tmp_path, name):
    run = Path(shutil.copytree(finished, tmp_path / "r"))
    whole = (run / name).read_bytes()
    assert rundir.damage(run) == dict.fromkeys(["sync.json", "metrics.jsonl", "summary.json"], False)
    digit = next(place for place in range(len(whole) // 2, len(whole)) if whole[place : place + 1].isdigit())
    flipped = bytearray(whole)
    flipped[digit] ^= 1
    damages = [whole[: len(whole) // 2], bytes(len(whole)), b"", bytes(flipped)]
    for damaged in damages[: 3 if name == "summary.json" else 4]:  # it has no checksum of its own
        (run / name).write_bytes(damaged)
        assert rundir.damage(run)[name]
    found = inspection.inspect(run, rundir.open_run(run)).invariants
    assert {each.value for each in found if name in each.name} == {True}


def test_metrics_without_a_checksum_are_read(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "r"))
    summary = json.loads((run / "summary.json").read_text())
    del summary["metrics_sha256"]
    (run / "summary.json").write_text(json.dumps(summary))
    assert not rundir.damage(run)["metrics.jsonl"]
    (run / "metrics.jsonl").write_bytes((run / "metrics.jsonl").read_bytes()[:-5])
    assert rundir.damage(run)["metrics.jsonl"]


def test_a_run_without_geometry(command, sample, tmp_path):
    out = tmp_path / "counts"
    assert command("train", sample, "--config", "fast", "--out", out, "--quiet").code == 0
    result = command("inspect", out)
    assert (result.code, result.err) == (0, "")
    assert "\nmetric:" not in result.out
    assert json.loads(command("inspect", out, "--json").out)["metric"] is None


def test_a_damaged_run_is_refused_in_one_line(command, finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "r"))
    path = runfolder.list_checkpoints(run)[0] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    result = command("inspect", run)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith("lior: error: ")


def test_geometry_says_where_it_is_curved_and_what_is_there(command, configure, short, tmp_path):
    from lior.training.preparation import train

    train(configure("rsource=curvature", "memory=exact", text=short), tmp_path / "curved")
    result = command("inspect", tmp_path / "curved", "--geometry")
    assert result.code == 0
    for words in (
        "stretched most along:",
        "Ricci scalar",
        "sectional curvature",
        "curved most in the plane:",
    ):
        assert words in result.out
    found = json.loads(command("inspect", tmp_path / "curved", "--geometry", "--json").out)
    assert found["scalar"] == sorted(found["scalar"])
    assert found["sectional"] == sorted(found["sectional"])
    values = [axis["value"] for axis in found["axes"]]
    assert values == sorted(values, reverse=True)
    r = [place["resilience"] for place in found["places"]]
    assert r == sorted(r, reverse=True)
    assert all(place["before"] in short.read_text() for place in found["places"])


def test_geometry_that_is_flat_says_so(command, configure, short, tmp_path):
    from lior.training.preparation import train

    train(configure("rsource=constitutive", "memory=exact", text=short), tmp_path / "flat")
    result = command("inspect", tmp_path / "flat", "--geometry")
    assert (result.code, "flat" in result.out) == (0, True)
    assert json.loads(command("inspect", tmp_path / "flat", "--geometry", "--json").out)["scalar"] is None


def test_geometry_of_a_run_without_one(command, configure, short, tmp_path):
    from lior.training.preparation import train

    counts = 'memory.sdm.gates=["longest", "previous"]'
    train(configure("memory=sdm", counts, text=short), tmp_path / "counts")
    result = command("inspect", tmp_path / "counts", "--geometry")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "no geometry" in result.err
