"""Models on disk: the same to the last bit, without code in any file, and never half of one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lior.errors import RunError
from lior.runs import bundle
from lior_tables import GeometricClassifier, GeometricRegressor, load, loading, saving
from lior_tables.loading import open_saved
from lior_tables.saving import check_new, save_edited

QUICK = {"members": 2, "rounds": 1, "random_state": 0}


def rows(count=60):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"a": rng.randn(count), "w": rng.choice(["x", "y", None], count)})
    return frame, frame["a"].to_numpy() ** 2


@pytest.mark.parametrize("labels", [["no", "yes"], [3, 7], [False, True], [0.0, 1.0]])
def test_a_classifier_comes_back_the_same(tmp_path, labels):
    frame, y = rows()
    model = GeometricClassifier(**QUICK).fit(frame, np.array(labels)[(y > 0.5).astype(int)])
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.classes_.dtype == model.classes_.dtype
    assert again.get_params() == model.get_params()


def test_a_regressor_comes_back_the_same_and_can_be_edited(tmp_path):
    frame, y = rows()
    model = GeometricRegressor(**QUICK).fit(frame, y)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    np.testing.assert_array_equal(again.predict_interval(frame), model.predict_interval(frame))
    np.testing.assert_array_equal(again.feature_importances_, model.feature_importances_)
    for each in (model, again):
        each.learn(frame[:3].assign(a=9.0), [1, 2, 3])
        each.forget([4, 61])
    # The first edits are by the factor where no inverse is at hand, so the last digits may differ.
    np.testing.assert_allclose(again.predict(frame), model.predict(frame), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(again.ledger_.ids, model.ledger_.ids)


def test_options_that_are_no_more_are_passed_over():
    frame, y = rows(20)
    model = GeometricRegressor(**QUICK).fit(frame, y)
    manifest, groups = saving._record(model)
    for options in (manifest["parameters"], manifest["model"]["options"]):
        options["large"] = "leaves"
    again = loading._restore(manifest, groups)
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_files_are_tensors_and_text_only(tmp_path):
    frame, y = rows()
    GeometricRegressor(**QUICK).fit(frame, y).save(tmp_path / "m")
    endings = {path.suffix for path in (tmp_path / "m").rglob("*") if path.is_file()}
    assert endings == {".toml", ".json", ".safetensors", ""}  # the lock has none
    assert (tmp_path / "m" / "lock").read_bytes() == b""


def test_a_model_that_was_killed_while_it_was_written_is_written_again(tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    model = GeometricRegressor(**QUICK)
    frame, y = rows()
    monkeypatch.setattr(bundle, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        GeometricRegressor(**QUICK).fit(frame, y).save(tmp_path / "m")
    monkeypatch.undo()
    check_new(model, tmp_path / "m")
    model.fit(frame, y).save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").predict(frame), model.predict(frame))
    with pytest.raises(RunError, match="not empty; nothing was touched"):
        check_new(model, tmp_path / "m")


def test_no_version_holds_a_forgotten_row(tmp_path):
    frame, y = rows()
    y[7] = 123456.78125
    GeometricRegressor(**QUICK).fit(frame, y).save(tmp_path / "m")
    secret = np.array([y[7]]).tobytes()

    def holds():
        return [
            file for file in (tmp_path / "m").rglob("*") if file.is_file() and secret in file.read_bytes()
        ]

    assert holds()
    model, _, place = open_saved(tmp_path / "m")
    model.learn(frame[:1], [0.25])
    save_edited(tmp_path / "m", place, model, None)
    model, _, place = open_saved(tmp_path / "m")
    model.forget([7])
    save_edited(tmp_path / "m", place, model, None)
    assert not holds()
    assert load(tmp_path / "m").n_rows_ == 60


def test_two_processes_do_not_write_over_one_another(tmp_path):
    frame, y = rows()
    GeometricRegressor(**QUICK).fit(frame, y).save(tmp_path / "m")
    first, _, place = open_saved(tmp_path / "m")
    second, _, same = open_saved(tmp_path / "m")
    save_edited(tmp_path / "m", place, first, None)
    with pytest.raises(RunError, match="another process has changed the model"):
        save_edited(tmp_path / "m", same, second, None)


def test_a_model_of_python_has_no_task_but_a_config(tmp_path):
    frame, y = rows()
    GeometricRegressor(**QUICK).fit(frame, y).save(tmp_path / "m")
    assert open_saved(tmp_path / "m")[1] is None
    assert 'kind = "GeometricRegressor"' in (tmp_path / "m" / "config.toml").read_text()
    manifest = json.loads(next((tmp_path / "m").rglob("manifest.json")).read_text())
    assert manifest["names"] == ["a", "w"]
