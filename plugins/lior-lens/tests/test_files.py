"""Photographs in files, folders of them, and what goes wrong with them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from commands import lens
from PIL import Image, ImageOps

from lior.errors import DataError
from lior_lens import images, lenses, lines, profiles
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
    assert (images.turned_back(images.turned(SMALL, orientation), orientation) == SMALL).all()


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
        oriented(source / f"{orientation}.png", orientation, images.turned_back(grid(), orientation))
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
    assert (images.read(tmp_path / "a.png").pixels == SMALL).all()


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
    after = lines.arcs(images.read(tmp_path / "out" / "bent.png").upright())
    assert lines.straightness(after) < 0.3
    assert lines.straightness(lines.arcs(grid(k1=-0.1)), believed=Lens.brown(k1=-0.1)) > 1


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
    there = lens(
        "points", "--lens", given_lens, "--size", "600x400", "10,20", "300,200", "599,399", "--to-photo"
    )
    back = lens("points", "--lens", given_lens, "--size", "600x400", *there.stdout.split())
    found = np.array([[float(v) for v in each.split(",")] for each in back.stdout.split()])
    assert np.abs(found - [[10, 20], [300, 200], [599, 399]]).max() <= 1e-8
    assert lens("points", "--lens", given_lens, "--size", "600x400", "1;2").returncode == 2


def test_a_lens_is_shown_for_opencv(given_lens):
    done = lens("lens", given_lens, "--size", "600x400", "--to", "opencv")
    assert json.loads(done.stdout)["distortion"][0] == BARREL["k1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [("[]", "JSON object"), ("<x", "no XML"), ("{", "neither"), ('{"k1": "a"}', "numbers")],
)
def test_files_without_a_lens_are_refused(tmp_path, content, said):
    (tmp_path / "lens").write_text(content)
    done = lens("points", "--lens", tmp_path / "lens", "--size", "60x40", "1,1")
    assert done.returncode == 2
    assert said in done.stderr


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
