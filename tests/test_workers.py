"""Workers: the same results with any workers, replacement of lost workers, faults in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lior import workers
from lior.errors import DataError, UsageError
from lior.workers import Workers, WorkersLost, check
from tests.cases import cases


def square(number: int) -> int:
    return number * number


def dies_once(number: int, mark: str) -> int:
    """End the process at the first call with number 3."""
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number: int) -> int:
    if number == 4:
        raise DataError("row 4: not a number")
    return number


def threads(_: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def gathered(where, function, tasks):
    with Workers(where) as many:
        return dict(many.map(function, tasks))


TASKS = [(number,) for number in range(12)]


@pytest.fixture(scope="module")
def two():
    """Provide two processes, neither of which is lost."""
    with Workers(2) as team:
        yield team


def test_all_tasks_are_done_and_each_is_known_by_its_number(two):
    assert dict(two.map(square, TASKS)) == {number: number * number for number in range(12)}


def test_each_process_has_one_thread(two):
    assert set(dict(two.map(threads, TASKS[:2])).values()) == {"1"}


def test_tasks_are_made_when_workers_are_free_for_them(two):
    made = []

    def tasks():
        for number in range(40):
            made.append(number)
            yield (number,)

    for done, _ in enumerate(two.map(square, tasks()), 1):
        assert len(made) <= done + 4


def test_a_lost_worker_costs_its_task_only(tmp_path):
    done = gathered(2, dies_once, [(number, str(tmp_path / "mark")) for number in range(8)])
    assert done == {number: number for number in range(8)}


def test_a_task_that_loses_every_worker_is_refused_in_one_line():
    with pytest.raises(WorkersLost, match=r"3 times while task .* given out: killed, or out of memory"):
        gathered(1, dies, TASKS)


def test_an_error_of_a_task_is_that_of_the_caller(two):
    with pytest.raises(DataError, match="row 4: not a number"):
        dict(two.map(refuses, TASKS))


def test_an_executor_of_the_caller_stays_open():
    with ThreadPoolExecutor(2) as pool:
        assert gathered(pool, square, TASKS)[5] == 25
        assert pool.submit(square, 3).result() == 9


@cases("value", ["0", "-1", "two", "", "host:8786"])
def test_what_names_no_workers_is_refused(value):
    with pytest.raises(UsageError, match="allowed is a number of processes from 1, or the address"):
        check(value)


def test_no_scheduler_at_the_address(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "_CONNECT", 0.5)
    with pytest.raises(UsageError, match="no Dask scheduler answers there"), Workers("tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize(
    ("address", "encryption", "said"),
    [
        ("tls://127.0.0.1:9", False, "Dask's configuration names no certificates"),
        ("tcp://127.0.0.1:9", True, "Dask's configuration wants encryption .* so that an address is tls://"),
    ],
)
def test_an_address_that_certificates_do_not_fit_is_refused_at_once(address, encryption, said):
    pytest.importorskip("distributed")  # its defaults are then in Dask's configuration
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.comm.require-encryption": encryption}),
        pytest.raises(UsageError, match=f"{said}.*docs/security.md shows how"),
        Workers(address),
    ):
        pass


# --- a real scheduler ---


class Cluster:
    """A scheduler on this machine, and workers that can be started and killed."""

    def __init__(self, folder: Path, protocol: str = "tcp") -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.children = [self._start("scheduler", "--protocol", protocol, "--port", "0")]

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, "--scheduler-file", str(self.file)]
        command += ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]  # only on this machine
        # A worker finds the functions of this module on Python's path.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        log = (self.folder / f"{kind}.log").open("ab")
        return subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, env=environment, cwd=self.folder
        )

    def worker(self) -> subprocess.Popen[bytes]:
        self.children.append(self._start("worker", "--no-nanny", "--nthreads", "1"))
        return self.children[-1]

    @property
    def address(self) -> str:
        from distributed import Client

        with Client(scheduler_file=str(self.file), timeout=900, set_as_default=False) as client:
            alive = sum(child.poll() is None for child in self.children[1:])
            if alive:
                client.wait_for_workers(alive, timeout=900)
            return client.scheduler.address

    def stop(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed")
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    started.worker()
    started.worker()
    yield started
    started.stop()


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_a_scheduler_gives_the_same_results(cluster):
    assert gathered(cluster.address, square, TASKS) == {number: number * number for number in range(12)}


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_a_worker_of_a_scheduler_that_dies_costs_its_task_only(cluster, tmp_path):
    done = gathered(cluster.address, dies_once, [(number, str(tmp_path / "mark")) for number in range(8)])
    assert done == {number: number for number in range(8)}
    cluster.worker()


@pytest.mark.slow
@pytest.mark.xdist_group("cluster")
def test_workers_of_another_version_are_refused_in_one_line(cluster, monkeypatch):
    address = cluster.address
    monkeypatch.setattr(workers, "version", lambda name: "9.9")  # in this process, not in the workers
    with pytest.raises(
        UsageError, match=r"the worker tcp://\S+ has lior \S+, and here is 9.9; install it there"
    ):
        gathered(address, square, TASKS)


def certified() -> dict[str, object]:
    """Return Dask's configuration with a self-signed certificate for all roles."""
    from distributed import Security

    made = Security.temporary()
    settings = {"require-encryption": True, "tls.ca-file": made.tls_ca_file}
    for role in ("scheduler", "worker", "client"):
        for part in ("cert", "key"):
            settings[f"tls.{role}.{part}"] = getattr(made, f"tls_{role}_{part}")
    return {f"distributed.comm.{key}": value for key, value in settings.items()}


@pytest.mark.slow
def test_a_scheduler_with_certificates_works_for_who_has_them(tmp_path, monkeypatch):
    for name in ("distributed", "cryptography"):
        pytest.importorskip(name)
    dask = pytest.importorskip("dask")
    with dask.config.set(certified()):
        (tmp_path / "dask.yaml").write_text(json.dumps(dask.config.config))
        monkeypatch.setenv("DASK_CONFIG", str(tmp_path))  # for scheduler and worker
        cluster = Cluster(tmp_path, "tls")
        try:
            cluster.worker()
            address = cluster.address
            assert address.startswith("tls://127.0.0.1:")
            assert gathered(address, square, TASKS[:3]) == {0: 0, 1: 1, 2: 4}
            others = dask.config.set(certified())
            with others, pytest.raises(UsageError, match="TLS certificate does not match"):
                gathered(address, square, TASKS[:3])
        finally:
            cluster.stop()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_refused(tmp_path):
    pytest.importorskip("distributed")
    alone = Cluster(tmp_path)
    try:
        with pytest.raises(UsageError, match="has no worker; start one: dask worker tcp://"):
            gathered(alone.address, square, TASKS)
    finally:
        alone.stop()
