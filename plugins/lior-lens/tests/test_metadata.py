"""What belongs to a photograph beside its pixels, and kinds of files."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from commands import lens
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin
from test_files import given_lens, grid  # noqa: F401

from lior.errors import DataError
from lior_lens import images, metadata, tags

cv2 = pytest.importorskip("cv2")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a/></x:xmpmeta>'
IPTC = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x78\0\x01a"


def exif(*, thumbnail: Image.Image | None = None, order: str = "<", sizes=(1, 1)) -> bytes:
    """EXIF as a camera writes it: a maker's note, sizes (wrong ones), and a small picture."""
    note = b"note"
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)

    def folder(rows, after=0):
        packed = [struct.pack(f"{order}HHI", *row[:3]) + row[3].ljust(4, b"\0") for row in rows]
        return struct.pack(f"{order}H", len(rows)) + b"".join(packed) + struct.pack(f"{order}I", after)

    def long(value):
        return struct.pack(f"{order}I", value)

    first = 8 + 2 + 12 * 2 + 4
    inner = 2 + 12 * 3 + 4
    stream = io.BytesIO()
    if thumbnail is not None:
        thumbnail.save(stream, "JPEG", quality=90)
    second = first + inner
    behind = second + 2 + 12 * 2 + 4
    return b"".join(
        [
            header,
            folder(
                [(0x0112, 3, 1, struct.pack(f"{order}H", 6)), (0x8769, 4, 1, long(first))],
                second if thumbnail else 0,
            ),
            folder([(0x927C, 7, 4, note), (0xA002, 4, 1, long(sizes[0])), (0xA003, 4, 1, long(sizes[1]))]),
            folder([(0x0201, 4, 1, long(behind)), (0x0202, 4, 1, long(stream.tell()))]) if thumbnail else b"",
            stream.getvalue(),
        ]
    )


def thumbnail_of(data: bytes) -> Image.Image | None:
    """The small picture as Pillow finds it."""
    second = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    stream = io.BytesIO(data)
    stream.seek(8)
    second.load(stream)
    if not second.next:
        return None
    stream.seek(second.next)
    second.load(stream)
    begin, length = second[0x0201], second[0x0202]
    return Image.open(io.BytesIO(data[begin : begin + length]))


def mean_colour(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), float).mean((0, 1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [(160, 120), (16, 12)])
def test_exif_gets_the_corrected_small_picture_and_sizes_and_keeps_the_rest(order, size):
    before = exif(thumbnail=Image.new("RGB", size, (255, 0, 0)), order=order)
    blue = np.zeros((300, 400, 3), np.uint8) + np.uint8([0, 0, 255])
    kept = metadata.KeptMetadata(exif=before).corrected(
        400, 300, lambda most: images._thumbnail("RGB", blue, most)
    )
    after = kept.exif
    shown = thumbnail_of(after)
    assert shown.size == (160, 120)
    assert mean_colour(shown) == pytest.approx([0, 0, 255], abs=3)
    inner = tags.parse(after)[0x8769].value
    assert (inner[0xA002].numbers, inner[0xA003].numbers) == ((400,), (300,))
    assert inner[0x927C].value == b"note"
    assert after.index(b"note") == before.index(b"note")


def test_a_small_picture_without_room_is_taken_out_and_damaged_exif_is_kept():
    before = exif(thumbnail=Image.new("RGB", (4, 3)))
    assert thumbnail_of(tags.correct(before, 4, 3, lambda most: b"")) is None
    for end in range(len(before)):
        assert len(tags.correct(before[:end], 4, 3, lambda most: b"x")) >= end
    assert tags.correct(b"no tags", 4, 3, lambda most: b"") == b"no tags"


@given(st.binary(max_size=200), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_tags_of_anything_are_read_or_refused(data, head):
    try:
        found = tags.kept(tags.parse(head + data))
    except ValueError:
        return
    assert tags.parse(tags.blob(found)) == found


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_keeps_all_of_its_segments_and_its_subsampling(tmp_path, given_lens, subsampling):  # noqa: F811
    picture = Image.fromarray(grid())
    stream = io.BytesIO()
    picture.save(
        stream,
        "JPEG",
        subsampling=subsampling,
        icc_profile=b"p" * 70000,
        comment=b"said",
        xmp=XMP,
        exif=b"Exif\0\0" + exif(thumbnail=picture.resize((64, 48))),
        dpi=(300, 300),
    )
    plain = stream.getvalue()
    more = struct.pack(">BBH", 0xFF, 0xED, len(IPTC) + 2) + IPTC
    (tmp_path / "a.jpg").write_bytes(plain[:20] + more + plain[20:])
    done = lens("correct", tmp_path / "a.jpg", tmp_path / "fixed.jpg", "--lens", given_lens)
    assert done.returncode == 0, done.stderr
    assert "corrected" in done.stdout
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "fixed.jpg") as after:
        for name in ("icc_profile", "comment", "xmp", "dpi", "photoshop"):
            assert after.info[name] == before.info[name], name
        assert after.layer == before.layer
        assert after.getexif()[0x0112] == 6
        assert after.getexif().get_ifd(0x8769)[0xA002] == 480
        assert thumbnail_of(after.info["exif"][6:]).size == (160, 107)
        after.load()


def test_png_keeps_its_chunks(tmp_path, given_lens):  # noqa: F811
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "said")
    told.add_itxt("XML:com.adobe.xmp", XMP.decode())
    picture = Image.fromarray(grid())
    picture.save(tmp_path / "a.png", pnginfo=told, dpi=(300, 300), icc_profile=b"profile", exif=exif())
    assert lens("correct", tmp_path / "a.png", tmp_path / "b.png", "--lens", given_lens).returncode == 0
    with Image.open(tmp_path / "a.png") as before, Image.open(tmp_path / "b.png") as after:
        after.load()
        before.load()
        for name in ("Comment", "xmp", "dpi", "icc_profile"):
            assert after.info[name] == before.info[name], name
        assert after.getexif()[0x0112] == 6


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_keeps_its_tags_and_its_depth(tmp_path, given_lens, kind, channels):  # noqa: F811
    pixels = grid().astype(kind)[..., :channels].squeeze() * kind(0.5 if kind is np.float32 else 1)
    path = tmp_path / "a.tif"
    stored = cv2.imencode(".tif", pixels)[1].tobytes()
    said = tags.Tag(2, 5, b"said\0")
    more = {270: said, 282: tags.Tag(5, 1, struct.pack("<II", 300, 1)), 0x9999: tags.Tag(7, 2, b"ab")}
    kept = metadata.KeptMetadata(exif=exif(sizes=(480, 320)), icc=b"p" * 9, xmp=XMP)
    path.write_bytes(tags.into_tiff(stored, kept.tags() | more))
    done = lens("correct", path, tmp_path / "out", "--lens", given_lens)
    assert done.returncode == 0, done.stderr
    whole = (tmp_path / "out" / "a.tif").read_bytes()
    found = tags.parse(whole)
    before = tags.parse(path.read_bytes())
    for number in (270, 282, 0x9999, tags.ICC, tags.XMP, tags.ORIENTATION, 0x8769):
        assert found[number] == before[number]
    again = images.read(tmp_path / "out" / "a.tif")
    assert again.pixels.dtype == kind
    assert again.pixels.shape == pixels.shape
    assert again.orientation == 6
    if kind is np.float32:
        assert (again.pixels % 1).any()


def test_pnm_files_keep_kind_and_depth(tmp_path, given_lens):  # noqa: F811
    source = tmp_path / "in"
    source.mkdir()
    small = grid()[::2, ::2]
    Image.fromarray(small).save(source / "colours.ppm")
    Image.fromarray(small[..., 0]).save(source / "grey.pgm")
    Image.fromarray(small[..., 0]).convert("1").save(source / "bits.pbm")
    rows = (small[..., 0].astype(int) * 4).astype(">u2").tobytes()
    (source / "ten.pgm").write_bytes(b"P5\n# ten bits\n240 160\n1023\n" + rows)
    cv2.imwrite(str(source / "light.pfm"), small.astype(np.float32) / 255)
    done = lens("correct", source, tmp_path / "out", "--lens", given_lens)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes()[:2] for path in (tmp_path / "out").iterdir()} == {
        "colours.ppm": b"P6",
        "grey.pgm": b"P5",
        "bits.pgm": b"P5",
        "ten.pgm": b"P5",
        "light.pfm": b"PF",
    }
    ten = images.read(tmp_path / "out" / "ten.pgm").pixels
    grey = images.read(tmp_path / "out" / "grey.pgm").pixels
    assert ten.dtype == np.uint16
    assert abs(ten.astype(float).mean() / 65535 * 1023 / 4 - grey.mean()) < 0.5


def test_what_a_kind_of_file_cannot_hold_is_refused(tmp_path):
    deep = images.Photo(pixels=np.zeros((4, 4), np.uint16), mode="L", format="PNG", width=4, height=4)
    clear = images.Photo(pixels=np.zeros((4, 4, 4), np.uint8), mode="RGBA", format="PNG", width=4, height=4)
    light = images.Photo(pixels=np.zeros((4, 4), np.float32), mode="L", format="TIFF", width=4, height=4)
    assert images.write(tmp_path / "deep.jpg", deep, deep.pixels) == "8 of 16 bits kept"
    for photo, name in ((clear, "a.jpg"), (light, "a.png"), (clear, "a.bmp")):
        with pytest.raises(DataError, match="choose"):
            images.write(tmp_path / name, photo, photo.pixels)
    wide = tags.into_tiff(cv2.imencode(".tif", np.zeros((4, 4)))[1].tobytes(), {})
    (tmp_path / "wide.tif").write_bytes(wide)
    with pytest.raises(DataError, match="64 bits of floating point"):
        images.read(tmp_path / "wide.tif")


def test_a_reduced_jpeg_is_the_same_picture(tmp_path):
    big = cv2.resize(grid(), (2400, 1600))
    Image.fromarray(big).save(tmp_path / "a.jpg")
    small = images.read(tmp_path / "a.jpg", least=1024)
    assert small.pixels.shape == (800, 1200, 3)
    assert (small.size.width, small.size.height) == (2400, 1600)
    area = cv2.resize(images.read(tmp_path / "a.jpg").pixels, (1200, 800), interpolation=cv2.INTER_AREA)
    assert np.abs(small.pixels.astype(int) - area).mean() < 1
