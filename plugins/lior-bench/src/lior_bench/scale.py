"""Archives of one text by one process and by workers of a Dask scheduler, in turn.

    python -m lior_bench.scale TEXT... [--megabytes 100] [--workers 1 2] [--rounds 2] [--kills 20]

Prints seconds of the first archive that workers make, which load what they need, and of the best of the
next ones, with the ratio to one process; the largest resident memory of a process, and whether all archives
have the same bits. With ``--kills`` so many more are made by two processes, one of which is killed at a
moment drawn at random.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lior.counting import archive
from lior.reading.finding import find_files
from lior.training import archiving

_ALONE = "one process"


class _Here(Executor):
    """Does each task at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do a task."""
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **named))
        return done


@contextmanager
def scheduler(folder: Path, count: int) -> Iterator[str]:
    """The address of a Dask scheduler on this machine with so many workers of one thread."""
    from distributed import Client

    file = folder / "scheduler.json"
    begin = [sys.executable, "-m"]
    ends = [["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    ends += [["distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", "--no-dashboard"]] * count
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(
            [*begin, *end, "--scheduler-file", str(file)], cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for end in ends
    ]  # fmt: skip
    try:
        with Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
            client.run(__import__, "lior.counting.suffixes")
            address = client.scheduler.address
        yield address
    finally:
        for child in children:
            child.kill()
            child.wait()
        file.unlink(missing_ok=True)


def gathered(paths: list[str], folder: Path, megabytes: float) -> Path:
    """Copies of the first files of ``paths``, of about so many megabytes."""
    texts, size = folder / "texts", 0
    texts.mkdir()
    for number, source in enumerate(find_files(paths)[0]):
        if size >= megabytes * 1e6:
            break
        data = source.path.read_bytes()
        (texts / f"{number:06}{source.path.suffix}").write_bytes(data)
        size += len(data)
    return texts


def digest(out: Path) -> str:
    """SHA-256 of all arrays of an archive."""
    found = hashlib.sha256()
    for entry in archive.entries(out):
        for name in archive.Shard._fields:
            found.update((out / entry.name / f"{name}.npy").read_bytes())
    return found.hexdigest()


def killed(texts: Path, out: Path, shard: int, count: int) -> Iterator[tuple[bool, str]]:
    """Whether a worker was killed, and the digest, of archives that two workers make."""
    draw = random.Random(0)
    began = time.perf_counter()
    archiving.build([str(texts)], out, shard=shard, workers=2)
    usual = time.perf_counter() - began
    for _ in range(count):
        shutil.rmtree(out)
        hit = list[int]()

        def kill(hit: list[int] = hit) -> None:
            workers = multiprocessing.active_children()
            if workers:
                hit.append(draw.choice(workers).pid or 0)
                os.kill(hit[0], signal.SIGKILL)

        timer = threading.Timer(draw.uniform(0.2, 1.0) * usual, kill)
        timer.start()
        archiving.build([str(texts)], out, shard=shard, workers=2)
        timer.cancel()
        timer.join()
        yield bool(hit), digest(out)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m lior_bench.scale", description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="+")
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--shard", type=int, default=1 << 23)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, seconds, digests = (
            gathered(given.text, folder, given.megabytes),
            dict[str, float](),
            set[str](),
        )
        out = folder / "archive"
        for count in (0, *given.workers):
            label = f"Dask, {count} workers" if count else _ALONE
            with scheduler(folder, count) if count else nullcontext(_Here()) as workers:
                first = _built(texts, out, given.shard, workers)  # loads what is needed, and reads the files
                took = [_built(texts, out, given.shard, workers) for _ in range(given.rounds)]
            digests.add(digest(out))
            seconds[label] = min(took)
            print(f"{label:16} {first:7.1f} s  the first archive")
        size = sum(entry.bytes for entry in archive.entries(out))
        for label, best in seconds.items():
            print(f"{label:16} {best:7.1f} s  {seconds[_ALONE] / best:5.2f} x")
        if given.kills:
            shutil.rmtree(out)
            lost = list(killed(texts, out, given.shard, given.kills))
            same = sum(each in digests for _, each in lost)
            print(f"{sum(hit for hit, _ in lost)} of {len(lost)} lost a worker; the same bits: {same}")
        peak = max(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(f"{size:,} bytes, {peak / 2**10:,.0f} MiB at most, different archives: {len(digests)}")


def _built(texts: Path, out: Path, shard: int, workers: str | Executor) -> float:
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    archiving.build([str(texts)], out, shard=shard, workers=workers)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
