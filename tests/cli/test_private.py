"""What is written about a user's documents is for that user alone, with the umask that most systems have."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from lior.compiling.cache import BELOW, root

NOTE = "The launch of the great balloon is on the fourth of May.\n"


def wide(folder):
    """What others may read, write or enter."""
    return [str(path) for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]


def lior(*args, home, **given):
    env = {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "HOME": str(home), "LIOR_EMBEDDER": ""}
    done = subprocess.run(
        [sys.executable, "-m", "lior_cli.main", *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
        umask=0o022,
        cwd=home,
        check=False,
        **given,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_cache_and_runs_are_of_their_user_alone(tmp_path, monkeypatch):
    compiled = tmp_path / "numba" / BELOW
    compiled.parent.mkdir()
    compiled.symlink_to(root())  # compiling takes half a minute
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(compiled.parent))
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "plan.md").write_text(NOTE * 20)
    cache = tmp_path / "cache" / "lior"
    lior("ask", notes, "When is the launch?", home=tmp_path)
    assert wide(cache) == []
    for path in (cache, *cache.rglob("*")):  # as an earlier version left them
        path.chmod(0o755 if path.is_dir() else 0o644)
    [index] = (cache / "ask").glob("*.index")
    log = index.with_name(f"{index.name}-wal")
    log.touch(0o644)
    lior("ask", notes, "When is the balloon?", home=tmp_path)
    assert wide(cache) == []

    run = tmp_path / "runs" / "notes"
    lior("train", notes, "--out", run, "--config", "tiny", home=tmp_path)
    (tmp_path / "more.md").write_text("The key hangs behind the clock.\n")
    lior("learn", run, "more.md", home=tmp_path)
    lior("ask", run, "Where is the key?", home=tmp_path)
    assert wide(run) == []
    assert len(list(run.rglob("*"))) > 6

    for path in (run, *run.rglob("*")):  # a user gives the run to a group
        path.chmod(0o750 if path.is_dir() else 0o640)
    lior("forget", run, "more.md", home=tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.rglob("*")} == {0o750, 0o640}
