"""Whatever is wrong with a request: one clear sentence, an exit code, and nothing lost."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lior
from lior.errors import DataError, DeviceError, UsageError, quantity
from lior.model.generation import Session
from lior.reading.documents import read_documents
from lior.runs import directory as rundir
from lior.training.preparation import MIN_TOKENS, pick_device, train
from lior_plugins.tokenizers.bytes import Bytes
from tests.faults.faults import run_command

TRAIN = [
    "--out",
    "r",
    "--quiet",
    "--memory",
    "sdm",
    "--set",
    "mixer.positions=256",
    "--set",
    "geometry.updates=2",
]


@pytest.fixture
def refuse(command):
    """Run a command that must fail; returns the message after checking its form."""

    def run(*args: object, code: int = 1) -> str:
        result = command(*args)
        assert (result.code, result.out) == (code, ""), result.err
        check_message(result.err)
        assert not Path("r").exists(), "a request that fails leaves no run behind"
        return result.err

    return run


def check_message(text: str) -> None:
    """One message, not a traceback, and not the one for defects."""
    assert text.startswith("lior: error: ")
    assert "Traceback" not in text
    assert "defect" not in text
    assert text.endswith("\n")
    assert text.count("\n") == 1


# --- texts --------------------------------------------------------------------

NOISE = random.Random(0).randbytes(3000)


@pytest.mark.parametrize("size", [1, MIN_TOKENS - 1])
def test_texts_that_are_too_short(refuse, size):
    Path("short.txt").write_bytes(b"x" * size)
    text = refuse("train", "short.txt", *TRAIN)
    assert f"short.txt: {quantity(size, 'token')}, too few" in text
    assert f"at least {MIN_TOKENS}" in text


def test_folders_without_text(refuse):
    Path("empty").mkdir()
    assert "empty: no file in there" in refuse("train", "empty", *TRAIN)
    Path("empty/x.bin").write_bytes(b"\0\1\2")
    assert "(1 skipped: 1 × binary data" in refuse("train", "empty", *TRAIN)


def test_the_validation_text_and_texts_to_score_are_checked_too(refuse, sample, finished):
    Path("e.txt").touch()
    for args in (("train", sample, *TRAIN, "--valid"), ("eval", finished)):
        assert "e.txt: no text" in refuse(*args, "e.txt")
        assert "nope.txt: no such file" in refuse(*args, "nope.txt")
    for first in (1200, 10**30):
        message = refuse("eval", finished, "--from-byte", first, code=2)
        assert "the text has only 1200 bytes" in message


# --- texts without end ---


def test_more_than_the_limit_is_refused_and_not_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    (tmp_path / "b.txt").write_bytes(b"y" * 1000)
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    assert [len(s.data) for s in read_documents(paths, limit=2000)] == [1000, 1000]
    for given_paths in (paths, [str(tmp_path)], [str(tmp_path / "*.txt")]):
        with pytest.raises(DataError, match=r"b.txt: more text than data.limit allows"):
            read_documents(given_paths, limit=1999)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_that_never_ends(refuse):
    assert refuse("train", "/dev/zero", "--set", "data.limit=100000000") == (
        "lior: error: /dev/zero: more text than data.limit allows; raise it, sort it "
        "(`lior archive`), or give less (a device never ends)\n"
    )


@pytest.mark.slow
def test_an_archive_that_explodes(tmp_path):
    """A gigabyte of zeros takes a megabyte; a child with little memory refuses it."""
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=9) as stream:
        for _ in range(1 << 10):
            stream.write(bytes(1 << 20))
    train = ["train", "bomb.gz", "--set", "data.limit=50000000"]
    code, _, err = run_command(train, tmp_path, limit=(resource.RLIMIT_DATA, 3 << 30))
    assert code == 1
    assert "bomb.gz: more text than data.limit allows" in err


@pytest.mark.parametrize(("name", "form"), [("long.txt", "%s"), ("long.jsonl", '{"text": "%s"}')])
def test_a_line_of_any_length(tmp_path, name, form):
    (tmp_path / name).write_text(form % ("a" * (50 << 20)))
    (source,) = read_documents([str(tmp_path / name)])
    assert len(source.data) == 50 << 20


# --- weird texts train: bytes are bytes ---------------------------------------

WEIRD = {
    "noise": NOISE,
    "only NULs": bytes(2000),
    "every byte once": bytes(range(256)),
    "just enough": bytes(range(MIN_TOKENS)),
    "invalid UTF-8": b"caf\xe9 \xff\xfe \xc3" * 100,
    "CRLF": b"one\r\ntwo\r\n\r\n" * 100,
    "no line end": b"words and words" * 50,
    "a byte order mark": b"\xef\xbb\xbftext " * 50,
    "a line of 70 kB": b"lorem ipsum " * 6_000,
}


@pytest.mark.parametrize("case", WEIRD)
def test_any_bytes_train_and_predict(tmp_path, configure, case):
    path = tmp_path / "text"
    path.write_bytes(WEIRD[case])
    holdout = min(0.1, 2000 / len(WEIRD[case]))
    memories = "sdm" if len(WEIRD[case]) > 10_000 else "sdm,exact"
    result = train(configure(f"memory.name={memories}", f"data.holdout={holdout}", text=path))
    assert 0 <= result.summary["val_nats_per_byte"] < 20
    log_p = Session(result.model, [*WEIRD[case][:20]]).log_probs().double()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_a_file_named_twice_is_one_document_and_an_empty_directory_is_used(command, sample):
    Path("r").mkdir()
    result = command("train", sample, sample, *TRAIN, "--json")
    assert json.loads(result.out)["documents"] == 1


@pytest.mark.slow
def test_names_that_are_no_utf8(tmp_path, sample):
    """A child process, for its stderr takes any name; TOML and JSON do not."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(name)).write_bytes(sample.read_bytes()[:3000])
    assert run_command(["train", name, *TRAIN], tmp_path)[0] == 0
    again = ["train", "--config", "r/config.toml", *TRAIN[2:], "--out"]
    assert run_command([*again, "r2"], tmp_path)[0] == 0
    first, second = (rundir.open_run(tmp_path / run).corpus for run in ("r", "r2"))
    assert torch.equal(first.tokens, second.tokens)
    code, _, err = run_command([*again, b"r\xe9"], tmp_path)
    assert code == 1
    check_message(err)
    assert "not UTF-8" in err


# --- what is not there or does not fit ---


def test_a_tokenizer_with_too_many_tokens_for_the_memories(configure, monkeypatch):
    """More token ids than a counter's address has room for."""
    monkeypatch.setattr(Bytes, "vocab", 1 << 17)
    with pytest.raises(UsageError, match=r"has 131,072 token ids; memory 'sdm' holds at most 65,536"):
        train(configure())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(refuse, sample, finished):
    for args in (("train", sample, *TRAIN), ("eval", finished), ("generate", finished)):
        assert "no CUDA GPU is visible" in refuse(*args, "--device", "cuda")
    with pytest.raises(DeviceError, match="no CUDA GPU is visible"):
        lior.load(finished, device="cuda")


def test_the_device_of_a_model_is_chosen_as_on_the_command_line(finished):
    assert lior.load(finished, device="auto").model.device == pick_device("auto")
    with pytest.raises(UsageError, match="device 'gpu': allowed is one of auto, cpu, cuda, mps, xpu"):
        lior.load(finished, device="gpu")


# --- the run directory ---------------------------------------------------------


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere", "x" * 300])
def test_a_place_that_cannot_be_written(refuse, sample, out):
    Path("file").write_text("mine")
    text = refuse("train", sample, *TRAIN[2:], "--out", out)
    assert f"{out}: cannot be written: " in text
    assert Path("file").read_text() == "mine"


# --- streams and signals --------------------------------------------------------


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.slow
def test_closed_streams(tmp_path, finished, redirection):
    script = f'exec "$0" -m lior_cli.main eval "$1" --json {redirection}'
    args = ["/bin/sh", "-c", script, sys.executable, str(finished)]
    child = subprocess.run(args, capture_output=True, cwd=tmp_path, check=False)
    assert child.returncode == 0, child.stderr
    assert b"Traceback" not in child.stderr
    assert b"error" not in child.stderr
    if ">&-" not in redirection.replace("2>&-", ""):
        assert json.loads(child.stdout)["bytes"] == 1200


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_output(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    with Path("/dev/full").open("w") as full:
        code, _, err = run_command(["plugins"], tmp_path, stdout=full)
    assert code == 1
    check_message(err)
    assert "no space left" in err
