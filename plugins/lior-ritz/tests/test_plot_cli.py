"""`lior ritz plot`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lior.errors import RunError
from lior_ritz import config as configuration
from lior_ritz.cli.plot import plot
from lior_ritz.runs import session

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "dot"
    changes = {
        "model": {"hidden_features": 8},
        "solver": {"K": 2, "M": 3, "network": True},
        "domain": {"nq": 20},
    }
    quick = {"training": {"steps": 5, "lbfgs_refine": {"steps": 5}}}
    session.run(configuration.load([changes, quick], env={}).config, path)
    return path


def command(*args):
    result = CliRunner().invoke(plot, [*map(str, args)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_writes_files_and_prints_tables(run, tmp_path):
    result = command(run, "--only", "energy_spectrum,psi_state", "--out", tmp_path, "--format", "both")
    assert result.exit_code == 0, result.output
    wanted = {
        f"{name}.{form}"
        for name in ("energy_spectrum", "psi_state_0", "psi_state_1")
        for form in ("png", "svg")
    }
    assert {path.name for path in tmp_path.iterdir()} == wanted
    assert all(str(tmp_path / name) in result.output for name in wanted)
    assert "dot: wave function of state 1, 3.97" in result.output


def test_metrics_that_are_gone_leave_pictures_out(run):
    (run / "logs" / "metrics.jsonl").rename(run / "gone")
    try:
        result = command(run, "--only", "energy_spectrum,convergence", "--text")
        assert "left out: convergence: no metrics of training" in result.stderr
        with pytest.raises(RunError, match="nothing to draw; convergence: no metrics"):
            command(run, "--only", "convergence", "--text")
    finally:
        (run / "gone").rename(run / "logs" / "metrics.jsonl")
