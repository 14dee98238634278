"""The commands: one as a user starts it, the others in this process, where nothing is imported again."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

import lior
from lior_cli.main import main

TEXT = "".join(f"Note {i}: the meeting is in room {i % 7}, and the key is with Ada.\n" for i in range(80))


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


def run(*arguments: object, code: int = 0) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["field", *map(str, arguments)]) == code, err.getvalue()
    return Done(out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    (place / "odd.txt").write_text(TEXT[:600] + "Zqx! 7 % of the whales sing backwards.\n" + TEXT[600:1500])
    geometry = {"updates": 4, "batch": 32, "keys": 256}
    lior.train(documents={"notes": TEXT}, out=place / "run", memory=["sdm", "exact"], geometry=geometry)
    return place


def test_action_lists_lines_says_whether_they_agree_and_draws(trained: Path) -> None:
    done = run("action", trained / "run", trained / "odd.txt", "--top", 3)
    assert "rank correlation" in done.stdout
    assert "plain step" in done.stdout
    assert (trained / "run" / "plots" / "action.png").stat().st_size > 10_000
    found = json.loads(run("action", trained / "run", trained / "odd.txt", "--json").stdout)
    assert len(found["lines"]) == (trained / "odd.txt").read_text().count("\n") + 1
    surprise = [line["bits_per_byte"] for line in found["lines"]]
    assert "whales" in (trained / "odd.txt").read_text().splitlines()[surprise.index(max(surprise))]
    assert all(line["action"] > 0 for line in found["lines"])
    for value in found["agreement"].values():
        assert -1 <= value["low"] <= value["value"] <= value["high"] <= 1


def test_a_text_of_few_lines_is_refused_in_one_line(trained: Path, tmp_path: Path) -> None:
    for text, said in (("One line.\n\n", "1 line with text"), ("Two.\nLines.\n", "2 lines with text")):
        (tmp_path / "new.txt").write_text(text)
        told = run("action", trained / "run", tmp_path / "new.txt", code=2).stderr
        assert told == f"lior: error: {said}: comparing two measures needs at least 8\n"


def test_spectrum_measures_and_says_what_fewer_ranks_cost(trained: Path) -> None:
    tables = json.loads(run("spectrum", trained / "run", "--json").stdout)["tables"]
    assert all(1 <= t["effective_rank"] <= min(t["shape"]) for t in tables)
    for rank in (1, 64):
        found = json.loads(
            run("spectrum", trained / "run", "--rank", rank, "--on", trained / "odd.txt", "--json").stdout
        )
        change = found["bits_per_byte"]["after"] - found["bits_per_byte"]["before"]
        assert change != 0 if rank == 1 else abs(change) < 1e-6
        assert found["numbers_kept"] <= 1


def test_options_without_effect_are_refused(trained: Path) -> None:
    told = run("action", trained / "run", trained / "odd.txt", "--json", "--out", trained, code=2).stderr
    assert "--out is a folder for files, and --json prints numbers" in told


def test_what_belongs_together_is_asked_for_together(trained: Path) -> None:
    assert "--rank and --on belong together" in run("spectrum", trained / "run", "--rank", 2, code=2).stderr


def test_a_run_without_geometry_has_no_path(tmp_path: Path) -> None:
    lior.train(documents={"notes": TEXT}, out=tmp_path / "run", recipe="fast")
    (tmp_path / "new.txt").write_text(TEXT[:500])
    for command in (["action", tmp_path / "run", tmp_path / "new.txt"], ["spectrum", tmp_path / "run"]):
        assert "has no geometry" in run(*command, code=1).stderr


def test_all_laws_hold_and_are_drawn(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lior_cli.main", "field", "laws", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "geodesics" in done.stdout
    for group in ("dynamics", "geometry"):
        assert (tmp_path / f"laws-{group}.png").stat().st_size > 50_000
