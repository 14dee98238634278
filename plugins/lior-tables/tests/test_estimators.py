"""The estimators keep scikit-learn's promises and their own."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.rows import ColumnNote

QUICK = {"members": 1, "rounds": 1, "random_state": 0}
BOTH = [GeometricRegressor, GeometricClassifier]


def rows(count=80, seed=0):
    """Numbers of which the first counts, and a word that shifts the target."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(-1, 1, (count, 3))
    words = np.array(["low", "high"])[(rng.rand(count) > 0.5).astype(int)]
    y = np.sin(3 * x[:, 0]) + 2 * (words == "high")
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "w": words}), y


def checked(estimator):
    """What scikit-learn says of an estimator: name of each check that did not pass -> why."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) > 50
    return {each["check_name"]: each["exception"] for each in found if each["status"] != "passed"}


@pytest.mark.parametrize("kind", BOTH)
def test_scikit_learns_checks(kind):
    # It skips itself where the environment does not ask for array API dispatch (SCIPY_ARRAY_API).
    assert set(checked(kind(members=1, rounds=1))) <= {"check_array_api_input"}


@pytest.mark.parametrize("kind", BOTH)
def test_frames_of_pandas_and_polars_and_arrays_predict_the_same(kind):
    frame, y = rows()
    y = y if kind is GeometricRegressor else np.where(y > 1, "big", "small")
    first = kind(**QUICK).fit(frame, y)
    other = kind(**QUICK).fit(pl.from_pandas(frame), y)
    plain = kind(**QUICK).fit(frame.to_numpy(dtype=object), y)
    np.testing.assert_array_equal(first.predict(frame), other.predict(pl.from_pandas(frame)))
    np.testing.assert_array_equal(first.predict(frame), plain.predict(frame.to_numpy(dtype=object)))
    assert first.feature_names_in_.tolist() == other.feature_names_in_.tolist() == ["a", "b", "c", "w"]


def test_the_order_of_rows_does_not_matter():
    frame, y = rows()
    order = np.random.RandomState(3).permutation(len(frame))
    first = GeometricRegressor(**QUICK).fit(frame, y)
    second = GeometricRegressor(**QUICK).fit(frame.iloc[order], y[order])
    np.testing.assert_allclose(first.predict(frame), second.predict(frame), rtol=1e-9)


@pytest.mark.parametrize("readout", ["ridge", "vote"])
def test_weights_are_repetitions(readout):
    frame, y = rows()
    counts = np.random.RandomState(1).randint(0, 4, len(frame))
    weighed, repeated = (GeometricRegressor(readout=readout, **QUICK) for _ in range(2))
    weighed.fit(frame, y, sample_weight=counts)
    repeated.fit(frame.loc[frame.index.repeat(counts)], y.repeat(counts))
    np.testing.assert_allclose(weighed.predict(frame), repeated.predict(frame), rtol=1e-9)


def test_missing_numbers_and_words_are_information():
    frame, y = rows(120)
    there = np.random.RandomState(0).rand(120) > 0.3
    frame["b"] = frame["b"].where(there)
    frame["w"] = frame["w"].where(frame["a"] > -0.5)
    y = y + 3 * ~there
    model = GeometricRegressor(**QUICK).fit(frame[:80], y[:80])
    assert model.score(frame[80:], y[80:]) > 0.8
    assert np.isfinite(model.predict(frame.assign(a=np.nan))).all()  # missing for the first time


@pytest.mark.parametrize(
    "made", [pd.DataFrame, lambda columns: pd.DataFrame(columns).to_numpy(), pl.DataFrame]
)
def test_dates_may_be_texts(made):
    days = pd.Series(pd.date_range("2020-01-01", periods=80))
    texts = days.dt.strftime("%Y-%m-%d").to_numpy(dtype=object)
    model = GeometricRegressor(**QUICK)
    with pytest.warns(ColumnNote, match="holds dates; they enter as days, time of year, weekday"):
        model.fit(made({"d": texts}), np.arange(80.0))
    dated = GeometricRegressor(**QUICK).fit(pd.DataFrame({"d": days}), np.arange(80.0))
    np.testing.assert_array_equal(model.left_out(), dated.left_out())
    assert model.predict(made({"d": ["2020-02-01"]})) == pytest.approx(31, abs=1)


def test_a_weekday_counts():
    rng = np.random.RandomState(0)
    days = pd.Timestamp("2016-01-01") + pd.to_timedelta(rng.randint(0, 3650, 400), "D")
    y = np.where(days.day_of_week >= 5, 3.0, 0.0) + rng.normal(0, 0.3, 400)
    x = pd.DataFrame({"day": days.strftime("%Y-%m-%d")})
    with pytest.warns(ColumnNote, match="column 'day' holds dates; they enter as .*weekday"):
        model = GeometricRegressor(random_state=0, members=1).fit(x[:300], y[:300])
    assert model.score(x[300:], y[300:]) > 0.8


def test_a_class_of_one_row_is_named():
    frame, y = rows()
    labels = np.where(y > 1, "high", "low").astype(object)
    labels[7] = "lonely"
    with pytest.warns(ColumnNote, match="classes of one row each, .*: 'lonely'$"):
        GeometricClassifier(**QUICK).fit(frame, labels)


def test_rare_classes_are_found_as_often_as_common_ones_where_that_is_asked_for():
    rng = np.random.RandomState(0)
    y = np.repeat(["none", "much"], [270, 30])
    x = pd.DataFrame({"x": rng.normal(size=300) + 1.5 * (y == "much")})
    model = GeometricClassifier(random_state=0, members=1).fit(x, y)
    usual, balanced = (np.mean(model.predict(x, balanced=each)[y == "much"] == "much") for each in (0, 1))
    assert usual < 0.5
    assert balanced > 0.6


def test_several_targets():
    frame, y = rows()
    both = np.stack([y, -10 * y], 1)
    model = GeometricRegressor(**QUICK).fit(frame, both)
    assert model.predict(frame).shape == both.shape
    assert model.score(frame, both) > 0.95
    low, high = model.predict_interval(frame)
    assert low.shape == high.shape == both.shape
    assert (low < high).all()


def test_words_as_distances_of_their_targets():
    rng = np.random.RandomState(0)
    words = rng.randint(0, 150, 700)
    y = np.sin(words) + 0.1 * rng.randn(700)
    frame = pd.DataFrame({"w": [f"w{i}" for i in words], "x": rng.randn(700)})
    near = GeometricRegressor(**QUICK).fit(frame[:600], y[:600])
    with pytest.warns(UserWarning, match="150 different words"):
        apart = GeometricRegressor(categories="one-hot", **QUICK).fit(frame[:600], y[:600])
    assert near.score(frame[600:], y[600:]) > 0.8 > apart.score(frame[600:], y[600:])


@pytest.mark.parametrize("kind", BOTH)
def test_shares_and_leave_one_out_are_exact(kind):
    frame, y = rows(60)
    y = y if kind is GeometricRegressor else (y > 1).astype(int)
    model = kind(**QUICK).fit(frame, y)
    found = model.explain(frame[:7])
    values = model.model_.predict(model._coordinates(model.rows(frame[:7]))).numpy()
    np.testing.assert_allclose(found.predictions, values, atol=1e-10)
    np.testing.assert_allclose(found.base + found.shares.sum(1), values, atol=1e-10)
    assert next(iter(model.worth().by_name())) in ("a", "w")
    weights = found.top(0, 60)["weight"].abs().tolist()
    assert weights == sorted(weights, reverse=True)
    assert 1 <= found.needed(0, 0.5) <= found.needed(0, 0.9) <= 60
    left = model.left_out()[5]
    without = clone(model)
    without.__dict__.update(model.__dict__)
    without.forget([5])
    answer = without.predict_proba if kind is GeometricClassifier else without.predict
    np.testing.assert_allclose(np.ravel(answer(frame.iloc[[5]])), left, rtol=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_learned_and_forgotten_rows_leave_nothing_behind(kind):
    frame, y = rows(60)
    y = y if kind is GeometricRegressor else np.where(y > 1, "big", "small")
    model = kind(**QUICK).fit(frame[:50], y[:50])
    before = model.predict_proba(frame) if kind is GeometricClassifier else model.predict(frame)
    ids = model.learn(frame[50:], y[50:], sample_weight=np.full(10, 2.0))
    assert ids.tolist() == list(range(50, 60))
    assert model.n_rows_ == 60
    model.forget(ids)
    after = model.predict_proba(frame) if kind is GeometricClassifier else model.predict(frame)
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert model.learn(frame[50:51], y[50:51]).tolist() == [60]  # an id is never given again


@pytest.mark.parametrize("kind", BOTH)
def test_rows_that_are_learned_twice_are_one_row_of_more_weight(kind):
    frame, y = rows(80)
    frame["w"] = [f"w{i % 70}" for i in range(80)]  # means of targets: a row's own coordinate is without it
    y = y if kind is GeometricRegressor else np.where(y > 1, "big", "small")
    model = kind(**QUICK).fit(frame[:60], y[:60])
    before, alone = model.left_out(), model.ledger_.slot_weights()
    ids = model.learn(frame[10:80], y[10:80])
    assert ids.tolist() == list(range(60, 130))
    assert model.ledger_.size == 80
    assert sorted(model.ledger_.slot_weights().tolist()) == [1] * 30 + [2] * 50
    found = model.left_out()
    np.testing.assert_array_equal(found[10:60], found[60:110])  # both are left out
    model.forget(ids)
    np.testing.assert_array_equal(model.ledger_.slot_weights(), alone)
    np.testing.assert_allclose(model.left_out(), before, atol=1e-8)


def test_learning_all_rows_again_says_nothing_about_others():
    frame, y = rows(60)
    y = y + np.random.RandomState(0).randn(60)
    model = GeometricRegressor(**QUICK).fit(frame, y)
    error = np.abs(model.left_out()[:, 0] - y).mean()
    model.learn(frame, y)
    assert np.abs(model.left_out()[:60, 0] - y).mean() > 0.9 * error


def test_to_forget_one_of_equal_rows_leaves_the_other():
    frame, y = rows(40)
    twice, both = pd.concat([frame, frame[:5]]), np.concatenate([y, y[:5]])
    model = GeometricRegressor(**QUICK).fit(twice, both)
    assert model.ledger_.size == 40
    model.forget([2])
    assert model.n_rows_ == 44
    assert model.ledger_.size == 40
    model.forget([42])
    assert model.ledger_.size == 39
    np.testing.assert_allclose(model.explain(frame[:1]).predictions[0], model.predict(frame[:1]), rtol=1e-9)


def test_refit_forgets_in_the_metric_and_the_scales_too():
    frame, y = rows(60)
    wild = pd.concat([frame, frame[:3].assign(a=100.0)])
    model = GeometricRegressor(**QUICK).fit(wild, np.concatenate([y, [9, 9, 9]]))
    model.forget([60, 61, 62], metric="refit")
    fresh = GeometricRegressor(**QUICK).fit(frame, y)
    np.testing.assert_allclose(model.predict(frame), fresh.predict(frame), rtol=1e-9)
    assert model.learn(frame[:1], [0.5]).tolist() == [63]


def test_they_compose_with_scikit_learn():
    frame, y = rows()
    numbers = frame[["a", "b", "c"]]
    piped = make_pipeline(StandardScaler(), GeometricRegressor(**QUICK))
    scores = cross_val_score(piped, numbers.assign(w=(frame["w"] == "high") + 0.0), y, cv=3)
    assert scores.mean() > 0.8


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f, y: GeometricRegressor().fit(f, np.where(y > 1, np.nan, y)), "Input y contains NaN"),
        (lambda f, y: GeometricClassifier().fit(f, np.zeros(80)), "only one class: 0\\.0"),
        (lambda f, y: GeometricRegressor().fit(f, y * 1e160), "give y in another unit"),
        (lambda f, y: GeometricRegressor().fit(f, y * 1e-300), "give y in another unit"),
        (lambda f, y: GeometricRegressor().fit(f[:1], y[:1]), "minimum of 2 is required"),
        (lambda f, y: GeometricRegressor().fit(f, y[:-1]), "inconsistent numbers of samples"),
        (lambda f, y: GeometricRegressor().fit(f, y, sample_weight=-np.ones(80)), "Negative values"),
        (lambda f, y: GeometricRegressor(categorical_features=["z"]).fit(f, y), "no column 'z'"),
        (
            lambda f, y: GeometricRegressor(**QUICK).fit(f, y).predict(f.rename(columns={"a": "A"})),
            "feature names",
        ),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).forget(range(79)), "fewer than two rows"),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).forget([0], metric="all"), "metric='all'"),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).forget([5.9]), "whole numbers .* are float64"),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).forget([True]), "whole numbers .* are bool"),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).forget([10**30]), "no row 1000"),
        (lambda f, y: GeometricRegressor(**QUICK).fit(f, y).learn(f, np.stack([y, y], 1)), "y has 2 targets"),
        (lambda f, y: GeometricClassifier(**QUICK).fit(f, y > 1).learn(f[:1], ["x"]), "y has the class 'x'"),
    ],
)
def test_bad_input_gets_one_clear_line(call, said):
    frame, y = rows()
    with pytest.raises(ValueError, match=said):
        call(frame, y)


def test_a_word_among_plain_numbers_is_missing_and_far_values_are_named():
    frame, y = rows(60)
    frame = frame.assign(day=pd.date_range("2026-01-01", periods=60))
    model = GeometricRegressor(**QUICK).fit(frame, y)
    new = frame[:4].astype(object).set_axis([7, 8, 9, 10])
    new.loc[8, "a"], gap = "n/a?", frame[:4].assign(a=frame["a"].where(frame.index != 1)[:4])
    said = "column 'a': 1 cell that is no number counts as missing .'n/a\\?' in row 8"
    for given in (new, new.assign(a=new["a"].map(str)), new[1:2]):
        with pytest.warns(ColumnNote, match=said):
            found = model.predict(given)
        np.testing.assert_array_equal(found, model.predict(gap if len(given) > 1 else gap[1:2]))
    with pytest.raises(TypeError, match="column 'a': 'x' is a word, and numbers were there before"):
        model.predict(new.assign(a=["x", "y", "x", "y"]))
    with pytest.warns(ColumnNote) as notes:
        model.predict(frame[:4].assign(a=[0.0, 1e4, 9e3, 0.0], day=pd.Timestamp("2026-03-02 12:00")))
    said = [str(note.message) for note in notes if "outside" in str(note.message)]
    assert len(said) == 2  # one for each column
    assert said[0].startswith("column 'a': 10,000 in row 1 is outside the training rows (")
    assert said[0].endswith("); so is 1 other row")
    assert said[1].startswith("column 'day': 2026-03-02 12:00 in row 0 is outside the training rows (2026-")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.learn(frame[:1].assign(a=1e4), [0.5])  # it is a row of the model then
        model.predict(frame[:1].assign(a=1e4))


def test_intervals_that_need_more_rows_say_how_many():
    frame, y = rows(60)
    model = GeometricRegressor(**QUICK).fit(frame, y)
    said = "0.99 need the errors of 99 rows, and the model has 60: .* with 0.98 or less"
    with pytest.warns(ColumnNote, match=said):
        low, _ = model.predict_interval(frame[:2], alpha=0.01)
    assert np.isinf(low).all()


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda f: f.assign(b=np.nan),  # nothing there
        lambda f: f.assign(b=f["b"] * 1e200, c=f["c"] * 1e-200),
    ],
)
def test_odd_tables_are_fitted(spoilt):
    frame, y = rows()
    model = GeometricRegressor(**QUICK).fit(spoilt(frame), y)
    assert np.isfinite(model.predict(spoilt(frame))).all()
    assert np.isfinite(model.feature_importances_).all()
    assert model.feature_importances_.max() > 0.1


def test_a_table_where_nothing_varies_predicts_the_mean():
    model = GeometricRegressor(**QUICK).fit(np.ones((6, 2)), np.arange(6.0))
    np.testing.assert_allclose(model.predict(np.ones((2, 2))), 2.5, atol=0.2)
    assert model.feature_importances_.tolist() == [0, 0]


def test_reasons_sum_to_the_prediction_where_float32_is_too_short():
    x = np.random.RandomState(0).randn(620, 2)
    y = np.sin(x[:, 0]) + x[:, 1] ** 2  # without noise: the ridge is small, and values cancel
    model = GeometricRegressor(members=3, random_state=0).fit(x[:600], y[:600])
    found = model.explain(x[600:])
    np.testing.assert_allclose(found.predictions[:, 0], model.predict(x[600:]), atol=1e-5)
