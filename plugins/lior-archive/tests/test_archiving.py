"""``lior archive``: the same archive however it is made, faults named, and a model that looks things up."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lior.errors import DataError, RunError, UsageError
from lior.runs.files import lock
from lior_archive import building, shards
from tests.test_workers import Cluster

SMALL = 1 << 20


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Documents of 3.5 MB in three formats, one of them longer than a piece."""
    place, generator = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    words = ["".join(generator.choice([*"abcdefgh"], 5)) for _ in range(500)]
    line = lambda: " ".join(generator.choice(words, 12))  # noqa: E731
    for number in range(20):
        (place / f"{number:02}.txt").write_text("\n".join(line() for _ in range(600)) + "\n")
    (place / "long.txt").write_text("\n".join(line() for _ in range(40_000)) + "\n")
    records = [json.dumps({"_id": f"r{number}", "text": line()}) for number in range(2_000)]
    (place / "records.jsonl.gz").write_bytes(gzip.compress("\n".join(records).encode()))
    return place


def content(folder):
    """Every array of an archive."""
    return [
        {name: (folder / entry.name / f"{name}.npy").read_bytes() for name in shards.Shard._fields}
        for entry in shards.entries(folder)
    ]


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("archive")
    done = building.build([str(texts)], out, shard=SMALL)
    assert done.shards >= 3
    return out, done


def test_all_documents_are_there_under_their_names(texts, made):
    out, done = made
    names = [name for entry in shards.entries(out) for name in documents(out / entry.name)[0]]
    assert done.documents == 2_021
    assert len({name for name in names if "#" in name}) == 2_000
    assert sum("long.txt" in name for name in names) == 3  # in pieces of a megabyte
    assert done.bytes == sum(entry.bytes for entry in shards.entries(out))


def documents(folder):
    found = json.loads((folder / "documents.json").read_text())
    return found["names"], found["sizes"]


def test_the_same_again_sorts_nothing_and_a_change_only_what_it_reaches(texts, made, tmp_path):
    out, done = made
    before = content(out)
    again = building.build([str(texts)], out, shard=SMALL)
    assert (again.sorted, again.shards) == (0, done.shards)
    assert content(out) == before
    copy = tmp_path / "texts"
    copy.mkdir()
    for path in texts.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    last = sorted(copy.iterdir())[-1]
    last.write_bytes(gzip.compress(gzip.decompress(last.read_bytes())[:-1000].rsplit(b"\n", 1)[0]))
    changed = building.build([str(copy)], out, shard=SMALL)
    assert 0 < changed.sorted < changed.shards
    building.build([str(texts)], out, shard=SMALL)
    assert content(out) == before
    (out / "00001" / "order.npy").unlink()
    assert building.build([str(texts)], out, shard=SMALL).sorted == 1
    assert content(out) == before


@pytest.mark.slow
def test_workers_that_are_killed_change_no_bit(texts, made, tmp_path):
    """Ends the whole run at some moments, and goes on with another number of workers."""
    expected, out = content(made[0]), tmp_path / "archive"
    code = (
        "import sys; from pathlib import Path; from lior_archive import building\n"
        "if __name__ == '__main__':\n"
        "    building.build([sys.argv[1]], Path(sys.argv[2]), shard=1 << 20, workers=int(sys.argv[3]))"
    )
    for attempt in range(20):
        command = [sys.executable, "-c", code, str(texts), str(out), str(1 + attempt % 2)]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(1.0 + 0.2 * attempt)
        done = process.poll()
        if done is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if done == 0:
            break
    building.build([str(texts)], out, shard=SMALL, workers=2)
    assert content(out) == expected
    assert not [path for path in out.iterdir() if path.suffix in (".spool", ".partial")]


def test_a_sample_is_left_out_of_the_archive(texts, tmp_path):
    sample = tmp_path / "sample.jsonl"
    done = building.build([str(texts)], tmp_path / "a", shard=SMALL, sample=sample, share=0.1)
    taken = {json.loads(line)["_id"] for line in sample.read_text().splitlines()}
    kept = {
        name for entry in shards.entries(tmp_path / "a") for name in documents(tmp_path / "a" / entry.name)[0]
    }
    assert len(taken) == done.sample_documents > 100
    assert not taken & kept
    assert len(taken) + len(kept) == 2_021


@pytest.mark.parametrize("name", ["texts/sample.jsonl", "texts/new/s.jsonl", "texts/00.txt", "a/s.jsonl"])
def test_a_sample_replaces_no_text_and_never_becomes_one(tmp_path, name):
    """Built twice, the second archive would hold what the first left out."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.txt").write_text(f"text {number}\n")
    sample = tmp_path / name
    for paths in ([folder], [folder / "00.txt", folder / "01.txt"])[: 2 if name.endswith("00.txt") else 1]:
        with pytest.raises(UsageError, match=r"name a file outside of the texts and of the archive$"):
            building.build([*map(str, paths)], tmp_path / "a", sample=sample, share=0.5)
    assert not (tmp_path / "a").exists()
    assert len([*folder.iterdir()]) == 20
    assert (folder / "00.txt").read_text() == "text 0\n"


def test_a_sample_replaces_a_sample_and_no_other_file(texts, tmp_path):
    sample, other = tmp_path / "s.jsonl", tmp_path / "letter.txt"
    for share in (0.001, 0.1, 0.2):  # an empty one is replaced, too
        building.build([str(texts)], tmp_path / "a", sample=sample, share=share)
    other.write_text("Dear Ada,\n")
    with pytest.raises(UsageError, match="no sample of an archive; nothing was touched; name a new file"):
        building.build([str(texts)], tmp_path / "b", sample=other, share=0.1)
    assert other.read_text() == "Dear Ada,\n"
    assert not (tmp_path / "b").exists()


def test_standard_input_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"save it to a file, and name that$"):
        building.build(["-"], tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_document_in_pieces_counts_whichever_piece_the_sample_takes(tmp_path, monkeypatch):
    text, sample = tmp_path / "long.txt", tmp_path / "s.jsonl"
    text.write_text("a line of a long log\n" * 60_000)
    for first in (True, False):
        monkeypatch.setattr(building, "_chosen", lambda name, share, first=first: (":" not in name) == first)
        done = building.build([str(text)], tmp_path / "a", sample=sample)
        assert (done.documents, done.sample_documents) == (1, 1)


def test_every_reason_for_leaving_files_out_is_told(tmp_path, lior):
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(5):
        (texts / f"{number}.txt").touch()
    (texts / "link").symlink_to("missing")
    (texts / "text").write_text("text\n")
    told = lior("archive", tmp_path / "out", texts, "--quiet").stderr
    assert "skipped 3 more: 3 × empty\n" in told


def test_faults_are_named(texts, tmp_path):
    with pytest.raises(UsageError, match="shard"):
        building.build([str(texts)], tmp_path, shard=1000)
    with pytest.raises(DataError, match="none"):
        building.build([str(tmp_path / "none")], tmp_path / "a")
    with pytest.raises(DataError, match="no archive there"):
        shards.open_archive(tmp_path / "a")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jsonl").write_text('{"text": "one"}\nnot JSON\n')
    done = building.build([str(tmp_path / "bad")], tmp_path / "a")
    assert done.documents == 1
    assert "line 2" in str(done.skipped[0])
    with lock(tmp_path / "a" / "lock"), pytest.raises(RunError, match="another process"):
        building.build([str(texts)], tmp_path / "a")


def test_an_archive_is_not_written_among_texts_and_not_read_as_text(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "10000.txt").write_text("one\n")
    for out in (texts, texts / "sub"):
        out.mkdir(exist_ok=True)
        (out / "notes").write_text("two\n")
        with pytest.raises(RunError, match=r"not empty, and no archive \(.* is in it\); nothing was touched"):
            building.build([str(texts)], out)
        assert not (out / "lock").exists()
    inside = texts / "a.archive"
    for interrupted in (False, True):
        building.build([str(texts)], inside)
        assert documents(inside / "00000")[0] == ["10000.txt", "notes", "sub/notes"]
        if interrupted:
            (inside / "archive.json").unlink()
        assert building.build([str(texts)], tmp_path / f"b{interrupted}").documents == 3
    building.build([str(texts)], inside)
    for path in inside.iterdir():  # as an earlier version did
        path.rename(texts / path.name)
    assert building.build([str(texts)], tmp_path / "c").documents == 3
    with pytest.raises(DataError, match="no text in there"):
        building.build([str(tmp_path / "c")], tmp_path / "d")
    building.build([str(texts)], tmp_path / "d")  # a build that found no text left its lock


def test_a_full_disk_is_one_line_and_what_is_complete_stays(texts, made, tmp_path, monkeypatch):
    whole, left = shards.write_shard, [1]

    def fails_later(*given):
        if not left:
            raise OSError("no space")
        left.pop()
        whole(*given)

    monkeypatch.setattr(shards, "write_shard", fails_later)
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(DataError, match="no space; fix this, and run the same command again"),
    ):
        building.build([str(texts)], tmp_path / "a", shard=SMALL, workers=pool)
    monkeypatch.undo()
    again = building.build([str(texts)], tmp_path / "a", shard=SMALL)
    assert again.sorted == again.shards - 1
    assert content(tmp_path / "a") == content(made[0])


@pytest.mark.parametrize("size", [1 << 12, 1 << 20, 5 << 20])
def test_files_that_cannot_grow_are_named_with_the_cause(texts, tmp_path, size):
    """As on a full disk: at the first file, in a shard, and in its largest; nothing half-written is left."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
    program = f"{limit} import sys; from lior_cli.main import main; sys.exit(main())"
    # Else it compiles modules to files that end where the limit is.
    command = [sys.executable, "-B", "-c", program, "archive", "a", str(texts)]
    command += ["--shard", str(SMALL), "--quiet"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert "a: File too large; fix this, and run the same command again" in told.stderr
    assert told.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "a").iterdir() if not path.name.isdigit()] == ["lock"]
    again = building.build([str(texts)], tmp_path / "a", shard=SMALL)
    assert again.shards >= 3


def test_a_folder_of_other_files_is_refused_before_it_is_said_to_be_filled(texts, lior):
    told = lior("archive", texts, texts)
    assert told.stderr.startswith(f"lior: error: {texts}: not empty, and no archive")


@pytest.mark.slow
def test_a_model_looks_up_what_it_was_not_trained_on(texts, tmp_path, lior):
    """From the command line: the archive is used, and a run without it is worse."""
    lior("archive", tmp_path / "a", texts, "--sample", tmp_path / "s.jsonl", "--share", "0.02")
    scores = []
    for more in ((), ("--set", f"memory.suffix.archive={tmp_path / 'a'}")):
        out = tmp_path / f"run{len(more)}"
        options = "--memory", "sdm,suffix", "--config", "fast", "--holdout", "keep", "--out", out, "--json"
        told = lior("train", tmp_path / "s.jsonl", *options, *more)
        scores.append(json.loads(told.stdout.splitlines()[-1])["val_bits_per_byte"])
    assert scores[1] < scores[0] - 0.2
    assert lior("eval", tmp_path / "run2").returncode == 0
    # What it looks up has its document and line.
    documents = shards.documents(tmp_path / "a", shards.open_archive(tmp_path / "a"))[0]
    text = bytes(documents.tokens(3).tolist()).decode()
    begin = text.index("\n", len(text) // 2) + 1
    asked = "--prompt", text[begin - 30 : begin + 12], "--text", text[begin + 12 : begin + 30], "--json"
    words = json.loads(lior("why", tmp_path / "run2", *asked).stdout)["words"]
    places = {(place["document"], place["line"]) for word in words for place in word["sources"]}
    assert (documents.names[3], text.count("\n", 0, begin) + 1) in places
    (tmp_path / "a" / "archive.json").unlink()
    failed = lior("eval", tmp_path / "run2")
    assert "no archive there" in failed.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_a_scheduler_that_loses_a_worker_makes_the_same_archive(texts, made, tmp_path):
    pytest.importorskip("distributed")
    started = Cluster(tmp_path)
    started.worker()
    victim = started.worker()
    try:
        address = started.address  # once both workers have come
        timer = threading.Timer(1.0, victim.kill)
        timer.start()
        building.build([str(texts)], tmp_path / "a", shard=SMALL, workers=address)
        timer.join()
        assert victim.wait() != 0
        assert content(tmp_path / "a") == content(made[0])
    finally:
        started.stop()
