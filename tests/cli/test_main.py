"""Errors are one line and an exit code; typos get a suggestion; completion imports nothing."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import lior
from lior.errors import ConfigError, DataError, UnknownPlugin
from lior_cli import main as entry
from lior_cli.main import _SECTIONS, COMMANDS, cli, main
from tests.cases import cases


class OutOfMemoryError(RuntimeError):
    """As torch's, which is matched by its name."""


@pytest.fixture
def failing(monkeypatch):
    """Let the command ``train`` raise an error."""

    def fail(error: BaseException) -> None:
        @click.command()
        def command():
            raise error

        monkeypatch.setattr(entry, "failing_command", command, raising=False)
        monkeypatch.setitem(COMMANDS, "train", ("lior_cli.main:failing_command", "Fail."))

    return fail


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("no such text: x"), 1, "no such text: x"),
        (UnknownPlugin("no plugin x"), 2, "no plugin x"),
        (ConfigError(["seed is wrong"]), 2, "seed is wrong"),
        (click.UsageError("bad flag"), 2, "bad flag Try 'lior train --help'."),
        (click.ClickException("no"), 1, "no"),
        (MemoryError(), 1, "out of memory"),
        (OutOfMemoryError("CUDA out of memory"), 1, "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "no space left on the device: /x/y"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 1, "/x/y: Permission denied"),
        (ValueError("odd\nsecond line"), 70, "ValueError: odd. This is a defect"),
        (SystemExit("not this way"), 1, "not this way"),
        (OSError("without a number"), 70, "OSError: without a number. This is a defect"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_is_one_line_and_a_code(failing, capsys, error, code, message):
    if isinstance(error, click.UsageError):
        error.ctx = click.Context(click.Command("train"), info_name="lior train")
    failing(error)
    assert main(["train"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lior: error: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("code", [None, 0, 3])
def test_a_command_may_exit_with_its_own_code(failing, code):
    failing(SystemExit(code))
    assert main(["train"]) == (code or 0)


def test_interruption(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["train"]) == 130
    assert capsys.readouterr().err.strip() == "lior: interrupted"


def test_debug_shows_the_traceback(failing):
    error = ValueError("odd")
    failing(error)
    with pytest.raises(ValueError, match="odd"):
        main(["--debug", "train"])


def test_debug_leaves_wrong_use_alone(capsys):
    assert main(["--debug", "trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


def test_help_lists_every_command_in_order_where_there_is_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listing = CliRunner().invoke(cli, ["--help"]).output
    assert [name for name in COMMANDS if f"\n  {name} " not in listing] == list(_SECTIONS["Runs"])
    assert "Runs:\n  None here. `lior train` makes one" in listing
    assert main(["docs", "nothing"]) == 1, "it runs, and says what it needs"
    (tmp_path / "runs" / "mine" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "config.toml").touch()
    listing = CliRunner().invoke(cli, ["--help"]).output
    positions = [listing.index(f"\n  {name} ") for name in COMMANDS]
    assert positions == sorted(positions)
    assert all(help in " ".join(listing.split()) for _, help in COMMANDS.values())


@cases("name", COMMANDS)
def test_kept_help_is_that_of_the_command(name):
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert command.get_short_help_str(limit=200).rstrip(".") in COMMANDS[name][1]


def test_a_reader_that_leaves_is_no_error():
    """The table is larger than the buffer of a pipe, so that writing fails."""
    code = (
        "import sys, click; from lior_cli import main as m\n"
        "m.big = click.Command('big', callback=lambda: click.echo('x' * 1_000_000))\n"
        "m.COMMANDS['train'] = ('lior_cli.main:big', '')\n"
        "sys.exit(m.main(['train']))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(1)
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait() == 0
    child.stderr.close()


def test_a_checkout_that_is_not_installed_has_its_version(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: metadata.distribution("no-such-package"))
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert lior.__version__ == project["version"]


def test_the_package_runs_as_a_program():
    told = subprocess.run(
        [sys.executable, "-m", "lior", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("lior, version ")


def test_a_removed_working_directory_does_not_matter(tmp_path, monkeypatch, capsys):
    notes, gone, temporary = (tmp_path / name for name in ("notes", "gone", "temporary"))
    for folder in (notes, gone, temporary):
        folder.mkdir()
    (notes / "a.txt").write_text("The launch is on the fourth of May.\n")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["ask", str(notes), "When is the launch?"]) == 0
    told = capsys.readouterr()
    assert "fourth of May" in told.out
    assert "lior: the working directory was removed; relative names are those of" in told.err
    (empty,) = temporary.iterdir()
    assert Path.cwd() == empty
    assert main(["ask", ".", "When is the launch?"]) == 2
    assert str(empty) in capsys.readouterr().err, "nothing of another folder is read"
    entry._remove_if_empty(str(empty))
    assert not empty.exists()


@pytest.mark.parametrize("group", [[], ["config"]], ids=["lior", "lior config"])
def test_a_group_without_a_command_prints_its_help(capsys, group):
    assert main(group) == 0
    bare = capsys.readouterr()
    assert main([*group, "--help"]) == 0
    assert bare.out == capsys.readouterr().out
    assert bare.out.startswith("Usage: lior")
    assert bare.err == ""


def test_a_command_of_a_distribution_that_is_not_there_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(entry, "_foreign", lambda: ({}, None))
    assert main(["bench", "notes.txt"]) == 2
    said = "`lior bench` comes with lior-bench: lior install bench."
    assert capsys.readouterr().err == f"lior: error: {said} Try 'lior --help'.\n"


@pytest.mark.parametrize("size", [300, 5000, 100_000])
@pytest.mark.parametrize(
    "args", [("generate",), ("config", "show"), ("--debug",), ("train", "--config"), ("cache", "clear")]
)
def test_an_argument_of_any_length_is_one_line(args, size, capsys):
    assert main([*args, "kestrel " * (size // 8)]) in (1, 2)
    told = capsys.readouterr().err
    assert told.startswith("lior: error: ")
    assert told.count("\n") == 1
    assert len(told) < 5000


@pytest.mark.parametrize("question", ["kestrel " * 40, "k" * 100_000, "~nobody/\0"])
def test_a_question_is_no_path_however_long_it_is(question, monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "1")
    entry._hasten(["serve", "notes", question])
