"""Fixtures that all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

import hypothesis
import pytest
from platformdirs import user_cache_path

__all__ = [
    "_compiled",
    "_unchanged_environment",
    "command",
    "configure",
    "finished",
    "install",
    "lior",
    "pytest_xdist_make_scheduler",
    "sample",
    "short",
    "small_recipe",
]
"""Fixtures and hooks that the tests of other distributions share."""

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores, as do the processes that they start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LIOR_READ_AHEAD", "0")  # nothing goes on after a test
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits
_CACHE = "lior-tests-"
hypothesis.settings.register_profile(
    "lior", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("lior")  # no verdict depends on how busy the machine is


def _own_cache() -> None:
    """Give the tests and their child processes a cache without indexes; the rest is the user's cache.

    Indexes are found by the paths of their folders, and pytest reuses a path once the system has emptied its
    folder for temporary files.
    """
    users = user_cache_path()
    if users.name.startswith(_CACHE):  # set by the process that started this worker
        return
    own = Path(tempfile.mkdtemp(prefix=_CACHE))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    (users / "lior" / "compiled").mkdir(parents=True, exist_ok=True)
    (own / "lior").mkdir()
    (own / "lior" / "compiled").symlink_to(users / "lior" / "compiled")
    for path in users.iterdir():
        if path.name != "lior":
            (own / path.name).symlink_to(path)
    os.environ["XDG_CACHE_HOME"] = str(own)
    _own_bytecode(own / "bytecode")


def _own_bytecode(folder: Path) -> None:
    """Let Python keep its bytecode for the tests, where the user's Python keeps none.

    The tests start hundreds of processes; without bytecode each would compile all that it imports.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        sys.dont_write_bytecode = False
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder)


_own_cache()

if TYPE_CHECKING:
    from lior.config import Override, TrainConfig


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Without `--dist`, give all tests of a file to one worker, so that what they share is made once."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


Install = Callable[..., Path]
Lior = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = """\
[geometry]
updates = 4
batch = 32
keys = 256
[mixer]
positions = 256
cells = 4
[fit]
passes = 1
[memory]
name = "sdm,exact"
[memory.exact]
capacity = 256
[memory.sdm]
orders = [0, 1, 2, 3, 4]
base_order = 2
patterns = ["word", "word-1 word", "2-3"]
joint = ["1 | 1-2 | 1-3 | 1-4 | word | 2-3"]
gates = ["longest", "previous", "words", "position", "layout", "pair", "cell"]
[encoder]
n = 8
lags = 4
[data]
holdout = 0.02
after_validation = "keep"
"""
"""A recipe that uses every part and takes a second on 60 kB."""


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    """Compile the counting loops before the first test, so that no test reports the compilation or waits for
    it.
    """
    from lior.compiling import compiled

    for package in compiled.PACKAGES:
        if child := compiled.begin_compiling(package):
            child.wait()


@pytest.fixture(autouse=True)
def _unchanged_environment() -> Iterator[None]:
    """Fail a test that leaves the environment changed, for it would change the tests after it."""
    before = _environment()
    yield
    after = _environment()
    if before != after:
        os.environ.clear()
        os.environ.update(before)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        pytest.fail(
            f"the test changed the environment variables {', '.join(changed)}; use monkeypatch.setenv"
        )


def _environment() -> dict[str, str]:
    """Return the variables without those that pytest and torch set by themselves."""
    own = ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR")
    return {name: value for name, value in os.environ.items() if name not in own}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a third-party distribution: a ``dist-info`` directory on ``sys.path``, without pip.

    ``install("lior-x", "[lior.frames]\\nx = x_mod:X", x_mod="class X: ...")``
    returns the directory, for the ``PYTHONPATH`` of a child process.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, entry_points: str, *, version: str = "1.2", **modules: str) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(dedent(entry_points))
        for module, source in modules.items():
            (site / f"{module}.py").write_text(dedent(source))
            monkeypatch.delitem(sys.modules, module, raising=False)
        return site

    return make


@pytest.fixture
def lior(tmp_path: Path) -> Lior:
    """Run the command line in a child process, in an empty directory and without ``LIOR_*`` variables."""

    def run(*args: str, path: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("LIOR_")}
        env.setdefault("OMP_NUM_THREADS", "1")
        env["LIOR_READ_AHEAD"] = "0"  # nothing goes on after a test
        if path is not None:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), env.get("PYTHONPATH", "")]))
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "lior_cli.main", *args],
            env=env | variables,
            cwd=work,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


class Outcome(NamedTuple):
    """The outcome of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Outcome]:
    """Run the command line like ``lior``, but in this process: without a child it takes a tenth
    of the time.
    """
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    monkeypatch.chdir(work)
    for name in [name for name in os.environ if name.startswith("LIOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LIOR_READ_AHEAD", "0")  # nothing goes on after a test

    def run(*args: object) -> Outcome:
        from lior_cli.main import main

        capsysbinary.readouterr()
        code = main([str(arg) for arg in args])
        out, err = (stream.decode("utf-8", "surrogateescape") for stream in capsysbinary.readouterr())
        return Outcome(code, out, err)

    return run


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return :data:`SMALL` as a file."""
    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with 60 kB of real text."""
    from pydoc_data.topics import topics

    path = tmp_path_factory.mktemp("texts") / "sample.txt"
    path.write_bytes("\n".join(text for _, text in sorted(topics.items())).encode()[:60_000])
    return path


@pytest.fixture(scope="session")
def short(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first 8 kB of ``sample``, for tests of what a training run prints and keeps."""
    path = tmp_path_factory.mktemp("texts") / "short.txt"
    path.write_bytes(sample.read_bytes()[:8_000])
    return path


@pytest.fixture(scope="session")
def configure(small_recipe: Path, sample: Path) -> Callable[..., TrainConfig]:
    """Resolve :data:`SMALL` with overrides on top; ``text`` is ``sample`` if not given."""
    from lior.config import Override, load

    def make(*overrides: str | Override, text: Path | None = None) -> TrainConfig:
        source = Override("data.text", [str(text or sample)], "test")
        return load(small_recipe, env={}, overrides=[source, *overrides]).config

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, configure: Callable[..., TrainConfig]) -> Path:
    """Return the directory of a finished run on ``sample``. Tests may read it, and must copy it
    to change it.
    """
    from lior.training.preparation import train

    out = tmp_path_factory.mktemp("runs") / "finished"
    train(configure(), out)
    return out
