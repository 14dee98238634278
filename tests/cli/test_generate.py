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


def test_nothing_to_add(generate):
    assert generate("--prompt", "abc", "--max-tokens", 0) == "abc\n"
    assert len(generate("--max-tokens", 5)) == 6, "without a prompt it begins by itself"


def test_the_seed_decides(generate):
    same = {generate("--prompt", "The ", "--max-tokens", 40, "--seed", 3) for _ in range(2)}
    other = generate("--prompt", "The ", "--max-tokens", 40, "--seed", 4)
    assert len(same) == 1
    assert other not in same


def test_json(generate):
    plain = generate("--prompt", "The ", "--max-tokens", 12)
    result = json.loads(generate("--prompt", "The ", "--max-tokens", 12, "--json"))
    assert set(result) == {"prompt", "text", "tokens", "seconds"}
    assert result["prompt"] + result["text"] + "\n" == plain
    assert result["tokens"] == 12


def test_the_first_token_is_drawn_before_the_prompt_is_shown(generate, monkeypatch):
    """Loops may be compiled for it, which a note tells."""
    order = list[str]()

    def draw(*_, **__):
        order.append("drawn")
        yield 65

    monkeypatch.setattr("lior.model.generation.generate", draw)
    monkeypatch.setattr("lior_cli.generate._stream_bytes", lambda *_: order.append("shown"))
    generate("--prompt", "The ")
    assert order == ["drawn", "shown"]


@pytest.mark.slow
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
    assert child.wait(timeout=900) == 0
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


def test_a_batch_gives_for_each_line_what_it_would_give_alone(generate, tmp_path):
    (tmp_path / "b.jsonl").write_text(
        '{"prompt": "The ", "seed": 3}\n\n{"prompt": "In", "max_tokens": 9, "temperature": 0, "stop": "e"}\n'
    )
    lines = [
        json.loads(line)
        for line in generate("--batch", tmp_path / "b.jsonl", "--max-tokens", 30).split("\n")[:-1]
    ]
    assert [each["prompt"] for each in lines] == ["The ", "In"]
    alone = generate("--prompt", "The ", "--max-tokens", 30, "--seed", 3)
    assert "The " + lines[0]["text"] + "\n" == alone
    assert (lines[0]["tokens"], lines[0]["finish_reason"]) == (30, "length")
    whole = generate("--prompt", "In", "--max-tokens", 9, "--temperature", 0)[2:-1]
    assert lines[1]["text"] == whole.partition("e")[0]
    assert lines[1]["finish_reason"] == ("stop" if "e" in whole else "length")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "b.jsonl:2: no JSON"),
        ('{"text": "a"}', 'b.jsonl:2: expected an object such as {"prompt": "Dear "}'),
        (
            '{"prompt": "a", "temprature": 1}',
            "b.jsonl:2: 'temprature' is unknown; allowed are cooling, loop_length",
        ),
        (
            '{"prompt": "a", "max_tokens": -1}',
            "b.jsonl:2: max_tokens is -1; allowed is a whole number from 0",
        ),
        ('{"prompt": "a", "temperature": "hot"}', "b.jsonl:2: temperature"),
        ('{"prompt": "a", "stop": 3}', "b.jsonl:2: stop is 3; allowed is a text or a list of texts"),
    ],
)
def test_a_wrong_line_of_a_batch_is_named_before_anything_is_drawn(command, finished, tmp_path, line, said):
    (tmp_path / "b.jsonl").write_text('{"prompt": "The "}\n' + line + "\n")
    result = command("generate", finished, "--batch", tmp_path / "b.jsonl")
    assert (result.code, result.out) == (1, "")
    assert said in result.err
    assert result.err.count("\n") == 1
