"""A large table that a Dask cluster fits, one of whose workers is killed meanwhile: the same bits."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from lior.workers import Workers
from lior_tables import sums
from lior_tables.model import TableModel
from lior_tables.plan import Options


@pytest.mark.slow
def test_a_killed_worker_of_a_cluster_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the cluster's processes, as of lior's own
    monkeypatch.setattr(sums, "_PART_ROWS", 100)
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(1500, 3, generator=generator, dtype=torch.float64)
    y = (
        z[:, :1].sin()
        + z[:, 1:2] * z[:, 2:]
        + 0.1 * torch.randn(1500, 1, generator=generator, dtype=torch.float64)
    )
    options = Options(members=1, rounds=1, exact_rows=300)
    with Workers(2) as given:
        right = TableModel.fit(z, y, classes=False, options=options, workers=given)
    killed: list[int] = []
    # What is killed is started again by its nanny.
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    with cluster, Workers(cluster.scheduler_address) as given:
        workers = [*given._client.run(os.getpid).values()]

        def kill(what: str, share: float) -> None:
            if not killed and " of " in what:
                killed.append(workers[0])
                os.kill(workers[0], signal.SIGKILL)

        model = TableModel.fit(z, y, classes=False, options=options, workers=given, on_progress=kill)
    assert killed
    assert torch.equal(model.predict(z), right.predict(z))
