"""No control character of a document, a name, a configuration or a run reaches a terminal or a pipe."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import lior
from lior_cli.output import escape_controls, escaping, unescape
from tests.faults.faults import forge

EVIL = "\x1b[2J\x1b]0;x\x07\x1b[8m\x9b1m\x7f\x08\r\u202e\u2066\u200f"
NAME = f"note{EVIL}.txt"
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\r(?!\n)"
)
OWN = re.compile(r"\x1b\[(?:[0124]|[349]\d|[34]8;5;\d+)m|\x1b\[\?25[hl]|\x1b\[\d?[AK]|\r")
"""What lior and rich write to a terminal themselves."""


class Terminal(io.TextIOWrapper):
    """A stream of text that says that it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, newline="\n", write_through=True)

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def places(finished, tmp_path_factory) -> dict[str, Path]:
    """A folder, a run, a recipe and a file, all of them of a stranger."""
    place = tmp_path_factory.mktemp("stranger")
    folder = place / f"f{EVIL}"
    folder.mkdir()
    note = folder / NAME
    note.write_text("The launch \x9b1m\u202e is on the fourth of May.\n\nIts place is \u2066 the harbour.\n")
    (folder / f"other{EVIL}.txt").write_text(f"The launch {EVIL} is loud.\n")
    (folder / f"skipped{EVIL}.docx").write_bytes(b"PK no")
    (folder / f"data{EVIL}.json").write_text(json.dumps({"launch": EVIL}))
    run = place / f"r{EVIL}"
    shutil.copytree(finished, run)
    opened = lior.load(run)
    opened.learn({NAME.replace("\r", ""): note.read_text() * 20})  # a name in Python is one line
    opened.save()
    broken = Path(shutil.copytree(run, place / "broken"))
    forge(broken, lambda m: m["components"]["memory"][0].update(name=EVIL, distribution=EVIL, version=EVIL))
    recipe = place / f"c{EVIL}.toml"
    recipe.write_text(f'"seed{EVIL}" = 1\n'.encode("unicode_escape").decode().replace("\\n", "\n"))
    return {
        "folder": folder,
        "run": run,
        "note": note,
        "broken": broken,
        "recipe": recipe,
        "evil": Path(EVIL),
    }


COMMANDS = [
    "ask folder launch",
    "ask folder launch --json",
    "ask run launch",
    "ask run launch --json --all",
    "ask folder evil",
    "ask folder launch -v",
    "docs run",
    "docs run --json",
    "inspect run",
    "inspect run --json",
    "generate run --prompt evil --max-tokens 3 --json",
    "why run --prompt launch --max-tokens 3 --seed 1",
    "why run --prompt evil --max-tokens 3 --json",
    "score run note",
    "score run note --json",
    "eval run note --json",
    "eval broken",
    "inspect broken",
    "eval evil",
    "plot evil",
    "learn run evil",
    "forget run evil",
    "sync folder --verbose",
    "sync folder --json",
    "cache",
    "plugins --kind evil",
    "config show evil",
    "config check recipe",
    "train folder --config recipe",
    "train folder --config evil",
    "chat folder",
    "serve evil --port 1",
    "evil",
    "docs evil",
]


def found(text: str, *, terminal: bool) -> list[str]:
    return FORBIDDEN.findall(OWN.sub("", text) if terminal else text)


@pytest.mark.parametrize("line", COMMANDS)
def test_in_a_pipe_and_on_a_terminal(command, places, monkeypatch, line):
    words = [str(places.get(word, word)) for word in line.split()]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"launch {EVIL}\n".encode())))
    piped = command(*words)
    assert piped.out or piped.err
    assert not found(piped.out + piped.err, terminal=False)
    if "--json" in words and piped.code == 0:
        assert all(map(json.loads, piped.out.splitlines()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"launch {EVIL}\n".encode())))
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    from lior_cli.main import main

    main(words)
    shown = "".join(s.buffer.getvalue().decode("utf-8", "surrogateescape") for s in (sys.stdout, sys.stderr))
    assert not found(shown, terminal=True)
    assert "\x1b[8m" not in shown


def test_generated_text_is_raw_in_a_pipe_only(command, places, monkeypatch):
    words = ["generate", str(places["run"]), "--prompt", EVIL, "--max-tokens", "1"]
    assert EVIL in command(*words).out
    monkeypatch.setattr("sys.stdout", Terminal())
    from lior_cli.main import main

    main(words)
    assert not found(sys.stdout.buffer.getvalue().decode("utf-8", "replace"), terminal=True)


def test_a_true_terminal(places):
    mine, theirs = pty.openpty()
    line = [sys.executable, "-m", "lior_cli.main", "ask", places["folder"], "launch"]
    subprocess.run(line, stdin=theirs, stdout=theirs, stderr=theirs, check=False, cwd=places["run"])
    os.close(theirs)
    shown = os.read(mine, 1 << 16).decode()
    assert "fourth of May" in shown
    assert "\x1b[1m" in shown
    assert not found(shown, terminal=True)


def test_what_is_escaped_in_json_means_the_same():
    value = [f"\\{EVIL}", "é 😀\u2028"]
    text = escape_controls(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert "é 😀" in text


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("latin-1", r"\u0141ód\u017a \u2014 \ud83d\ude00 \u001b"),
        ("cp1252", r"\u0141ód\u017a — \ud83d\ude00 \u001b"),
        ("ascii", r"Łódź — 😀 \u001b"),
        ("utf-8", r"Łódź — 😀 \u001b"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(monkeypatch, encoding, shown):
    """Python takes ASCII where no locale is set: then UTF-8 is written."""
    monkeypatch.setattr("sys.stdout", stream := Terminal(encoding))
    with escaping():
        click.echo("Łódź — 😀 \x1b")
        print("😀", file=unescape(sys.stdout), end="")
    written = stream.buffer.getvalue().decode("utf-8" if encoding == "ascii" else encoding)
    assert written == shown + "\n" + ("😀" if "😀" in shown else r"\ud83d\ude00")


@pytest.mark.parametrize("terminal", [True, False])
def test_styles_of_click_work_and_those_of_a_text_do_not(monkeypatch, terminal):
    stream = Terminal()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stdout", stream)
    with escaping():
        click.secho("own \x1b[31mtheirs", bold=True)
    shown = (
        "\x1b[1mown \\u001b[31mtheirs\x1b[0m\n" if terminal else "own theirs\n"
    )  # click removes both in a pipe
    assert stream.buffer.getvalue().decode() == shown
