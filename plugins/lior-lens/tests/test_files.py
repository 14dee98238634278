"""Photographs in files, folders of them, and what goes wrong with them."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from commands import lens
from PIL import Image, ImageOps

from lior.errors import DataError
from lior_lens import images, lenses, lines, profiles
from lior_lens.arcs import find_arcs
from lior_lens.geometry import Lens, Size

cv2 = pytest.importorskip("cv2")
RNG = np.random.default_rng(0)
SMALL = (RNG.random((48, 64, 3)) * 255).astype(np.uint8)
BARREL = {"k1": -0.08}


def grid(width=480, height=320, k1=-0.1):
    """A bent grid: everybody can see its lens."""
    picture = np.full((2 * height, 2 * width, 3), 230, np.uint8)
    picture[::60] = picture[1::60] = picture[2::60] = picture[:, ::60] = picture[:, 1::60] = picture[
        :, 2::60
    ] = 30
    return lenses.bend(picture, Lens.brown(k1=k1), Size(width=width, height=height))[0]


@pytest.fixture
def given_lens(tmp_path):
    path = tmp_path / "lens.json"
    path.write_text(json.dumps(BARREL))
    return path


def oriented(path, orientation, picture=None, **options):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    Image.fromarray(grid() if picture is None else picture).save(path, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pillows_and_is_undone(tmp_path, orientation):
    oriented(tmp_path / "a.png", orientation)
    photo = images.read(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert (photo.upright() == np.asarray(ImageOps.exif_transpose(image))).all()
    assert (images.turn_back(images.turn(SMALL, orientation), orientation) == SMALL).all()


def test_a_folder_keeps_orientation_exif_and_profile_and_one_bad_file_does_not_stop_it(tmp_path, given_lens):
    source = tmp_path / "in"
    (source / "deeper").mkdir(parents=True)
    oriented(source / "a.jpg", 6, icc_profile=b"a profile")
    oriented(source / "a.png", 3)
    Image.fromarray(grid()).save(source / "deeper" / "a.jpg")
    (source / "text.jpg").write_text("not a picture")
    (source / "empty.jpg").write_bytes(b"")
    whole = (source / "a.jpg").read_bytes()
    (source / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    animated = [Image.fromarray(SMALL), Image.fromarray(SMALL[::-1])]
    animated[0].save(source / "moves.gif", save_all=True, append_images=animated[1:])
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    done = lens("correct", source, tmp_path / "out", "--lens", given_lens)
    assert done.returncode == 1
    lines_of_errors = [each for each in done.stderr.splitlines() if ": failed: " in each]
    assert len(lines_of_errors) == 4
    for name, why in (
        ("text", "no picture"),
        ("empty", "0 bytes"),
        ("cut", "truncated"),
        ("moves", "animated"),
    ):
        assert any(f"{name}." in each and why in each for each in lines_of_errors)
    results = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert results == ["a.jpg", "a.png", "deeper/a.jpg"]
    assert {path: path.read_bytes() for path in before} == before
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert image.getexif()[0x0112] == 6
        assert image.getexif()[0x010F] == "Maker"
        assert image.info["icc_profile"] == b"a profile"
    again = lens("correct", source, tmp_path / "out", "--lens", given_lens)
    assert again.stderr.count("--replace") == 3


def test_an_orientation_does_not_change_what_is_done(tmp_path, given_lens):
    source = tmp_path / "in"
    source.mkdir()
    for orientation in (1, 6, 3):
        oriented(source / f"{orientation}.png", orientation, images.turn_back(grid(), orientation))
    assert lens("correct", source, tmp_path / "out", "--lens", given_lens).returncode == 0
    seen = [images.read(tmp_path / "out" / f"{each}.png").upright() for each in (1, 6, 3)]
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "1"])
def test_every_kind_of_colours_is_corrected(tmp_path, given_lens, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    base = Image.fromarray(grid())
    image = base.convert("RGBA").convert(mode) if mode in ("RGBA", "LA") else base.convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    done = lens("correct", tmp_path / f"a.{suffix}", tmp_path / "out", "--lens", given_lens)
    assert done.returncode == 0, done.stderr
    kept = {"P": "RGB", "1": "L"}.get(mode, mode)
    with Image.open(tmp_path / "out" / f"a.{suffix}") as out:
        assert out.mode == kept


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_stay(tmp_path, given_lens, suffix, channels):
    deep = (grid().astype(np.uint16) * 257)[..., :channels].squeeze()
    deep[100:, 100:] += 1
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), deep)
    done = lens("correct", tmp_path / f"a.{suffix}", tmp_path / "out", "--lens", given_lens)
    assert done.returncode == 0, done.stderr
    out = cv2.imread(str(tmp_path / "out" / f"a.{suffix}"), cv2.IMREAD_UNCHANGED)
    assert out.dtype == np.uint16
    assert (out % 257 != 0).any()


def test_a_pixel_and_a_stripe_are_left_alone(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(SMALL[:1, :1]).save(source / "pixel.png")
    Image.fromarray(np.repeat(SMALL[:2], 2, 1)).save(source / "stripe.png")
    done = lens("correct", source, tmp_path / "out", "--model", "none")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left alone: ") == 2
    assert (tmp_path / "out" / "pixel.png").read_bytes() == (source / "pixel.png").read_bytes()


def test_what_does_not_fit_into_memory_gets_its_line(tmp_path, monkeypatch):
    Image.new("1", (12000, 8500)).save(tmp_path / "large.tif", compression="group4")  # 102 megapixels
    monkeypatch.setattr(images, "free_memory", lambda: 200 << 20)
    done = lens("correct", tmp_path / "large.tif", tmp_path / "out", "--model", "none")
    assert done.returncode == 1
    assert "too large for the memory that is free (12000x8500 needs" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    Image.fromarray(SMALL).save(tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    done = lens("correct", tmp_path / "a.png", tmp_path / "file" / "out", "--model", "none")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    locked = tmp_path / "locked"
    locked.mkdir()
    real = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    done = lens("correct", tmp_path / "a.png", locked, "--model", "none")
    assert "choose another folder" in done.stderr


def test_originals_are_never_written_over(tmp_path, given_lens):
    Image.fromarray(SMALL).save(tmp_path / "a.png")
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "a.png", tmp_path / "link"):
        for source in (tmp_path, tmp_path / "a.png"):
            done = lens("correct", source, out, "--lens", given_lens, "--replace")
            assert done.returncode == 2, (source, out)
            assert "original" in done.stderr
    (tmp_path / "out").mkdir()
    os.link(tmp_path / "a.png", tmp_path / "out" / "a.png")
    done = lens("correct", tmp_path / "a.png", tmp_path / "out", "--lens", given_lens, "--replace")
    assert done.returncode == 1
    assert "is an original" in done.stderr
    assert (images.read(tmp_path / "a.png").pixels == SMALL).all()


@pytest.mark.parametrize(
    ("sources", "out", "results"),
    [
        (["a.jpg"], "fixed.jpg", ["fixed.jpg"]),  # beside the original
        (["a.jpg"], "deep/er/fixed.jpg", ["deep/er/fixed.jpg"]),
        (["a.jpg"], "out", ["out/a.jpg"]),
        (["a.jpg"], "out.v2/", ["out.v2/a.jpg"]),
        (["a.jpg"], "sub", ["sub/a.jpg"]),  # a folder that is there
        (["a.jpg"], "a.png", ["a.png"]),  # another kind of file
        (["sub"], "out", ["out/b.png", "out/deeper/a.jpg"]),
        (["sub"], "sub/out", ["sub/out/b.png", "sub/out/deeper/a.jpg"]),
        (["a.jpg", "sub/b.png"], "out", ["out/a.jpg", "out/b.png"]),
        (
            ["sub", "a.jpg", "other"],
            "out",
            ["out/a.jpg", "out/other/a.jpg", "out/sub/b.png", "out/sub/deeper/a.jpg"],
        ),
    ],
)
def test_results_are_where_they_are_expected(tmp_path, given_lens, sources, out, results):
    for name in ("a.jpg", "sub/b.png", "sub/deeper/a.jpg", "other/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grid()).save(tmp_path / name)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = lens("correct", *sources, out, "--lens", given_lens, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert sorted(str(path.relative_to(tmp_path)) for path in after) == results
    for path in after:
        assert f" -> {path.relative_to(tmp_path)}: corrected: " in done.stdout
        with Image.open(path) as image:
            assert image.format == {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
    again = lens("correct", *sources, out, "--lens", given_lens, cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.count("--replace") == len(results)


@pytest.mark.parametrize(
    ("sources", "out", "said"),
    [
        (["a.png"], "fixed.gif", "are not written"),
        (["a.png"], "fixed.txt", "a new folder of that name is fixed.txt/"),
        (["a.png", "sub"], "fixed.png", "give a folder"),
        (["sub"], "a.png", "give a folder"),
        (["sub", "a.png"], ".", "originals are in there"),
    ],
)
def test_an_out_that_cannot_be_meant_is_said_before_the_work(tmp_path, given_lens, sources, out, said):
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/b.png"):
        Image.fromarray(SMALL).save(tmp_path / name)
    done = lens("correct", *sources, out, "--lens", given_lens, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout


def test_every_file_of_a_folder_gets_its_line(tmp_path, given_lens):
    source = tmp_path / "in"
    (source / "results").mkdir(parents=True)
    picture = Image.fromarray(grid())
    for name in ("a.ppm", "b.jpg", "still.gif", "still.png"):
        picture.save(source / name)
    picture.save(source / "without", "JPEG")
    picture.save(source / "wrong.png", "JPEG")
    for name in ("notes.txt", "phone.heic", ".hidden", "results/old.jpg"):
        (source / name).write_text("something")
    (source / "link.jpg").symlink_to("nowhere")
    (source / "folder").symlink_to(tmp_path)
    os.mkfifo(source / "pipe.jpg")
    done = lens("correct", source, source / "results", "--lens", given_lens, "--json")
    assert done.returncode == 1
    said = {Path(each["path"]).name: each for each in map(json.loads, done.stdout.splitlines())}
    failed = {"phone.heic", "link.jpg", "pipe.jpg"}
    skipped = {"notes.txt", ".hidden", "folder", "results"}
    assert {name for name, each in said.items() if each["status"] == "failed"} == failed
    assert {name for name, each in said.items() if each["status"] == "skipped"} == skipped
    assert "HEIC is not read" in said["phone.heic"]["words"]
    results = {name: Path(each["out"]).name for name, each in said.items() if each["out"]}
    assert results == {
        "a.ppm": "a.ppm",
        "b.jpg": "b.jpg",
        "still.gif": "still-gif.png",
        "still.png": "still.png",
        "without": "without.jpg",
        "wrong.png": "wrong.jpg",
    }
    assert not done.stderr
    again = lens("correct", source, source / "results", "--lens", given_lens, "--replace")
    assert again.stderr.endswith("13 files: 6 corrected, 4 skipped, 3 failed\n")
    assert len((again.stdout + again.stderr).splitlines()) == 14


def test_what_is_left_alone_is_copied_byte_by_byte(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    picture = Image.fromarray(grid())
    (tmp_path / "identity.json").write_text('{"k1": 0}')
    for name in ("a.jpg", "b.png", "c.tif", "d.gif", "e.webp", "f.ppm"):
        picture.save(source / name)
    done = lens("correct", source, tmp_path / "out", "--lens", tmp_path / "identity.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left alone: ") == done.stdout.count("; copied\n") == 6
    for path in source.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    none = lens("correct", source, tmp_path / "none", "--lens", tmp_path / "identity.json", "--no-copy")
    assert none.stdout.count("; not copied\n") == 6
    assert not list((tmp_path / "none").iterdir())


@pytest.mark.parametrize("source", ["missing", "."])
def test_nothing_to_correct_is_said(tmp_path, source):
    done = lens("correct", tmp_path / source, tmp_path / "out", "--model", "none")
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1


def test_a_bent_grid_is_made_straight_and_a_straight_one_is_left_alone(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(grid(k1=-0.1)).save(source / "bent.png")
    Image.fromarray(grid(k1=0.0)).save(source / "straight.png")
    done = lens("correct", source, tmp_path / "out", "--model", "none", "--json")
    assert done.returncode == 0, done.stderr
    bent, straight = (json.loads(each) for each in done.stdout.splitlines())
    assert bent["status"] == "corrected"
    assert straight["status"] == "left alone"
    after = find_arcs(images.read(tmp_path / "out" / "bent.png").upright())
    assert lines.straightness(after) < 0.3
    assert lines.straightness(find_arcs(grid(k1=-0.1)), believed=Lens.brown(k1=-0.1)) > 1


# --- profiles and points ---


def test_lensfuns_models_keep_the_edge_of_their_unit_in_place():
    size = Size(width=600, height=400)
    unit = size.half[1]
    for model, terms in (("poly3", [0.03]), ("ptlens", [0.01, -0.04, 0.02])):
        gx, _ = profiles.from_lensfun(model, terms, size).forward(unit, 0.0)
        assert gx == pytest.approx(unit)
    gx, _ = profiles.from_lensfun("poly5", [0.1, 0.02], size).forward(unit, 0.0)
    assert gx == pytest.approx(unit * 1.12)


def test_a_lens_for_lensfun_is_read_again(tmp_path):
    size, made = Size(width=600, height=400), Lens.brown(k1=-0.05, k2=0.004)
    (tmp_path / "a.xml").write_text(profiles.to_lensfun(made, size, focal=24))
    again = profiles.read_lens(tmp_path / "a.xml", size)
    assert lenses.endpoint_error(made, again, size) < 0.2


def test_a_smaller_sensor_sees_less_of_a_profile(tmp_path):
    size, element = Size(width=600, height=400), '<distortion model="poly5" focal="24" k1="0.1" k2="0" />'
    text = f"<lens><cropfactor>1.5</cropfactor><calibration>{element}</calibration></lens>"
    (tmp_path / "a.xml").write_text(f"<lensdatabase>{text}</lensdatabase>")

    def cubic(crop):
        return profiles.read_lens(tmp_path / "a.xml", size, crop=crop).radial[2]

    assert cubic(3.0) == pytest.approx(cubic(1.5) / 4)
    assert cubic(1.0) == pytest.approx(cubic(1.5) * 2.25)
    assert cubic(None) == cubic(1.52) == cubic(1.5)


def taken(path, picture, *, focal, lens="Some 24-70"):
    """A photograph with the EXIF of a camera."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Camera"
    more = exif.get_ifd(0x8769)
    more[0x920A], more[0xA405], more[0xA434] = focal, round(focal * 1.5), lens
    Image.fromarray(picture).save(path, exif=exif)


def test_what_was_judged_of_a_camera_is_a_profile(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number, (k1, focal) in enumerate([(-0.1, 24.0), (-0.1, 24.0), (0.06, 70.0)]):
        taken(source / f"{number}.png", grid(k1=k1), focal=focal)
    out = tmp_path / "camera.xml"
    done = lens("correct", source, tmp_path / "out", "--model", "none", "--profile-out", out)
    assert done.returncode == 0, done.stderr
    assert "Maker Camera Some 24-70, 24 mm: from 2 photographs" in done.stderr
    size = Size(width=480, height=320)
    for focal, k1 in ((24.0, -0.1), (70.0, 0.06)):
        found = profiles.read_lens(out, size, focal=focal)
        assert lenses.endpoint_error(found, Lens.brown(k1=k1), size) < 1
    again = lens("correct", source, tmp_path / "again", "--lens", out)
    assert again.stdout.count(f"corrected: lens of {out}") == 3
    assert "leave the one" in lens("lens", out, "--size", "480x320").stderr
    lensfunpy = pytest.importorskip("lensfunpy")
    own = lensfunpy.Database(xml=out.read_text(), load_common=False, load_bundled=False).lenses[0]
    modifier = lensfunpy.Modifier(own, 1.5, 480, 320)
    modifier.initialize(24.0, 8.0, scale=1.0)
    there = profiles._measure(modifier, size)
    assert lenses.endpoint_error(there, profiles.read_lens(out, size, focal=24.0), size) < 0.2


def test_a_profile_needs_a_focal_length_and_says_where_photographs_differ(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    Image.fromarray(grid(k1=-0.1)).save(source / "a.png")
    Image.fromarray(grid(k1=0.06)).save(source / "b.png")
    common = "correct", source, tmp_path / "out", "--model", "none", "--replace", "--profile-out"
    done = lens(*common, tmp_path / "lens.xml")
    assert done.returncode == 2
    assert "focal length" in done.stderr
    done = lens(*common, tmp_path / "lens.json")
    assert done.returncode == 2
    assert re.search(r"lens\.json: not written: their lenses differ by \d+\.\d times what", done.stderr)
    for name, k1 in (("a", -0.1), ("b", 0.06), ("c", -0.1), ("d", -0.1)):  # judged together
        taken(source / f"{name}.png", grid(k1=k1), focal=24.0)
    done = lens(*common, tmp_path / "lens.xml")
    assert (done.returncode, "4 photographs" in done.stderr) == (2, True)
    assert "their lenses differ by" in done.stderr
    assert not list(tmp_path.glob("lens.*"))
    (source / "b.png").unlink()
    assert lens(*common, tmp_path / "lens.json").returncode == 0
    assert profiles.read_lens(tmp_path / "lens.json").radial[0] == 1


def test_a_picture_without_a_line_is_said_to_have_none(tmp_path):
    Image.fromarray(np.full((200, 300, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    done = lens("judge", tmp_path / "grey.png", "--model", "none")
    assert "; no line found; not sure" in done.stdout
    assert "nan" not in done.stdout


def test_a_profile_by_exif_is_lensfuns_own_map(tmp_path):
    lensfunpy = pytest.importorskip("lensfunpy")
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON CORPORATION", "NIKON D3S"
    more = exif.get_ifd(0x8769)
    more[0x920A], more[0x829D], more[0xA434] = 28.0, 2.8, "Nikkor 28mm f/2.8D AF"
    Image.fromarray(np.zeros((400, 600, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    size = Size(width=600, height=400)
    found = profiles.by_exif(tmp_path / "a.jpg", size)
    assert found is not None
    database = lensfunpy.Database()
    camera = database.find_cameras("NIKON CORPORATION", "NIKON D3S")[0]
    modifier = lensfunpy.Modifier(
        database.find_lenses(camera, None, "Nikkor 28mm f/2.8D AF")[0], camera.crop_factor, 600, 400
    )
    modifier.initialize(28.0, 2.8, scale=1.0)
    wanted = modifier.apply_geometry_distortion()
    x, y = size.to_unit(*(each.astype(float) for each in np.meshgrid(np.arange(600), np.arange(400))))
    gx, gy = size.to_pixel(*found[0].forward(x, y))
    assert np.hypot(gx - wanted[..., 0], gy - wanted[..., 1]).max() < 0.15
    done = lens("correct", tmp_path / "a.jpg", tmp_path / "out", "--model", "none")
    assert "profile of" in done.stdout


def test_points_go_there_and_back(tmp_path, given_lens):
    points = "-10,-20", "300,200", "599,399"
    there = lens("points", "--lens", given_lens, "--size", "600x400", *points, "--to-photo")
    back = lens("points", "--lens", given_lens, "--size", "600x400", *there.stdout.split())
    found = np.array([[float(v) for v in each.split(",")] for each in back.stdout.split()])
    assert np.abs(found - [[-10, -20], [300, 200], [599, 399]]).max() <= 1e-8
    for wrong in (["1;2"], ["10,nan"], ["inf,2"], ["1", "2"], ["1,2,3,4"]):
        done = lens("points", "--lens", given_lens, "--size", "600x400", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert "a point is two finite numbers" in done.stderr


def test_a_lens_is_shown_for_opencv(given_lens):
    done = lens("lens", given_lens, "--size", "600x400", "--to", "opencv")
    assert json.loads(done.stdout)["distortion"][0] == BARREL["k1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "JSON object"),
        ("<x", "no XML"),
        ("{", "neither"),
        ('{"k1": "a"}', "numbers"),
        ('{"lens": null}', "missing or no number"),
        ('{"size": [0, 40], "lens": {"k1": 0}}', "allowed are width and height in pixels, above 0"),
        *[
            (f'{{"size": {size}, "lens": {{}}}}', "missing or no number")
            for size in ('"x"', "[1]", "[1e999, 1]")
        ],
        ('{"camera_matrix": []}', 'OpenCV\'s numbers are "K", "distortion" and "size"'),
        ('{"K": [[1, 0, 1], [0, 1, 1], [0, 0, 1]], "size": [60, 40]}', '"distortion": [k1, k2, p1, p2, k3]'),
        ('{"K": "abc", "size": [60, 40]}', "missing or no number"),
        ('{"K": [[1, 0, 1], [0, 1, 1], [0, 0, 1]], "distortion": null}', "missing or no number"),
        ('<lens><distortion model="poly3" k1="x"/></lens>', "missing or no number"),
        ('<lens><aspect-ratio>3:0</aspect-ratio><distortion model="poly3"/></lens>', "missing or no number"),
    ],
)
def test_files_without_a_lens_are_refused(tmp_path, content, said):
    (tmp_path / "lens").write_text(content)
    done = lens("points", "--lens", tmp_path / "lens", "--size", "60x40", "1,1")
    assert done.returncode == 2
    assert done.stderr.startswith(f"lior: error: {tmp_path / 'lens'}: ")
    assert said in done.stderr


def test_a_lens_file_has_its_size(tmp_path, given_lens):
    assert lens("lens", given_lens).returncode == 2
    (tmp_path / "sized.json").write_text(lens("lens", given_lens, "--size", "600x400").stdout)
    shown = [
        lens("lens", tmp_path / "sized.json", *size, "--to", "opencv") for size in ((), ("--size", "600x400"))
    ]
    assert shown[0].stdout == shown[1].stdout != ""


def test_a_raw_file_that_is_none_gets_its_line(tmp_path):
    pytest.importorskip("rawpy")
    (tmp_path / "a.nef").write_bytes(b"no raw file")
    with pytest.raises(DataError, match="no raw file"):
        images.read(tmp_path / "a.nef")


def test_a_lens_is_calibrated_with_chessboards(tmp_path):
    """The truth of a second kind: OpenCV's calibration knows nothing of how the boards were bent."""
    from lior_lens import scenes

    truth, size = Lens.brown(k1=-0.1, k2=0.02), Size(width=640, height=480)
    for seed in range(6):
        board = scenes.chessboard(1600, 1200, np.random.default_rng(seed))
        board = cv2.copyMakeBorder(board, 240, 240, 320, 320, cv2.BORDER_REPLICATE)
        Image.fromarray(lenses.bend(board, truth, size)[0]).save(tmp_path / f"{seed}.png")
    found, own, error = profiles.from_boards(sorted(tmp_path.glob("*.png")), 9, 6)
    assert own == size
    assert error < 0.3
    x, y = (0.55 * f(np.linspace(0, 2 * np.pi, 40)) for f in (np.cos, np.sin))  # as far as the boards reach
    off = np.hypot(*(a - b for a, b in zip(found.forward(x, y), truth.forward(x, y), strict=True)))
    assert (
        off.max() < 0.25 * np.hypot(*(a - b for a, b in zip(truth.forward(x, y), (x, y), strict=True))).max()
    )
    done = lens("lens", tmp_path, "--board", "9x6", "--to", "opencv")
    assert json.loads(done.stdout)["distortion"][0] < -0.05
    assert lens("lens", tmp_path, "--board", "5x4").returncode == 1
    assert "at least 3 along each side" in lens("lens", tmp_path, "--board", "2x9").stderr


def test_a_page_shows_before_and_after_and_needs_nothing_else(tmp_path):
    source = tmp_path / "<in>"
    source.mkdir()
    Image.fromarray(grid(k1=-0.1)).save(source / "bent.png")
    Image.fromarray(grid(k1=0.0)).save(source / "straight.png")
    (source / "notes.txt").write_text("no picture")
    page = tmp_path / "page.html"
    done = lens("correct", source, tmp_path / "out", "--model", "none", "--page", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert [text.count(each) for each in ('type="range"', "data:image/jpeg", "<in>", "&lt;in&gt;/notes")] == [
        1,
        4,
        0,
        1,
    ]
    assert "http" not in text
    shown = [base64.b64decode(each) for each in re.findall(r'base64,([^"]+)', text)]
    before, _, after, _ = (np.asarray(Image.open(io.BytesIO(each))) for each in shown)
    assert before.shape == after.shape
    assert lines.straightness(find_arcs(after)) < 0.5
    assert lens("correct", source, tmp_path / "out", "--replace", "--page", source).returncode == 2


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["judge", "in"], 0),
        (["score", "in", "in"], 0),
        (["lens", "in", "--board", "9x6"], 1),
        (["data", "drawn", "--kind", "photos", "--photos", "in"], 1),
    ],
)
def test_pictures_of_a_line_of_pixels_stop_no_folder(tmp_path, command, code):
    """Half of a pixel is no pixel to OpenCV."""
    (tmp_path / "in").mkdir()
    for number, (width, height) in enumerate([(1, 1), (9000, 1), (3, 9000), (2, 3)]):
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(tmp_path / "in" / f"{number}.png")
    done = lens(*command, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "OpenCV" not in done.stderr
