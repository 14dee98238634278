"""What a release consists of: install commands, workflows, container and unit file name what is there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from lior.packages import PARTS
from tests.cases import cases

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("plugins/**/*.md"),
    ROOT / "examples/README.md",
]
PAGES.remove(ROOT / "CHANGELOG.md")
CODE = [
    path
    for top in ("lior", "cli", "plugins")
    for path in ROOT.glob(f"{top}/**/*.py")
    if "tests" not in path.parts
]
DOCKERFILE, UNIT = ROOT / "deploy" / "Dockerfile", ROOT / "deploy" / "lior.service"
WORKFLOWS = [*ROOT.glob(".github/workflows/*.yml")]
FILES = (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml"))
PROJECTS = {path.parent: tomllib.loads(path.read_text())["project"] for path in FILES}
EXTRAS = {each["name"]: {*each.get("optional-dependencies", ())} for each in PROJECTS.values()}
INSTALL = re.compile(r"pip install ([^`#|&;()\n]+)")


def faults(text: str, *, bare: bool) -> Iterator[str]:
    """What of the ``pip install`` commands in ``text`` would fail in a checkout in which `lior` is installed.

    A folder must be that of a distribution, an extra one that it has. A name needs an extra unless ``bare``:
    what is not installed is not on an index, and must be given as a folder.
    """
    for command in INSTALL.findall(text):
        for word in re.findall(r"(?<!\S)['\"]?([\w./-]+(?:\[[\w,-]+\])?)", command):
            target, _, extras = word.rstrip("].").partition("[")
            name = PROJECTS.get((ROOT / target).resolve(), {}).get("name", target)
            if "plugins/" in target and name == target:
                yield f"{command}: no distribution is at {target}"
            elif name in EXTRAS and (missing := {*extras.split(",")} - EXTRAS[name] - {""}):
                yield f"{command}: {name} has no extra {', '.join(missing)}"
            elif target in EXTRAS and not (extras or bare):
                yield f"{command}: {target} is not on an index; write ./plugins/{target}"


def test_what_a_page_tells_to_install_can_be_installed_from_the_checkout():
    assert not [f"{page}: {fault}" for page in PAGES for fault in faults(page.read_text(), bare=False)]


def test_what_a_message_tells_to_install_exists():
    """One table holds the parts; messages name them by `install_hint`."""
    commands = [f"pip install {each.requirement}" for each in PARTS.values()]
    assert not [fault for command in commands for fault in faults(command, bare=True)]
    hints = [name for path in CODE for name in re.findall(r"install_hint\(['\"]([\w-]+)", path.read_text())]
    assert len(hints) > 15
    assert {*hints} - {*PARTS} == {"torchvision"}
    of_folders = {ROOT / "cli/lior_cli/plugins.py", ROOT / "lior/plugins/trust.py"}
    assert {path for path in CODE if "pip install" in path.read_text()} == of_folders


def test_a_page_names_parts_that_lior_installs():
    named = {name for page in PAGES for name in re.findall(r"lior install ([\w-]+)", page.read_text())}
    assert named - {*PARTS, "NAME", "fastembed"} == set()


@cases(
    "command",
    [
        "./plugins/lior-asks",
        "'.[serve]'",
        "lior-serve",
        "-q . './plugins/lior-ask[meanings]'",
        "'lior[all,model]'",
    ],
)
def test_a_command_that_would_fail_is_found(command):
    assert [*faults(f"`pip install {command}`", bare=False)]


def test_the_workflows_hold_no_secret_and_name_what_is_there():
    yaml = pytest.importorskip("yaml")
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    assert "secrets." not in text
    for job in (job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()):
        assert all(re.search(r"@(v\d+|release/v\d+)$", step.get("uses", "@v1")) for step in job["steps"])
    assert not [*faults(text, bare=False)]
    named = re.findall(r"(?:bash |-f |\$PWD/)([\w./-]+)", text)
    assert not [path for path in named if not (ROOT / path).exists()]
    versions = re.findall(r'"(3\.\d+)"', re.search(r"matrix: (.*)", text)[1])
    assert all(each["requires-python"] == f">={versions[0]}" for each in PROJECTS.values())


def entry_point(text: str) -> list[str]:
    """The command of the container."""
    return [
        word
        for kind in ("ENTRYPOINT", "CMD")
        for word in json.loads(re.search(rf"^{kind} (.*)", text, re.M)[1])
    ]


def test_the_container_and_the_unit_run_a_command_that_exists():
    serving = pytest.importorskip("lior_serve.cli.serve")
    options = {option for each in serving.serve.params for option in each.opts}
    unit = shlex.split(re.search("ExecStart=(.*)", UNIT.read_text())[1])
    for words in (entry_point(DOCKERFILE.read_text()), unit):
        assert [Path(words[0]).name, words[1]] == ["lior", "serve"]
        assert {word for word in words if word.startswith("--")} <= options


def test_the_container_installs_what_is_there_for_an_ordinary_user():
    text = DOCKERFILE.read_text()
    everywhere = "\n".join(path.read_text() for path in (*PAGES, *WORKFLOWS, DOCKERFILE))
    chosen = re.findall(r"EXTRAS=([\w,]+)", everywhere)
    assert len(chosen) > 2
    assert not [
        fault
        for each in chosen
        for fault in faults(text.replace("\\\n", "").replace("$EXTRAS", each), bare=False)
    ]
    assert re.findall("^USER (.*)", text, re.M) == ["lior"]


@pytest.mark.slow
def test_the_container_is_built_from_what_is_copied_into_it(tmp_path):
    """Without what deploy/Dockerfile.dockerignore leaves out, the distributions build."""
    ignored = {
        line for line in Path(f"{DOCKERFILE}.dockerignore").read_text().splitlines() if line[0] not in "#*"
    }
    for place in ROOT.iterdir():
        if not any(fnmatch(place.name, pattern) for pattern in ignored):
            copy = shutil.copytree if place.is_dir() else shutil.copy
            copy(place, tmp_path / place.name)
    places = re.findall(r"(?<=\")(\.[\w/-]*)(?=\[)| (\./\S+)$", DOCKERFILE.read_text(), re.M)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist"]
    subprocess.run([*command, *(each or other for each, other in places)], cwd=tmp_path, check=True)
    assert len([*(tmp_path / "dist").glob("lior*.whl")]) == len(places) == 3


def test_the_unit_file_passes_the_check_of_systemd(tmp_path):
    if not (program := shutil.which("systemd-analyze")):
        pytest.skip("needs systemd-analyze")
    place = tmp_path / ".local" / "bin" / "lior"
    place.parent.mkdir(parents=True)
    place.write_text("#!/bin/sh\n")
    place.chmod(0o755)
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("%h", str(tmp_path)))
    done = subprocess.run([program, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
