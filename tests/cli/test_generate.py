"""`lior generate`: a prompt and its continuation, as bytes, as they come."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from lior_cli.terminal import printable


@pytest.fixture
def generate(command, finished):
    """Run `lior generate` on the finished run."""

    def run(*args: object) -> str:
        result = command("generate", finished, *args)
        assert (result.code, result.err) == (0, "")
        return result.out

    return run


def test_prompt_then_continuation_then_a_line_end(generate):
    text = generate("--prompt", "The ", "--max-tokens", 20)
    assert text.startswith("The ")
    assert text.endswith("\n")
    assert len(text.encode()) == len("The ") + 20 + 1


def test_nothing_to_add(generate):
    assert generate("--prompt", "abc", "--max-tokens", 0) == "abc\n"
    assert len(generate("--max-tokens", 5)) == 6, "without a prompt it begins by itself"


def test_the_seed_decides(generate):
    same = {generate("--prompt", "The ", "--max-tokens", 40, "--seed", 3) for _ in range(2)}
    other = generate("--prompt", "The ", "--max-tokens", 40, "--seed", 4)
    assert len(same) == 1
    assert other not in same


@pytest.mark.parametrize("sure", [("--temperature", 0), ("--top-k", 1), ("--top-p", 0)], ids=str)
def test_three_ways_to_take_the_likeliest(generate, sure):
    texts = {generate("--prompt", "The ", "--max-tokens", 30, *sure, "--seed", seed) for seed in (1, 2)}
    assert texts == {generate("--prompt", "The ", "--max-tokens", 30, "--temperature", 0)}


def test_json(generate):
    plain = generate("--prompt", "The ", "--max-tokens", 12)
    result = json.loads(generate("--prompt", "The ", "--max-tokens", 12, "--json"))
    assert set(result) == {"prompt", "text", "tokens", "seconds"}
    assert result["prompt"] + result["text"] + "\n" == plain
    assert result["tokens"] == 12


def test_text_comes_as_it_is_drawn(finished):
    """The first bytes are there while the rest, less than a buffer, is drawn; then the reader leaves."""
    args = [sys.executable, "-m", "lior_cli.main", "generate", str(finished), "--max-tokens", "3000"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    child = subprocess.Popen(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert len(child.stdout.read(20)) == 20
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.3)
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(timeout=20) == 1
    child.stderr.close()


def test_bytes_that_are_no_utf8_pass_through(generate, monkeypatch):
    prompt = b"caf\xe9 \x00 "
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(prompt)))
    text = os.fsencode(generate("--prompt", "-", "--max-tokens", 3))
    assert text.startswith(prompt)
    assert len(text) == len(prompt) + 4


def test_a_terminal_gets_no_control_characters():
    pieces = [b"a\x1b[31m", b"\xc3", b"\xa9\n\t", b"\x07\xff"]
    shown = "".join(printable(pieces)).replace("\N{REPLACEMENT CHARACTER}", "?")
    assert shown == "a?[31mé\n\t??"


def test_a_terminal_shows_prompt_and_text(command, finished, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    result = command("generate", finished, "--prompt", "The ", "--max-tokens", 5, "--temperature", 0)
    assert result.code == 0
    assert result.out.removeprefix("\x1b[1m").startswith("The ")
    assert result.out.endswith("\n")
