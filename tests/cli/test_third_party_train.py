"""Another package's frame: found, trained with, checked, and missed when it is gone."""

from __future__ import annotations

import json

import pytest

ENTRY_POINTS = "[lior.frames]\ntheirs = their_frame:Isotropic"

THEIR_FRAME = '''
"""A frame with one learned number: its overall scale."""
import attrs
import torch
from lior.interfaces import MetricForm
from lior.config.options import option

@attrs.frozen(kw_only=True)
class Isotropic:
    api_version = 1
    learned = ("log_omega",)
    start: float = option(1.0, help="initial scale", low=0.2, high=5)

    def init(self, n, *, generator):
        ones = torch.ones(n, device=generator.device)
        return {"log_omega": torch.tensor(self.start, device=generator.device).log(), "ones": ones}

    def observe(self, state, z):
        return state

    def form(self, state):
        ones = state["ones"]
        return MetricForm(None, ones, (2 * state["log_omega"]).exp(), ones.new_zeros(len(ones), 0), ones[:0])

    def pullback(self, state, dform):
        return {"log_omega": dform.omega2 * 2 * (2 * state["log_omega"]).exp()}

    def project(self, state):
        return state | {"log_omega": state["log_omega"].clamp(-2, 2)}
'''


@pytest.mark.slow
def test_a_package_in_a_folder_is_found_used_and_checked(install, lior, sample, small_recipe, tmp_path):
    site = install("lior-theirs", ENTRY_POINTS, their_frame=THEIR_FRAME)
    listed = json.loads(lior("plugins", "--kind", "frame", "--json", path=site).stdout)
    [row] = [row for row in listed if row["name"] == "theirs"]
    assert (row["distribution"], row["version"]) == ("lior-theirs", "1.2")

    def train(out: str, *flags: str) -> dict[str, object]:
        args = ("train", sample, "--config", small_recipe, "--out", tmp_path / out, "--quiet", "--json")
        done = lior(*map(str, args), *flags, path=site)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    theirs = train("a", "--frame", "theirs")
    assert theirs["components"]["frame"] == "theirs"
    assert theirs["val_nats_per_byte"] != train("b", "--frame", "lowrank")["val_nats_per_byte"]
    option = train("c", "--frame", "theirs", "--set", "frame.start=3")
    assert option["val_nats_per_byte"] != theirs["val_nats_per_byte"]

    checked = lior("plugins", "--kind", "frame", "--check", path=site)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "theirs" in checked.stdout

    gone = lior("eval", str(tmp_path / "a"), "--json")
    assert gone.returncode != 0
    assert "theirs" in gone.stderr
    assert "lior-theirs" in gone.stderr, "the message says which distribution to install"
    assert "Traceback" not in gone.stderr
