"""Whatever is wrong with a request: one clear sentence, an exit code, and nothing lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
import torch

import lior
from lior.errors import DeviceError, UsageError
from lior.model.generation import Session
from lior.runs import directory as rundir
from lior.training.preparation import MIN_TOKENS, pick_device, train
from lior_plugins.tokenizers.bytes import Bytes
from tests.faults.faults import LIOR

TRAIN = (
    "--out",
    "r",
    "--quiet",
    "--memory",
    "sdm",
    "--set",
    "mixer.positions=256",
    "--set",
    "geometry.updates=2",
)


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
    several = "problems in the configuration" in text
    assert several or text.count("\n") == 1


# --- texts --------------------------------------------------------------------

NOISE = random.Random(0).randbytes(3000)

TEXTS = {
    "an empty file": ("e.txt", b"", "1 × empty"),
    "one byte": ("one.txt", b"x", "1 tokens are too few"),
    "one byte less than enough": ("short.txt", b"x" * (MIN_TOKENS - 1), f"at least {MIN_TOKENS}"),
    "no gzip": ("bad.gz", NOISE, "damaged gzip file"),
    "broken JSON": ("a.jsonl", b'{"text": "fine"}\n{"text": "a"', "line 2: not JSON"),
    "another key": ("b.jsonl", b'{"body": "a"}', "found: body); name the key with --field"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_that_cannot_be_learned(refuse, case):
    name, data, message = TEXTS[case]
    Path(name).write_bytes(data)
    text = refuse("train", name, *TRAIN)
    assert name in text
    assert message in text


@pytest.mark.parametrize("name", ["nowhere.txt", "nowhere/*.txt", "~nobody/x", "", "a" * 5000])
def test_texts_that_are_not_there(refuse, name):
    assert name[:200] in refuse("train", name, *TRAIN)


def test_folders_without_text(refuse):
    Path("empty").mkdir()
    assert "empty: no file in there" in refuse("train", "empty", *TRAIN)
    Path("empty/x.bin").write_bytes(b"\0\1\2")
    assert "(1 skipped: 1 × binary data" in refuse("train", "empty", *TRAIN)


def test_a_file_that_cannot_be_read(refuse):
    name = "secret.txt"
    Path(name).write_text("x" * 100)
    Path(name).chmod(0)
    if os.access(name, os.R_OK):  # root reads everything but this
        name = "/proc/self/mem"
        if not Path(name).exists():
            pytest.skip("as root, and without /proc, every file can be read")
    assert f"{name}: cannot be read: " in refuse("train", name, *TRAIN)


def test_the_validation_text_is_checked_too(refuse, sample):
    Path("e.txt").touch()
    assert "e.txt: no text" in refuse("train", sample, *TRAIN, "--valid", "e.txt")
    assert "nope.txt: no such file" in refuse("train", sample, *TRAIN, "--valid", "nope.txt")


def test_texts_to_score_are_checked_too(refuse, finished):
    Path("e.txt").touch()
    assert "e.txt: no text" in refuse("eval", finished, "e.txt")
    assert "nope.txt: no such file" in refuse("eval", finished, "nope.txt")
    for first in (1200, 10**30):
        message = refuse("eval", finished, "--from-byte", first, code=2)
        assert "the text has only 1200 bytes" in message


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


def test_binary_rubbish_trains_when_it_is_named(command):
    Path("rubbish").write_bytes(NOISE)
    assert command("train", "rubbish", *TRAIN) == (0, "", "")


@pytest.mark.slow
def test_a_file_named_twice_is_one_document(command, sample):
    result = command("train", sample, sample, *TRAIN, "--json")
    assert json.loads(result.out)["documents"] == 1


@pytest.mark.slow
def test_names_that_are_no_utf8(tmp_path, sample):
    """A child process, for its stderr takes any name; TOML and JSON do not."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(name)).write_bytes(sample.read_bytes()[:3000])
    base = {"cwd": tmp_path, "capture_output": True, "check": False}
    assert subprocess.run([*LIOR, "train", name, *TRAIN], **base).returncode == 0
    again = [*LIOR, "train", "--config", "r/config.toml", *TRAIN[2:], "--out"]
    assert subprocess.run([*again, "r2"], **base).returncode == 0
    first, second = (rundir.open_run(tmp_path / run).corpus for run in ("r", "r2"))
    assert torch.equal(first.tokens, second.tokens)
    refused = subprocess.run([*again, b"r\xe9"], **base)
    assert refused.returncode == 1
    check_message(refused.stderr.decode())
    assert "not UTF-8" in refused.stderr.decode()


# --- configuration ------------------------------------------------------------


def test_all_errors_at_once(refuse, sample):
    faults = ["--seed", "-3", "--set", "frame.rnk=1", "--set", "foo=1", "--holdout", "0.9"]
    text = refuse("train", sample, *TRAIN, *faults, code=2)
    assert "4 problems in the configuration" in text
    assert all(name in text for name in ("seed", "frame.rnk", "foo", "data.holdout"))


@attrs.frozen(kw_only=True)
class Pairs(Bytes):
    """More token ids than a counter's address has room for."""

    vocab = 1 << 17


def test_a_tokenizer_with_too_many_tokens_for_the_memories(configure):
    with pytest.raises(UsageError, match=r"Pairs' has 131,072 token ids; memories hold at most 65,536"):
        train(configure(f"tokenizer.name={Pairs.__module__}:Pairs"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(refuse, sample, finished):
    for args in (("train", sample, *TRAIN), ("eval", finished), ("generate", finished)):
        assert "no CUDA GPU is visible" in refuse(*args, "--device", "cuda")
    with pytest.raises(DeviceError, match="no CUDA GPU is visible"):
        lior.load(finished, device="cuda")


def test_the_device_of_a_model_is_chosen_as_on_the_command_line(finished):
    assert lior.load(finished, device="auto").model.device == pick_device("auto")
    with pytest.raises(UsageError, match="device 'gpu': allowed is one of auto, cpu, cuda"):
        lior.load(finished, device="gpu")


@pytest.mark.parametrize("flags", [("--temperature", -1), ("--top-p", 1.5), ("--seed", 2**64)])
def test_sampling_out_of_range(refuse, finished, flags):
    name = flags[0].removeprefix("--")
    text = refuse("generate", finished, *flags, code=2)
    assert name in text.replace("_", "-")
    assert str(flags[1]) in text


@pytest.mark.parametrize("temperature", ["1e-300", "1e-9", "100"])
def test_temperatures_at_the_ends_of_the_range(command, finished, temperature):
    result = command("generate", finished, "--temperature", temperature, "--max-tokens", 4)
    assert (result.code, len(result.out)) == (0, 5)


# --- the run directory ---------------------------------------------------------


def test_a_directory_that_is_in_use_is_left_alone(command, sample):
    Path("r").mkdir()
    Path("r/thesis.txt").write_text("ten years of work")
    result = command("train", sample, *TRAIN)
    check_message(result.err)
    assert result.code == 1
    assert "not empty; nothing was touched" in result.err
    assert [path.name for path in Path("r").iterdir()] == ["thesis.txt"]
    assert Path("r/thesis.txt").read_text() == "ten years of work"


@pytest.mark.slow
def test_an_empty_directory_is_used(command, sample):
    Path("r").mkdir()
    assert command("train", sample, *TRAIN).code == 0


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
def test_a_full_output():
    with Path("/dev/full").open("w") as full:
        child = subprocess.run(
            [*LIOR, "plugins"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
    assert child.returncode == 1
    check_message(child.stderr)
    assert "no space left" in child.stderr
