"""Folders of pictures and arrays as tables: read, fitted, explained, learned and forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lior.errors import DataError, MissingPackage, UsageError
from lior_tables import GeometricClassifier, images, load
from lior_tables.patches import KINDS, Patches
from lior_tables.rows import ColumnNote

LIOR = Path(sys.executable).with_name("lior")


def bars(count=40, seed=0, size=10):
    """Pictures with a bar that lies or stands, ``(count, size, size)`` of 8 bits, and which it is."""
    rng = np.random.RandomState(seed)
    found = rng.randint(0, 40, (count, size, size))
    for i, picture in enumerate(found):
        at = rng.randint(1, size - 1)
        picture[(at, slice(None)) if i % 2 else (slice(None), at)] += 180
    return found.astype(np.uint8), np.array(["stands", "lies"])[np.arange(count) % 2]


def written(folder, pictures, labels, kind="png"):
    for i, (each, label) in enumerate(zip(pictures, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        path = folder / label / f"{i}.{kind}"
        if kind == "npy":
            np.save(path, each)
        else:
            Image.fromarray(each).save(path)
    return folder


def table(*args, cwd):
    return subprocess.run([LIOR, "table", *map(str, args)], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folders to learn and to test, with bad files, and a model."""
    path = tmp_path_factory.mktemp("pictures")
    written(path / "train", *bars())
    written(path / "test", *bars(20, seed=1))
    (path / "train" / "lies" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (path / "train" / "stands" / "notes.txt").write_text("no picture")
    quick = ("--members", "1", "--rounds", "1")
    done = table("fit", "train", "--target", "folder", "--out", "run", "--json", *quick, cwd=path)
    assert done.returncode == 0, done.stderr
    return path, done


def test_a_folder_is_fitted_and_bad_files_are_named_and_counted(home):
    _, done = home
    said = json.loads(done.stdout)
    assert (said["rows"], said["classes"], said["shape"]) == (40, ["lies", "stands"], [10, 10, 1])
    assert "2 files skipped, 40 read" in done.stderr
    assert "lies/broken.png" in done.stderr
    assert "stands/notes.txt" in done.stderr
    assert [each.split(":")[0] for each in said["skipped"]] == ["lies/broken.png", "stands/notes.txt"]


def test_new_pictures_are_predicted_from_the_model_alone(home):
    path, _ = home
    said = json.loads(table("predict", "run", "test", "--json", cwd=path).stdout)
    assert said["score"]["right"] >= 0.9
    one = table("predict", "run", "test/lies/1.png", cwd=path)
    assert one.returncode == 0, one.stderr
    assert one.stdout.splitlines()[1].startswith("0,1.png,lies,")


def test_why_shows_training_pictures_side_by_side(home):
    path, _ = home
    done = table("why", "run", "test/lies/1.png", "--top", "3", "--html", "why.html", cwd=path)
    assert done.returncode == 0, done.stderr
    page = (path / "why.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "lies/" in done.stdout
    assert "lies/" in page


def test_pictures_are_learned_and_forgotten_by_name(home, tmp_path):
    path, _ = home
    written(tmp_path / "train", *bars())
    quick = ("--members", "1", "--rounds", "1")
    assert table("fit", "train", "--target", "folder", "--out", "run", *quick, cwd=tmp_path).returncode == 0
    before = table("predict", "run", path / "test", cwd=tmp_path).stdout
    new, labels = bars(4, seed=5)
    written(tmp_path / "more", new, [f"{each}" for each in labels])
    for i, label in enumerate(labels):
        (tmp_path / "more" / label / f"{i}.png").rename(tmp_path / "more" / label / f"new{i}.png")
    done = table("learn", "run", "more", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["rows"] == 44
    assert table("predict", "run", path / "test", cwd=tmp_path).stdout != before
    names = [f"{label}/new{i}.png" for i, label in enumerate(labels)]
    gone = table("forget", "run", *names, cwd=tmp_path)
    assert gone.returncode == 0, gone.stderr
    assert table("predict", "run", path / "test", cwd=tmp_path).stdout == before
    assert not any(b"new" in file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    missing = table("forget", "run", "lies/new1.png", cwd=tmp_path)
    assert missing.returncode != 0
    assert "no picture 'lies/new1.png'" in missing.stderr


def test_a_list_of_files_names_the_pictures(home, tmp_path):
    path, _ = home
    files = sorted((path / "test").rglob("*.png"))
    lines = [f"{file.relative_to(path)},{file.parent.name}" for file in files]
    text = "\n".join(["photo,kind", *lines, "gone.png,lies"])
    (path / "list.csv").write_text(text, encoding="utf-8")
    options = ("--pictures", "photo", "--out", tmp_path / "run", "--json", "--members", "1")
    done = table("fit", "list.csv", "--target", "kind", *options, cwd=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 20
    assert "gone.png: No such file" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_read_and_kept_by_the_model(tmp_path, kind):
    if kind == "derivatives":
        pytest.importorskip("lior_field")
    written(tmp_path / "train", *bars(30), kind="npy")
    pictures, labels = bars(16, seed=3)
    np.savez(tmp_path / "test.npz", *pictures.astype(float))
    frame = images.read(tmp_path / "train")
    model = GeometricClassifier(shape=frame.attrs["shape"], features=kind, members=1, random_state=0)
    model.fit(frame.drop(columns="folder"), frame["folder"])
    test = images.read(tmp_path / "test.npz", shape=frame.attrs["shape"])
    assert test["file"].tolist()[:2] == ["test.npz:arr_0", "test.npz:arr_1"]
    found = model.predict_proba(test)
    if kind != "pixels":
        assert (model.classes_[found.argmax(1)] == labels).mean() > 0.9
    model.save(tmp_path / "run")
    assert np.array_equal(load(tmp_path / "run").predict_proba(test), found)


def test_forgetting_is_the_fit_without_the_rows():
    """With ``refit`` the filters are drawn anew: the model is the one that never saw the picture."""
    pictures, labels = bars(24)
    x = pictures.reshape(24, -1)

    def fitted(kept):
        model = GeometricClassifier(shape=(10, 10, 1), members=1, rounds=1, random_state=0)
        return model.fit(x[kept], labels[kept])

    model = fitted(slice(None)).forget([23], metric="refit")
    expected = fitted(slice(23))
    assert torch.equal(model.columns_.filters, expected.columns_.filters)
    assert np.array_equal(model.predict_proba(x), expected.predict_proba(x))
    kept = fitted(slice(None)).forget([23])
    again = fitted(slice(None))
    again.learn(x[:1] + 1.0, labels[:1])
    again.forget([23, 24])
    assert np.allclose(kept.predict_proba(x), again.predict_proba(x), atol=1e-10)


def test_sizes_and_colours_become_those_of_the_model(tmp_path):
    Image.fromarray(np.full((40, 80, 3), 7, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((90, 30), 7, np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.full((80, 80, 3), 9, np.uint8)).save(tmp_path / "c.jpg")
    frame = images.read(tmp_path, size=16)
    assert frame.attrs["shape"] == (16, 16, 3)
    assert np.allclose(frame.iloc[:2, 1:], 7)
    grey = images.read(tmp_path, shape=(8, 12, 1))
    assert grey.shape == (3, 1 + 96)
    assert np.allclose(grey.iloc[2, 1:].astype(float), 9, atol=1)


def test_videos_of_another_length_are_skipped(tmp_path):
    for name, count in (("a", 6), ("b", 6), ("c", 5)):
        np.save(tmp_path / f"{name}.npy", np.random.RandomState(count).rand(count, 9, 8))
    np.save(tmp_path / "d.npy", np.full((6, 9, 8), np.nan))
    np.save(tmp_path / "e.npy", np.array([{}], dtype=object))
    with pytest.warns(ColumnNote, match=r"3 files skipped, 2 read: .*d\.npy: some numbers are not finite"):
        frame = images.read(tmp_path)
    assert frame.attrs["shape"] == (9, 8, 6)
    reason = "c.npy: 5 components or frames, where the others have 6"
    assert reason in frame.attrs["skipped"]


def test_coordinates_of_new_pictures_are_those_of_the_training():
    pictures, _ = bars(12)
    x = pictures.reshape(12, -1).astype(float)
    found, z = Patches.fit(x, (10, 10, 1), "patches", torch.Generator().manual_seed(0))
    assert np.allclose(found.encode(x), z, atol=1e-4)
    assert np.isclose((z[:, 0] ** 2).mean(), 1)


def test_refusals_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no picture or array that can be read"):
        images.read(tmp_path)
    x = np.zeros((3, 100))
    with pytest.raises(UsageError, match="allowed are height, width and components"):
        Patches.fit(x, (9, 9, 1), "patches", torch.Generator())
    with pytest.raises(UsageError, match="allowed are patches, derivatives, pixels"):
        Patches.fit(x, (10, 10, 1), "wavelets", torch.Generator())
    with pytest.raises(ValueError, match="all pictures are the same"):
        Patches.fit(x, (10, 10, 1), "pixels", torch.Generator())
    Image.fromarray(bars(1)[0][0]).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackage, match=r"lior install images"):
        images.read(tmp_path)
