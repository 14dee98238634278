"""Faults at will: the n-th operation on files fails, or the process is killed there; runs that are the same.

Python tells its auditors of every file that is opened, renamed, linked, removed or cut,
and what an auditor raises stops the operation; ``fsync`` and the writing of tensors,
which it does not tell of, are wrapped.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import torch as tensors_io

import lior
from lior.errors import LiorError
from lior.runs import bundle, checkpoint
from lior.runs import directory as rundir
from lior.runs import folder as runfolder

SLICES = [pytest.param(7, id="every seventh"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)]
"""Steps between the operations that fail."""
FINISHED, REFUSED, DEFECT = 0, 10, 20

_WATCHED = dict.fromkeys(("os.rename", "os.link", "os.chmod", "os.mkdir"), 2)
_WATCHED |= {"os.remove": 1, "os.rmdir": 1, "os.truncate": 0}
"""Event -> which of its arguments is the open folder that the path is in; 0 for none."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT


class Faults:
    """Counts the operations below a folder and acts at the ``at``-th."""

    def __init__(self, folder: Path, at: int, act: Callable[[str], None]):
        self.folder, self.at, self.act = str(folder), at, act
        self.count = 0

    def operation(self, what: str, path: object, folder: int = -1) -> None:
        """One operation is about to happen; ``folder`` is open, and ``path`` is in it, unless it is -1."""
        if isinstance(path, str | bytes | os.PathLike):
            within = f"{_opened(folder)}/" if folder >= 0 else ""
            below = f"{within}{os.fsdecode(path)}".startswith(self.folder)
            self.count += below
            if below and self.count == self.at:
                self.act(what)

    def install(self) -> None:
        """From now on; there is no way back, so only in a child."""

        def hear(event: str, arguments: tuple[object, ...]) -> None:
            if event in _WATCHED:
                folder = arguments[_WATCHED[event]] if _WATCHED[event] else -1
                self.operation(event, arguments[0], folder)
            elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
                self.operation(event, arguments[0])

        save, fsync = tensors_io.save_file, os.fsync

        def save_file(tensors: dict, path: Path, *rest: object) -> None:
            Path(path).write_bytes(b"half")
            self.operation("save_file", path)
            save(tensors, path, *rest)

        def sync(descriptor: int) -> None:
            self.operation("fsync", _opened(descriptor))
            fsync(descriptor)

        bundle.save_file, os.fsync = save_file, sync
        sys.addaudithook(hear)


def _opened(descriptor: int) -> Path:
    """The path of what is open."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def in_child(work: Callable[[], None]) -> int:
    """Do ``work`` in a forked child; the code with which it ended, negative for a signal."""
    return ended(start(work))


def start(work: Callable[[], None]) -> int:
    """Begin ``work`` in a forked child; its number."""
    pid = os.fork()
    if not pid:
        code = DEFECT
        try:
            work()
            code = FINISHED
        except (LiorError, OSError) as error:
            code = REFUSED if "\n" not in str(error) else DEFECT
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int:
    """The code with which a child ended, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start_command(
    args: Sequence[Any],
    cwd: Path,
    stdout: Any = subprocess.PIPE,
    limit: tuple[int, int] | None = None,
) -> subprocess.Popen[str]:
    """Begin a command of lior that signals reach as from a terminal; jobs of a shell may ignore them.

    ``limit`` is a resource and how much of it the command may use.
    """

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if limit:
            resource.setrlimit(limit[0], (limit[1], limit[1]))

    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lior_cli.main", *args]
    pipes = {"stdout": stdout, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, env=env, preexec_fn=prepare, **pipes)


def run_command(args: Sequence[Any], cwd: Path, **options: Any) -> tuple[int, str, str]:
    """Run a command of lior to its end, as :func:`start_command` begins it; its code, output and errors."""
    with start_command(args, cwd, **options) as child:
        out, err = child.communicate(timeout=900)
    return child.returncode, out, err


def grow_no_more(size: int) -> None:
    """Let no file of this process grow beyond a size: as on a full disk, a part of a file can be written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fail(number: int) -> Callable[[str], None]:
    """Raise one of the errors that file systems have, each in its turn."""

    def act(what: str) -> None:
        code = (errno.ENOSPC, errno.EACCES, errno.EIO)[number % 3]
        raise OSError(code, os.strerror(code), what)

    return act


def kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def operations(work: Callable[[], object], folder: Path) -> int:
    """How many operations ``work`` does when nothing fails."""
    told = folder.with_name("operations")

    def counted() -> None:
        faults = Faults(folder, 0, kill)
        faults.install()
        work()
        told.write_text(str(faults.count))

    assert in_child(counted) == FINISHED
    print(f"{told.read_text()} operations")
    return int(told.read_text())


def through_faults(
    work: Callable[[Path], object], fresh: Callable[[str], Path], how: str, every: int = 1
) -> Iterator[tuple[Path, int]]:
    """Do ``work`` on fresh runs: an operation fails, or the process is killed there; some, or ``every`` one.

    Gives each run with the code with which its child ended, and removes it afterwards. To the first nothing
    happens; the last operation is always among those that fail.
    """
    whole = fresh("whole")
    total = operations(lambda: work(whole), whole)
    assert total > 15, "operations are heard"
    yield whole, FINISHED
    for at in range(1 + (total - 1) % every, total + 1, every):
        run = fresh(str(at))

        def broken(run: Path = run, at: int = at) -> None:
            Faults(run, at, fail(at) if how == "error" else kill).install()
            work(run)

        code = in_child(broken)
        assert code in ((FINISHED, REFUSED) if how == "error" else (-signal.SIGKILL,)), f"operation {at}"
        yield run, code
        shutil.rmtree(run, ignore_errors=True)


# --- runs ---


def edit(run: Path, method: str, given: Any) -> None:
    """Open a run, call one of its methods, and save it, with time for other processes in between."""
    opened = lior.load(run)
    getattr(opened, method)(given)
    os.sched_yield()
    opened.save()


def newest(run: Path) -> Path:
    """The newest checkpoint."""
    return runfolder.list_checkpoints(run)[0]


def forge(run: Path, edit: Callable[[dict], object] = lambda manifest: None) -> None:
    """Change the manifest of the newest checkpoint and make all checksums right, as an attacker can."""
    path = newest(run) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    for name in list(manifest["files"]):
        manifest["files"][name] = bundle.fingerprint(path.with_name(name))
    edit(manifest)
    path.unlink()  # which may be a link to that of another run
    path.write_text(json.dumps(manifest | {"sha256": bundle.digest(manifest)}))


def contents(run: Path) -> dict[str, Any]:
    """Model, text, components and names of a finished run; tensors as types, shapes and bytes."""
    loaded = rundir.open_run(run)
    kept = ("components", "documents", "bytes", "n_train", "score", "geometry")
    about = {key: loaded.manifest[key] for key in kept}
    about |= {"names": loaded.corpus.names, "added": len(loaded.added)}
    tensors = {"tokens": loaded.corpus.tokens, **checkpoint.tensors(loaded.model)}
    raw = {key: each.reshape(-1).contiguous().view(torch.uint8).numpy() for key, each in tensors.items()}
    return about | {key: (each.dtype, each.shape, raw[key].tobytes()) for key, each in tensors.items()}


def assert_same_run(one: Path, other: Path) -> None:
    """Contents and telemetry without its times, bit for bit."""
    assert contents(one) == contents(other)
    told = [map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) for run in (one, other)]
    first, second = ([record | {"time": 0} for record in records] for records in told)
    assert first == second
