"""Without the extra `model`: what answers questions works, what needs the model says what to install."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lior_cli.main import COMMANDS, PRODUCTS
from tests.cases import cases

BLOCKED = "import sys; sys.modules.update(dict.fromkeys(('torch', 'numba', 'llvmlite')))\n"
"""As if they were not installed."""
EACH = """
import contextlib, io, json
from lior_cli.main import main
said = {}
for args in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(args)
    said[args[0]] = code, out.getvalue(), err.getvalue()
print(json.dumps(said))
"""
FOLDER, RUN = "notes", "run"
MODEL = {
    "train": [f"{FOLDER}/plan.txt"],
    "eval": [RUN, f"{FOLDER}/plan.txt"],
    "score": [RUN, f"{FOLDER}/plan.txt"],
    "learn": [RUN, f"{FOLDER}/plan.txt"],
    "forget": [RUN, "plan"],
    "docs": [RUN],
    "why": [RUN, "--prompt", "The"],
    "generate": [RUN],
    "plot": [RUN],
    "inspect": [RUN],
}
LIGHT = {
    "ask": [FOLDER, "When is the launch?"],
    "sync": [FOLDER],
    "plugins": [],
    "config": ["show", "tiny"],
    "cache": [],
    "install": [],
    "completion": ["bash"],
}
ELSEWHERE = {"chat", "serve", "mcp"}
"""With a folder they need no model, with a run they do; tested where a folder is served."""


def blocked(code: str, *args: str, **kwargs: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *args], capture_output=True, text=True, check=True, **kwargs
    )
    return done.stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Command -> exit code, output and messages, where neither torch nor numba can be imported."""
    here = tmp_path_factory.mktemp("light")
    (here / FOLDER).mkdir()
    (here / RUN).mkdir()
    (here / FOLDER / "plan.txt").write_text("The launch is on the fourth of May.\n")
    return json.loads(blocked(EACH, json.dumps([[k, *v] for k, v in {**MODEL, **LIGHT}.items()]), cwd=here))


@cases("command", MODEL)
def test_a_command_of_the_model_says_what_to_install(said, command):
    line = f"lior: error: lior {command} needs the language model's packages: lior install model\n"
    assert said[command] == [1, "", line]


@cases("command", LIGHT)
def test_the_others_work(said, command):
    code, out, err = said[command]
    assert (code, err) == (0, "")
    assert out


def test_every_command_is_there(said):
    assert {*MODEL, *LIGHT, *ELSEWHERE} == {*COMMANDS} | {
        name for name, (of, _) in PRODUCTS.items() if of in ("lior-ask", "lior-serve")
    }
    assert "fourth of May" in said["ask"][1]


IN_PYTHON = """
import lior
import lior_ask
for name in ("train", "resume", "load", "Run", "Model"):
    try: getattr(lior, name)
    except lior.LiorError as error: print(error)
try: lior.registry.get("frame", "rotor")
except lior.LiorError as error: print(error)
print(lior_ask.Index.__name__)
"""


def test_in_python_too():
    *names, plugin, light = blocked(IN_PYTHON).splitlines()
    install = "needs the language model's packages: lior install model"
    assert names == [f"lior.{name} {install}" for name in ("train", "resume", "load", "Run", "Model")]
    assert plugin.startswith("frame 'rotor' of lior")
    assert plugin.endswith(install)
    assert light == "Index"
