"""Photographs through one lens are judged together, others are not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import lens
from PIL import Image

from lior_lens import data, lenses, lines, pooling, trust
from lior_lens.estimating import estimate
from lior_lens.geometry import Lens, Size

SIZE = Size(width=480, height=320)
TRUTH = -0.09


def view(seed, strength=TRUTH):
    scene, _ = data.Scenes().view(0, SIZE, np.random.default_rng(seed))
    return lenses.bend(scene, lenses.at_corner(strength, (0, 0, 1)), SIZE)[0]


def taken(path, picture, *, model="Camera", focal=24.0, film=36):
    exif = Image.Exif()
    if model:
        exif[0x010F], exif[0x0110] = "Maker", model
    exif.get_ifd(0x8769).update({0x920A: focal, 0xA405: film})
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, exif=exif, quality=95)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pooled")
    for number in range(3):
        taken(folder / f"group{number}.jpg", view(number))
    taken(folder / "turned.jpg", np.rot90(view(3)).copy())
    taken(folder / "zoomed.jpg", view(4, 0.05), focal=50.0)
    taken(folder / "digital.jpg", view(5, 0.0), film=72)
    for number in range(2):
        taken(folder / f"unknown{number}.jpg", view(6 + number), model="")
        taken(folder / f"manual{number}.jpg", view(8 + number), focal=0.0)
    return folder


def told(folder, tmp_path, *options):
    done = lens("correct", folder, tmp_path / "out", "--model", "none", "--no-profile", "--json", *options)
    return {line["path"].rsplit("/", 1)[-1][:-4]: line for line in map(json.loads, done.stdout.splitlines())}


def test_one_lens_for_one_camera(folder, tmp_path):
    found = told(folder, tmp_path)
    group = [found[name] for name in ("group0", "group1", "group2", "turned")]
    assert all(each["how"] == "camera" and each["photographs"] == 4 for each in group)
    assert len({each["strength"] for each in group}) == 1
    assert all("4 photographs of Maker Camera, 24 mm together" in each["words"] for each in group)
    assert abs(group[0]["strength"] - TRUTH) < max(0.01, 2 * group[0]["spread"])
    assert group[0]["share"] < 1
    used = lines.strength_of(Lens.of(group[0]["lens"]))
    assert used == pytest.approx(group[0]["share"] * group[0]["strength"], abs=1e-3)
    assert lines.strength_of(Lens.of(group[0]["estimate"])) == pytest.approx(group[0]["strength"], abs=1e-3)
    assert {found[name]["how"] for name in found if found[name] not in group} == {"lines"}
    assert {each["share"] for each in found.values() if each["status"] == "left alone"} == {0}
    photographs = [folder / f"group{number}.jpg" for number in range(3)]
    done = lens("correct", *photographs, tmp_path / "again", "--profile-out", tmp_path / "camera.xml")
    assert "from 3 photographs" in done.stderr


def test_together_joins_what_has_no_exif_by_its_size(folder, tmp_path):
    small = folder / "small.jpg"
    if not small.exists():
        Image.fromarray(view(10)[::2, ::2]).save(small)
    found = told(folder, tmp_path, "--together")
    small.unlink()
    unknown = [found["unknown0"], found["unknown1"]]
    assert all(each["photographs"] == 2 and each["how"] == "camera" for each in unknown)
    assert unknown[0]["strength"] == unknown[1]["strength"]
    assert "2 photographs of" in unknown[0]["words"]
    assert {found[name]["how"] for name in ("small", "zoomed", "digital")} == {"lines"}
    assert found["group0"]["photographs"] == 4


def test_each_for_itself(folder, tmp_path):
    found = told(folder, tmp_path, "--each", "--no-copy")
    assert {each["how"] for each in found.values()} == {"lines"}
    assert len({found[f"group{number}"]["strength"] for number in range(3)}) == 3


def test_together_is_surer_than_alone_but_keeps_the_doubt_that_all_share():
    trusted = trust.find_shipped()
    alone = [estimate(view(seed), trust=trusted) for seed in range(4)]
    said = pooling.together(alone, "a camera", trusted)
    spreads = [each.verdict.spread for each in alone]
    assert said.verdict.spread < np.median(spreads)
    assert said.verdict.spread >= pooling.SHARED * min(spreads)
    assert said.verdict.spread > lines.judge_all([each.arcs for each in alone], trust=trusted).spread
    again = pooling.together(alone[::-1], "a camera", trusted)
    assert again.verdict.strength == pytest.approx(said.verdict.strength, abs=1e-6)


def test_equal_sizes_of_different_lenses_are_judged_alone(tmp_path):
    for name, strength in (("barrel", -0.15), ("pincushion", 0.15)):
        taken(tmp_path / f"in/{name}.jpg", view(1, strength), model="")
    found = told(tmp_path / "in", tmp_path, "--together")
    assert found["barrel"]["strength"] < 0 < found["pincushion"]["strength"]
    assert all("judged alone" in each["words"] for each in found.values())
