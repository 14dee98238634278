"""Models of tables in notebooks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior_tables import GeometricClassifier, GeometricRegressor, notebook

NAME = "<b>width</b>"
ROWS = pd.DataFrame({NAME: np.linspace(-1, 1, 40), "x": np.zeros(40)})


@pytest.fixture(scope="module")
def regressor():
    return GeometricRegressor(random_state=0, members=1, rounds=1).fit(ROWS, np.sin(3 * ROWS[NAME]))


def test_an_estimator_shows_its_errors_and_inputs(regressor):
    html = regressor._repr_html_()
    assert "<td>stored rows</td><td>40</td>" in html
    assert "90% of them are within" in html
    assert f"&lt;b&gt;width&lt;/b&gt;</td><td>{regressor.feature_importances_.max():.1%}" in html
    assert NAME not in html


def test_the_interval_holds_its_share_of_the_rows_left_out(regressor):
    model = regressor.model_
    errors = np.abs(regressor.left_out()[:, 0] - np.sin(3 * ROWS[NAME]))
    bound = float(notebook._errors(model)["90% of them are within"].removeprefix("± "))
    assert np.mean(errors <= bound * 1.001) == pytest.approx(0.9, abs=0.03)


def test_a_large_model_shows_no_errors(regressor, monkeypatch):
    monkeypatch.setattr(notebook, "_LEFT_OUT", 39)
    assert "within" not in regressor.model_._repr_html_()


def test_classes_have_no_interval():
    labels = np.where(ROWS[NAME] > 0, "<i>", "b")
    model = GeometricClassifier(random_state=0, members=1, rounds=1).fit(ROWS, labels)
    assert "within" not in model._repr_html_()
    told = model.explain(ROWS[:1])._repr_html_()
    assert "&lt;i&gt;" in told
    assert "<i>" not in told


def test_an_explanation_shows_the_rows_behind_a_prediction(regressor):
    html = regressor.explain(ROWS[:2])._repr_html_()
    assert html.count("<table>") == 2
    assert html.count("<tr>") == 2 * 9


def test_before_a_fit_it_is_scikit_learns():
    assert "sk-" in GeometricRegressor()._repr_html_()
