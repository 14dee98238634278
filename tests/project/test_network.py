"""The word of docs/security.md: lior connects to nothing, and writes into its own folders only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from lior_cli.main import COMMANDS, PRODUCTS
from tests.project.commands import ARGUMENTS, FURTHER, SERVERS, TABLES, write_inputs

LIOR = str(Path(sys.executable).with_name("lior"))
RUNNER = Path(__file__).with_name("alone.py")

OWN = {".cache/lior", ".local/state/lior", ".config/lior"}
"""Folders of lior below the home."""
MINUTE = 60


def namespaces() -> list[str]:
    """The command that gives another a network of its own; nothing where this machine has no such command."""
    inside = ["unshare", "-rn"]
    able = shutil.which("unshare") and not subprocess.run([*inside, "true"], capture_output=True).returncode
    return inside if able else []


def write_picture(path: Path) -> None:
    """A scanned note, whose text a model of onnxruntime reads."""
    drawing = pytest.importorskip("PIL.ImageDraw")
    from PIL import Image, ImageFont

    image = Image.new("RGB", (640, 90), "white")
    drawing.Draw(image).text((20, 20), "The shed is painted in June.", "black", ImageFont.load_default(36))
    image.save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home without anything but the compiled loops, and a folder of notes."""
    here = tmp_path_factory.mktemp("alone")
    for name in ("tmp", "home/.cache/lior"):
        (here / name).mkdir(parents=True)
    (here / "home/.cache/lior/compiled").symlink_to(user_cache_path("lior") / "compiled")
    write_inputs(here)
    write_picture(here / "notes/shed.png")
    return here


def run(place: Path, name: str, *args: str, seconds: int = 0) -> None:
    """Run a command, and demand that nothing was sent or written elsewhere."""
    plain = {
        key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ORT_", "MPL", "HF_"))
    }
    told = place / "told"
    hooked = os.pathsep.join([str(RUNNER.with_name("hooked")), os.environ.get("PYTHONPATH", "")])
    plain |= {
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONPATH": hooked,
        "TOLD": str(told),
    }
    command = [*namespaces(), sys.executable, str(RUNNER), str(seconds), LIOR, name, *args]
    done = subprocess.run(command, cwd=place, env=plain, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["code"] == 0, found["said"]
    assert not any(found["sent"].values()) or not namespaces(), found
    assert not told.exists(), told.read_text()
    assert not written_elsewhere(place), name


def written_elsewhere(place: Path) -> list[str]:
    """Files in the home that are in no folder of lior's, and files left among the temporary ones."""
    home = (path.relative_to(place / "home") for path in (place / "home").rglob("*") if not path.is_dir())
    left = (str(path) for path in (place / "tmp").rglob("*"))
    return [*(str(path) for path in home if not any(path.is_relative_to(own) for own in OWN)), *left]


def test_a_question_stays_on_the_machine(place):
    run(place, "ask", *ARGUMENTS["ask"])


def test_every_command_is_there():
    asked = {name for name, (of, _) in PRODUCTS.items() if of in ("lior-ask", "lior-serve")}
    assert {*ARGUMENTS, *SERVERS} == {*COMMANDS} | asked


@pytest.mark.slow
def test_every_command_stays_on_the_machine(place):
    for name, args in ARGUMENTS.items():
        run(place, name, *args)
    if find_spec("lior_archive"):
        run(place, "archive", *FURTHER["archive"])
    if find_spec("lior_tables"):
        run(place, "table", *TABLES)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("lior_serve"), reason="lior-serve is not installed")
def test_servers_stay_on_the_machine(place):
    with ThreadPoolExecutor() as pool:
        minutes = [pool.submit(run, place, name, *args, seconds=MINUTE) for name, args in SERVERS.items()]
        for minute in minutes:
            minute.result()


@pytest.mark.parametrize("given", [None, "0"])
def test_what_the_user_has_set_stands(given):
    plain = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    code = "import lior, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=plain | ({"ORT_DISABLE_TELEMETRY": given} if given else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (given or "1")
