"""`lior score`: odd lines are found, parts add up to the whole, and nothing steers the terminal."""

from __future__ import annotations

import io
import json
import math
import random
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from lior.model.scoring import ScoredDocument
from lior_cli.surprise import SurpriseScale, new_words
from tests.cases import cases

ODD = {
    60: "00:01:00 ERROR db: deadlock detected, rolling back",
    151: "kernel: out of memory: killed process 711",
    242: "00:04:02 INFO web: GET /../../etc/passwd 200 12ms",
    333: "00:05:33 INFO db: query DROP TABLE users took 3ms",
    424: "}",
}
"""Line -> what is planted there."""


def _log(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)

    def line(second: int) -> str:
        time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        kind = draw.random()
        if kind < 0.5:
            return f"{time} INFO web: GET /item/{draw.randrange(1000)} 200 {draw.randrange(10, 90)}ms"
        if kind < 0.8:
            return f"{time} INFO db: query {draw.randbytes(6).hex()} took {draw.randrange(1, 40)}ms"
        return f"{time} DEBUG cache: hit ratio 0.{draw.randrange(80, 99)}" if kind < 0.97 else ""

    return [line(second) for second in range(count)]


@pytest.fixture(scope="module")
def run(tmp_path_factory, configure) -> Path:
    """A run on a log."""
    from lior.training.preparation import train

    folder = tmp_path_factory.mktemp("logs")
    text = folder / "yesterday.log"
    text.write_text("\n".join(_log(900, 1)) + "\n")
    train(configure("memory.name=sdm", text=text), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """Another log with the odd lines planted."""
    lines = _log(500, 2)
    for number, odd in ODD.items():
        lines[number - 1] = odd
    path = tmp_path_factory.mktemp("texts") / "today.log"
    path.write_text("\n".join(lines) + "\n")
    return path


def rank(row: dict[str, object]) -> float:
    return max(row["z"], -math.inf if row["new"] is None else row["new"])


@pytest.fixture
def score(command, run):
    """Run `lior score --json` and read what it prints."""

    def call(*args: object) -> list[dict[str, object]]:
        result = command("score", run, *args, "--json", "--quiet")
        assert (result.code, result.err) == (0, "")
        return [json.loads(line) for line in result.out.splitlines()]

    return call


@pytest.mark.parametrize("online", [(), ("--online",)])
def test_planted_odd_lines_are_the_most_surprising(score, log, online):
    rows = score(log, "--sort", "--top", 10, *online)
    assert len(rows) == 10
    assert set(ODD) <= {row["line"] for row in rows}
    ranks = list(map(rank, rows))
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(("by", "online"), [("line", ()), ("word", ("--online",))])
def test_parts_add_up_to_what_eval_says(score, command, run, log, by, online):
    rows = score(log, "--by", by, *online)
    whole = json.loads(command("eval", run, log, "--json", "--quiet", *online).out)
    assert sum(row["bytes"] for row in rows) == whole["bytes"]
    bits = sum(row["bits"] for row in rows)
    assert bits == pytest.approx(whole["bits_per_byte"] * whole["bytes"], rel=1e-9)
    for row in rows:
        assert row["bits"] == pytest.approx(row["bits_per_byte"] * row["bytes"])


def test_a_line_is_scored_from_all_before_it_in_its_document(score, tmp_path):
    """The sum up to a line is the score of the text cut there, whatever follows."""
    lines = _log(40, 3)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    cut.write_text("\n".join(lines[:25]) + "\n")
    whole.write_text("\n".join(lines) + "\n")
    first, all_of_them = score(cut), score(whole, cut)
    assert [row["bits"] for row in all_of_them[:25]] == pytest.approx([row["bits"] for row in first])
    again = all_of_them[40:]
    assert {row["file"] for row in again} == {str(cut)}
    assert [row["bits"] for row in again] == pytest.approx([row["bits"] for row in first])


def test_rows_have_the_documented_keys_and_stand_in_the_order_of_the_text(score, log):
    rows = score(log)
    keys = ["file", "line", "z", "new", "bits_per_byte", "bits", "bytes", "text"]
    assert [list(row) for row in rows] == [keys] * 500
    assert [row["line"] for row in rows] == list(range(1, 501))
    assert [row["text"] for row in rows] == log.read_text().splitlines()
    few = sorted(rows, key=lambda row: -rank(row))[:7]
    assert score(log, "--top", 7) == sorted(few, key=lambda row: row["line"])
    assert list(score(log, "--by", "word", "--top", 1)[0]) == [*keys[:2], "column", "z", *keys[4:]]


def test_new_words_are_in_one_line_and_not_in_the_run():
    """A name among words that are not rare is lost in the score of its line."""
    data = b"at 12 user mallory came\nkey deadbeef of qxZpwv\nat 13 user anna came\nanna and Eve, eve\n"
    bits = np.ones(len(data))
    begin = data.index(b" mallory")
    bits[begin : begin + 8] = 9.0
    [found] = new_words(
        [ScoredDocument("a.log", data, bits)], [b"A user came at noon.", b"the key of anna, and"]
    )
    assert {line: (part.column, part.end - part.begin, part.bits) for line, part in found.items()} == {
        1: (12, 8, 72.0),
        4: (10, 10, 10.0),
    }


def test_tokens_of_several_bytes_share_their_cost(command, log, tmp_path, small_recipe):
    args = ("--tokenizer", "bpe", "--set", "tokenizer.vocab_size=300", "--memory", "sdm", "--out", "r")
    assert command("train", log, "--config", small_recipe, "--quiet", *args).code == 0
    rows = [json.loads(line) for line in command("score", "r", log, "--json", "--quiet").out.splitlines()]
    whole = json.loads(command("eval", "r", log, "--json", "--quiet").out)
    assert [row["text"] for row in rows] == log.read_text().splitlines()
    assert sum(row["bits"] for row in rows) == pytest.approx(whole["bits_per_byte"] * whole["bytes"])


def test_lines_of_records_and_standard_input(command, run, tmp_path, monkeypatch):
    records = tmp_path / "r.jsonl"
    records.write_text('{"body": "one\\ntwo"}\n{"body": "three"}\n')
    out = command("score", run, records, "--field", "body", "--quiet").out.splitlines()[1:]
    places = [f"{records}#1:1", f"{records}#1:2", f"{records}#2:1"]
    assert [line.split()[4:] for line in out] == [
        list(row) for row in zip(places, ["one", "two", "three"], strict=True)
    ]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"four\n")))
    assert command("score", run, "-", "--quiet").out.splitlines()[1].endswith("  <stdin>:1  four")


# --- what is printed ---

NASTY = b"00:00:01 INFO \x1b[31mred\x1b]0;title\x07\xff\x9b2J\r\n\tna\xc3\xafve \xe2\x80\xae\n"


@pytest.fixture
def nasty(tmp_path) -> Path:
    """A text that steers a terminal that it is sent to."""
    path = tmp_path / "n\x07.log"
    path.write_bytes(NASTY)
    return path


@pytest.mark.parametrize(("by", "sort"), [("line", ("--sort",)), ("word", ())])
def test_nothing_in_a_text_or_its_name_steers_the_terminal(command, run, nasty, by, sort):
    args = ("score", run, nasty, "--by", by, "--quiet", *sort)
    plain = command(*args, "--color", "never").out
    assert all(c.isprintable() or c in "\n\t" for c in plain)
    assert "naïve" in plain
    colored = command(*args, "--color", "always").out
    assert "\x1b[48;5;" in colored
    shown = click.unstyle(colored)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert by == "word" or shown == plain, "colours add nothing but colours"


def test_color_is_for_terminals_and_never_with_no_color(command, run, nasty, monkeypatch):
    assert "\x1b" not in command("score", run, nasty).out
    monkeypatch.setattr("lior_cli.sources.sys", Screen())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b[48;5;" in command("score", run, nasty, "--quiet").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in command("score", run, nasty, "--quiet").out
    assert "\x1b" in command("score", run, nasty, "--quiet", "--color", "always").out


class Screen:
    """Stands for the module sys of a process on a terminal."""

    class stdout:
        isatty = staticmethod(lambda: True)


def test_running_text_is_coloured_by_byte_or_by_word(command, run, log):
    """By byte a word has several colours; by word what stands between two blanks has one."""

    def shades(by: str) -> list[str]:
        out = command("score", run, log, "--color", "always", "--quiet", "--by", by).out
        (line,) = (line for line in out.splitlines() if "passwd" in click.unstyle(line))
        return line.split("\x1b[0m")

    assert any("/../../etc/passwd" in part for part in shades("word"))
    assert not any("/../../etc/passwd" in part for part in shades("line"))


def test_the_legend_stands_beside_colours_only(command, run, nasty):
    assert "bits per byte:  1+   2+   4+   8+ " in command("score", run, nasty, "--color", "always").err
    assert "bits per byte:" not in command("score", run, nasty).err


# --- the numbers, against sums by hand ---


def _document(data: bytes) -> ScoredDocument:
    return ScoredDocument("d", data, np.arange(1.0, len(data) + 1))


@cases("data", [b"a", b"\n", b"\n\n", b"ab cd\n  e\n", b" a  \n\n b", b"a \n", b"\xffx\xc3\xa9 y"])
def test_parts_are_a_partition(data):
    for parts in (_document(data).lines(), _document(data).words()):
        assert b"".join(data[part.begin : part.end] for part in parts) == data
        for part in parts:
            assert part.bits == sum(range(part.begin + 1, part.end + 1))
            assert part.line == data[: part.begin].count(b"\n") + 1


def test_words_and_their_columns():
    parts = _document(b"ab  cd\n\n  e f\r\n").words()
    assert [(p.line, p.column, p.end - p.begin) for p in parts] == [
        (1, 1, 2),
        (1, 5, 5),
        (2, 1, 1),
        (3, 3, 3),
        (3, 5, 4),
    ]


def test_means_are_over_characters_or_words():
    document = _document("aé bc".encode())
    assert document.means(words=False).tolist() == [1, 2.5, 2.5, 4, 5, 6]
    assert document.means(words=True).tolist() == [2, 2, 2, 5, 5, 5]


def test_z_is_the_standard_score_of_a_sum():
    document = ScoredDocument("d", b"ab\ncdef", np.array([1.0, 3, 2, 0, 2, 2, 4]))
    scale = SurpriseScale.of([document])
    assert scale == pytest.approx((2, math.sqrt(10 / 7)))
    first, second = document.lines()
    assert scale.z(first) == pytest.approx(0)
    assert scale.z(second._replace(bits=12)) == pytest.approx(4 / math.sqrt(4 * 10 / 7))
