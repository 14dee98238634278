"""What is the same to the last bit: each line of the table in docs/reliability.md that no other test has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {
    "all parts": (),
    "rotor, curvature, spinor": ("--frame", "rotor", "--rsource", "curvature", "--product", "spinor"),
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.slow
def test_one_thread_and_two(tmp_path, sample, small_recipe, case):
    """Larger batches than those of the small recipe, so that the threads share the work."""
    large = ["--set", "geometry.batch=256", "--set", "geometry.keys=4096", "--set", "encoder.n=64"]
    # Without what conftest sets: the command line must ask for the same bits itself.
    env = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    files = []
    for threads in ("1", "2"):
        run = tmp_path / threads
        args = [
            "train",
            str(sample),
            "--config",
            str(small_recipe),
            *large,
            *SETTINGS[case],
            "--out",
            str(run),
        ]
        subprocess.run(
            [sys.executable, "-m", "lior_cli.main", *args, "--quiet"],
            env=env | {"OMP_NUM_THREADS": threads},
            check=True,
        )
        (model,) = run.glob("checkpoints/*/model.safetensors")
        files.append(Path(model).read_bytes())
    assert files[0] == files[1]
