"""Injected faults: the n-th operation on files fails, or the process is killed there.

Python's audit events report every file that is opened, renamed, linked, removed or cut, and an exception of
an audit hook stops the operation. ``fsync`` and the writing of tensors, which have no events, are wrapped.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors import torch as tensors_io

from lior.errors import LiorError, RunError
from lior.runs import bundle
from lior.runs import folder as runfolder

SLICES = [pytest.param(7, id="every seventh"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)]
"""The step between the operations that fail."""
ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)
FINISHED, REFUSED, DEFECT = 0, 10, 20

_WATCHED = {
    "os.rename": 2,
    "os.link": 2,
    "os.chmod": 2,
    "os.mkdir": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.truncate": 0,
}
"""The argument of each event that is the open folder with the path, by position; 0 for none."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT


class Faults:
    """A counter of the operations below a folder that acts at the ``at``-th."""

    def __init__(self, folder: Path, at: int, act: Callable[[str], None]):
        self.folder, self.at, self.act = str(folder), at, act
        self.count = 0

    def operation(self, what: str, path: object, folder: int = -1) -> None:
        """Count an operation before it happens; ``path`` is in the open ``folder``, unless that is -1."""
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.fsdecode(path)
        if folder >= 0:
            place = f"{_opened(folder)}/{place}"
        if place.startswith(self.folder):
            self.count += 1
            if self.count == self.at:
                self.act(what)

    def install(self) -> None:
        """Watch operations from now on; this cannot be undone, so call it only in a child."""

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
    """Return the path of an open file descriptor."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def in_child(work: Callable[[], None]) -> int:
    """Do ``work`` in a forked child; return its exit code, negative for a signal."""
    return ended(start(work))


def start(work: Callable[[], None]) -> int:
    """Begin ``work`` in a forked child; return its process id."""
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
    """Return the code with which a child ended, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


LIOR = (sys.executable, "-m", "lior_cli.main")


def start_command(args: list[str], cwd: Path, stdout: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    """Begin a command of lior that handles signals as on a terminal; background jobs of a shell may ignore
    them.
    """

    def usual() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    env = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": stdout, "stderr": subprocess.PIPE}
    return subprocess.Popen([*LIOR, *args], cwd=cwd, text=True, env=env, preexec_fn=usual, **pipes)


def grow_no_more(size: int) -> None:
    """Let no file of this process grow beyond ``size`` bytes; as on a full disk, a part of a file can be
    written.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[], None]]:
    """Provide a disk with little space, and a function that enlarges it; skip the test if mounting is not
    allowed.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can mount a small disk")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fail(number: int) -> Callable[[str], None]:
    """Return an action that raises one of the errors of file systems, chosen in turn."""

    def act(what: str) -> None:
        code = ERRORS[number % len(ERRORS)]
        raise OSError(code, os.strerror(code), what)

    return act


def kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def operations(work: Callable[[], object], folder: Path) -> int:
    """Return the number of operations of ``work`` without a failure."""
    ours, theirs = os.pipe()

    def counted() -> None:
        faults = Faults(folder, 0, kill)
        faults.install()
        work()
        os.write(theirs, str(faults.count).encode())

    assert in_child(counted) == FINISHED
    os.close(theirs)
    with os.fdopen(ours) as stream:
        total = int(stream.read())
    print(f"{total} operations")
    return total


def through_faults(
    work: Callable[[Path], object], fresh: Callable[[str], Path], how: str, every: int = 1
) -> Iterator[tuple[Path, int]]:
    """Do ``work`` on fresh runs in which every ``every``-th operation fails, or the process is killed there.

    Each run is yielded with the exit code of its child and removed afterwards. The first run has no failure;
    the last operation is always among those that fail.
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


def forge(run: Path, edit: Callable[[dict], object] = lambda manifest: None) -> None:
    """Change the manifest of the newest checkpoint and correct all checksums, as an attacker can."""
    place = runfolder.list_checkpoints(run)[0]
    path = place / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    for name in list(manifest["files"]):
        manifest["files"][name] = bundle.fingerprint(place / name)
    edit(manifest)
    path.write_text(json.dumps(manifest | {"sha256": bundle.digest(manifest)}))


def attempt(work: Callable[[], object]) -> str:
    """Return the reason why ``work`` was refused, or an empty text."""
    try:
        work()
    except RunError as error:
        return str(error)
    return ""
