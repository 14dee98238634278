"""Compiled code: where it is kept, how it gets there, and what happens when it cannot."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lior.compiling import cache, compiled
from lior_plugins.counting import stream

ROOT = Path(__file__).resolve().parents[2]
DAY = 86400


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    cache.root().mkdir(parents=True)
    return cache.root()


@pytest.fixture
def copy(root):
    """A cache with this version's functions, apart from that of the user."""
    return Path(shutil.copytree(compiled.folder(), root / compiled.folder().name))


def version(root: Path, name: str, *, days: float, size: int = 10) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "f.nbc").write_bytes(bytes(size))
    os.utime(folder, (time.time() - days * DAY,) * 2)
    return folder


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=900, check=True
    )


# Hashes addresses, for which one small function is needed, and tells what the user is told.
HASH = """
import logging, numpy as np
logging.basicConfig(level=logging.INFO, format="%(message)s")
from lior.compiling import compiled
from lior_plugins.counting import addresses
print(addresses.locate(np.array([1, 2]), np.array([0, 1]), 0, ("1",)).where.shape)
print(compiled.folder())
"""


def test_the_folder_is_in_the_users_cache_or_where_numba_is_told(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "user_cache_path", lambda name, appauthor: Path("/home/me/.cache") / name)
    assert cache.root() == Path("/home/me/.cache/lior/compiled")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert cache.root() == Path("/elsewhere/lior")


def test_nothing_is_kept_in_the_package():
    assert Path(stream.run.stats.cache_path) == compiled.folder()
    assert not compiled.folder().is_relative_to(Path(compiled.__file__).parents[1])


def test_versions_that_are_old_are_removed(root):
    current, other, old = (version(root, name, days=days) for name, days in [("c", 90), ("o", 29), ("x", 31)])
    cache.remove_stale(current)
    assert current.exists()
    assert other.exists()
    assert not old.exists()


def test_beyond_the_bound_the_version_used_longest_ago_goes_first(root, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 250)
    made = {name: version(root, name, days=days, size=100) for name, days in [("a", 3), ("b", 2), ("c", 1)]}
    cache.remove_stale(made["c"])
    assert [path.name for path in cache.versions()] == ["c", "b"]
    busy = version(root, "busy", days=0, size=1000)
    cache.remove_stale(made["c"])
    assert busy.exists(), "another process may be filling it"
    assert not made["b"].exists()


def test_every_function_that_python_calls_is_compiled_for_one_signature():
    kept = [path.name.split("-")[0] for path in compiled.folder().glob("*.nbc")]
    decorated = [
        f"{path.stem}.{after.split('(')[0]}"
        for path in (ROOT / "plugins/lior_plugins/counting").glob("*.py")
        for after in path.read_text().split("\n@entry\ndef ")[1:]
    ]
    assert sorted(kept) == sorted(decorated)


# What a user does with a run; prints the functions that were not found on the disk.
USES = """
import gc, sys
from pathlib import Path
import lior
from numba.core.dispatcher import Dispatcher
work = Path(sys.argv[2])
(work / "text").write_bytes(Path(sys.argv[1]).read_bytes()[:4000])
memory = {"name": "sdm,match", "sdm": {"budget": 50_000}}
few = {"geometry": {"updates": 1, "batch": 8, "keys": 32}, "mixer": {"positions": 64}}
lior.train(str(work / "text"), out=work / "run", memory=memory, **few)
run = lior.load(work / "run")
run.learn({"more": "The launch is on the fourth of May. " * 9})
run.complete("The launch", 5)
run.score("The launch")
run.sources("The launch", " is on the")
run.forget("more")
run.save()
found = [each for each in gc.get_objects() if isinstance(each, Dispatcher)]
kept = [each for each in found if type(each._cache).__module__ == "lior.compiling.compiled"]
assert len(kept) > 10
print(sorted(each.py_func.__name__ for each in kept if each.stats.cache_misses))
"""


@pytest.mark.slow
def test_what_a_user_does_needs_no_other_signature(sample, tmp_path):
    """A function that is compiled where it is called rounds differently from the one that is kept."""
    done = subprocess.run(
        [sys.executable, "-c", USES, str(sample), str(tmp_path)], capture_output=True, text=True, timeout=900
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.slow
def test_the_first_run_gives_the_same_model_as_the_next(root, sample, small_recipe, tmp_path):
    models = []
    for name in ("first", "next"):
        command = ["train", str(sample), "--config", str(small_recipe), "--out", name, "--quiet"]
        subprocess.run([sys.executable, "-m", "lior_cli.main", *command], cwd=tmp_path, check=True)
        (file,) = (tmp_path / name).rglob("model.safetensors")
        models.append(file.read_bytes())
    assert list(root.iterdir()), "the first run compiled"
    assert models[0] == models[1]


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(tmp_path, monkeypatch):
    """What is compiled goes to a temporary folder, which goes with the process."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    done = python(HASH)
    shape, folder = done.stdout.splitlines()
    assert shape == "(2, 1)"
    assert Path(folder).is_relative_to(tmp_path / "tmp")
    assert not list((tmp_path / "tmp").iterdir())
    kept = tmp_path / "file" / "lior" / compiled.folder().name
    assert done.stderr == f"compiling the counting loops: {kept} cannot keep them (Not a directory)\n"


def test_no_flipped_bit_of_any_file_is_loaded(copy):
    """What does not fit goes, with the mark that all is there."""
    draw = random.Random(0)
    files = sorted(copy.glob("*.nb?"))
    reader = compiled._Files(str(copy), "any", "stamp")
    assert all(reader._read(str(file)) for file in files)
    for file in [*files, *draw.choices(files, k=300 - len(files))]:
        good = file.read_bytes()
        bit = draw.randrange(8 * len(good))
        file.write_bytes(good[: bit // 8] + bytes([good[bit // 8] ^ 1 << bit % 8]) + good[bit // 8 + 1 :])
        (copy / "complete").touch()
        with pytest.raises(FileNotFoundError):
            reader._read(str(file))
        assert not file.exists()
        assert not (copy / "complete").exists()
        file.write_bytes(good)


SCORE = """
import sys, lior
print(repr(lior.load(sys.argv[1]).score("The launch is on the fourth of May.")))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("stream.run", "nbc"), ("addresses._hash", "nbi")])
def test_a_damaged_file_is_compiled_again(copy, finished, name, kind):
    """The scores are the same to the last bit: it is not compiled where it is used."""
    score = python(SCORE, str(finished)).stdout
    (file,) = copy.glob(f"{name}*.{kind}")
    good = file.read_bytes()
    for damaged in (good[:-500] + bytes([good[-500] ^ 4]) + good[-499:], b""):
        file.write_bytes(damaged)
        assert python(SCORE, str(finished)).stdout == score
        assert file.read_bytes()[:32] == hashlib.sha256(file.read_bytes()[32:]).digest()


@pytest.mark.slow
def test_a_damaged_file_is_told_of(copy):
    (file,) = copy.glob("addresses._hash*.nbc")
    file.write_bytes(file.read_bytes()[:-1])
    done = python(HASH)
    assert done.stdout == f"(2, 1)\n{copy}\n"
    assert done.stderr == f"compiling the counting loops: {file.name} was damaged\n"
    assert python(HASH).stderr == ""


def test_a_folder_that_another_user_can_write_is_not_used(root):
    kept = root / "version"
    kept.mkdir(mode=0o700)
    cache.refuse_if_shared(kept)
    for folder, mode in ((kept, 0o777), (root, 0o757), (root.parent, 0o777)):
        folder.chmod(mode)
        with pytest.raises(PermissionError, match=f"another user can write {folder}$"):
            cache.refuse_if_shared(kept)
        folder.chmod(0o1777)
        cache.refuse_if_shared(kept)
        folder.chmod(0o700)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user_is_not_used(root):
    os.chown(root, 12345, 0)
    with pytest.raises(PermissionError, match="another user can write"):
        cache.refuse_if_shared(root)


@pytest.mark.slow
def test_a_process_waits_for_the_one_that_compiles_and_says_so(copy):
    (copy / "complete").unlink()
    (file,) = copy.glob("addresses._hash*.nbi")
    file.unlink()
    done = python(HASH + "compiled.begin_compiling().wait()")
    assert done.stdout == f"(2, 1)\n{copy}\n"
    assert done.stderr == "compiling counting loops for their first use: about half a minute\n"
    assert (copy / "complete").exists()
    assert python(HASH).stderr == ""


@pytest.mark.slow
def test_of_two_processes_that_compile_one_waits(copy):
    (copy / "complete").unlink()
    fill = [sys.executable, "-c", "from lior_plugins.counting import warmup; warmup.compile_all()"]
    both = [subprocess.Popen(fill) for _ in range(2)]
    assert [each.wait(300) for each in both] == [0, 0]
    assert (copy / "complete").exists()


@pytest.mark.slow
def test_whoever_compiles_ends_with_the_process_that_waits(root):
    code = """
import subprocess, time
from lior.compiling import compiled
group = compiled.begin_compiling().pid
for _ in range(600):  # until there are several
    found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True).stdout.split()
    if len(found) > 1:
        break
    time.sleep(0.05)
print(group, len(found))
"""
    group, number = map(int, python(code).stdout.split())
    assert number > 1 or sys.platform != "linux"
    for _ in range(200):  # the signal reaches each in its time
        left = subprocess.run(["pgrep", "-g", str(group), "-r", "D,R,S"], capture_output=True).stdout
        if not left:  # one that is not yet reaped, Z, has ended
            break
        time.sleep(0.05)
    assert not left


@pytest.mark.slow
def test_without_another_process_it_is_compiled_here(copy):
    (copy / "complete").unlink()
    for file in copy.glob("addresses._hash*"):
        file.unlink()
    done = python("import sys; sys.executable = '/does/not/exist'\n" + HASH)
    assert done.stdout == f"(2, 1)\n{copy}\n"
    assert list(copy.glob("addresses._hash*.nbc"))


def test_the_command_shows_and_empties_the_folder(root, command, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    version(root, "a", days=1, size=1 << 20)
    assert command("cache").out.splitlines()[-1] == f"{root}: compiled code of 1 version, 1.0 MiB"
    assert command("cache", "clear").out == f"removed {root}\n"
    assert command("cache").out.splitlines()[-1] == f"{root}: compiled code of 0 versions, 0.0 MiB"
    assert not root.exists()
    assert command("cache", "clear").code == 0


def test_the_time_that_several_threads_wait_counts_once(monkeypatch):
    times = iter([10.0, 17.0, 20.0, 21.5])
    monkeypatch.setattr(compiled.time, "perf_counter", lambda: next(times))
    waiting = compiled._Waiting()
    with waiting, waiting:
        pass
    assert waiting.seconds == 7.0
    with waiting:
        pass
    assert waiting.seconds == 8.5
