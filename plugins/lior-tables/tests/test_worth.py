"""The worth of an input is what a model loses that is fitted without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.model import TableModel
from lior_tables.worth import worth

_TOLD = ("own", "kind", "noise")


def drawn(seed: int, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return an input with an effect, a copy of another one with its original, words and noise."""
    rng = np.random.RandomState(seed)
    x = rng.randn(rows, 3)
    kind = rng.choice(list("abc"), rows)
    copied, noise = x[:, 1], x[:, 2]
    frame = pd.DataFrame(
        {"own": x[:, 0], "one": copied, "same": 5 - 2 * copied, "kind": kind, "noise": noise}
    )
    y = 2 * x[:, 0] + np.sin(2 * copied) + (kind == "a") + 0.3 * rng.randn(rows)
    return frame, y


@pytest.mark.parametrize("classes", [False, True])
def test_the_worth_of_an_input_is_the_loss_without_it(classes):
    """The worth itself in the mean of three draws, since one draw of 300 rows is far from it by chance."""
    kind, far = GeometricClassifier if classes else GeometricRegressor, list[list[float]]()
    for seed in range(3):
        frame, y = drawn(seed, 900)
        y = y > 0.5 if classes else y

        def error(inputs: list[str], frame: pd.DataFrame = frame, y: np.ndarray = y) -> float:
            model = kind(members=2, random_state=0).fit(frame[:300][inputs], y[:300])
            if classes:
                said = model.predict_proba(frame[300:][inputs])
                return float(-np.log(np.clip(np.where(y[300:], said[:, 1], said[:, 0]), 1e-4, 1)).mean())
            return float(np.sqrt(np.square(model.predict(frame[300:][inputs]) - y[300:]).mean()))

        model = kind(members=2, random_state=0).fit(frame[:300], y[:300])
        found, names = model.worth().by_name(), list(frame)
        assert next(iter(found)) == "own"
        base = error(names)
        true = {name: error([other for other in names if other != name]) / base for name in _TOLD}
        far.append([np.log1p(found[name]) - np.log(true[name]) for name in _TOLD])
        assert max(abs(found["one"]), abs(found["same"])) < 0.05, "each replaces the other"
        assert found["kind"] > max(0.03, found["noise"])
        low, high = model.worth().spread()
        assert ((low <= model.feature_importances_) & (model.feature_importances_ <= high)).all()
        assert {"own", "kind"} <= set(model.worth().beyond_chance()) <= {"own", "kind", "noise"}
        tensors, meta = model.model_.snapshot()
        again = worth(TableModel.restore(tensors, meta), None, model.columns_.origins, names)
        np.testing.assert_array_equal(again.values(), model.feature_importances_)
    assert np.abs(np.mean(far, 0)).max() < (0.6 if classes else 0.3)
