"""Shell completion: what a shell asks the command line, and the scripts that ask it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from lior.config import keys, recipes
from lior_cli.main import COMMANDS, cli


@pytest.fixture
def complete(command):
    """Ask as Bash does: what could the last of these words become? Kind and value of each answer."""

    def ask(*words: str) -> list[tuple[str, str]]:
        shell = BashComplete(cli, {}, "lior", "_LIOR_COMPLETE")
        return [(item.type, item.value) for item in shell.get_completions(list(words[:-1]), words[-1])]

    return ask


@pytest.fixture
def runs(tmp_path) -> Path:
    """A working directory with three runs, of which ``runs/b`` is the newest, and other folders."""
    work = tmp_path / "work"
    for age, name in enumerate(["runs/b", "runs/a", "old"]):
        config = work / name / "config.toml"
        config.parent.mkdir(parents=True)
        config.touch()
        os.utime(config, (1e9 - age, 1e9 - age))
    (work / "runs/c").mkdir()
    (work / "runs/deep/er/run").mkdir(parents=True)
    (work / "runs/d").mkdir()
    (work / "runs/d/config.toml").symlink_to("nowhere")
    return work


def test_commands_and_options(complete):
    assert [value for _, value in complete("")][: len(COMMANDS)] == list(COMMANDS)
    assert complete("tr") == [("plain", "train")]
    assert ("plain", "--temperature") in complete("generate", "--te")


def test_runs_are_completed_the_newest_first(complete, runs):
    assert complete("eval", "") == [("dir", ""), ("plain", "runs/b"), ("plain", "runs/a"), ("plain", "old")]
    assert complete("eval", "runs/a") == [("dir", "runs/a"), ("plain", "runs/a")]
    assert complete("eval", f"{runs}/o")[1:] == [("plain", f"{runs}/old")]
    assert complete("eval", "./r")[1:] == [("plain", "./runs/b"), ("plain", "./runs/a")]
    assert complete("eval", "[")[1:] == []


@pytest.mark.parametrize("words", [["generate"], ["score"], ["chat"], ["why"], ["train", "--resume"]])
def test_every_run_is_completed(complete, runs, words):
    assert ("plain", "runs/b") in complete(*words, "ru")


@pytest.mark.parametrize("words", [["train", ""], ["eval", "r", ""], ["score", "r", "a.txt", ""]])
def test_texts_are_files(complete, words):
    assert complete(*words) == [("file", "")]


def test_recipes(complete):
    shipped = [("plain", name) for name in recipes.list_shipped()]
    assert complete("train", "--config", "") == [("file", ""), *shipped]
    assert complete("config", "show", "t") == [("file", "t"), ("plain", "tiny")]
    assert complete("config", "copy", "") == shipped


def test_keys(complete):
    assert complete("train", "--set", "") == [("plain", f"{key.dotted}=") for key in keys()]
    assert complete("config", "show", "--set", "geometry.up") == [("plain", "geometry.updates=")]


def test_plugins(complete):
    assert complete("train", "--frame", "ro") == [("plain", "rotor")]
    assert complete("train", "--memory", "sdm,ex") == [("plain", "sdm,exact")]


def test_completion_imports_nothing_heavy(tmp_path):
    env = os.environ | {
        "_LIOR_COMPLETE": "zsh_complete",
        "COMP_WORDS": "lior train --set s",
        "COMP_CWORD": "3",
    }
    code = (
        "import sys\nfrom lior_cli.main import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("plain\nseed=\nseed of all randomness\n")


# --- the scripts ---


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(command, shell):
    assert f"_LIOR_COMPLETE={shell}_complete" in command("completion", shell).out


@pytest.fixture
def bash(lior, runs):
    """Have Bash load its script and complete words; its candidates, and the options that it set."""
    if shutil.which("bash") is None:
        pytest.skip("Bash is not installed")
    program = runs / "lior"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lior_cli.main "$@"\n')
    program.chmod(0o755)

    def ask(*words: str) -> list[str]:
        listed = " ".join(f"'{word}'" for word in ("./lior", *words))
        code = (
            f'{lior("completion", "bash").stdout}\ncompopt() {{ echo "set $2"; }}\n'
            f"COMP_WORDS=({listed}) COMP_CWORD={len(words)}\n_lior_completion ./lior\n"
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", code], cwd=runs, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return ask


def test_bash_keeps_runs_beside_directories_and_recipes_beside_files(bash):
    assert bash("eval", "runs/") == ["set dirnames", "runs/b", "runs/a"]
    assert bash("config", "show", "t") == ["set default", "tiny"]


def test_bash_puts_no_space_behind_the_sign_that_a_value_follows(bash):
    assert bash("train", "--set", "geometry.up") == ["set nospace", "geometry.updates="]
    assert bash("train", "--frame", "ro") == ["rotor"]
