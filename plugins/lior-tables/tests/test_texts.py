"""Columns of texts: what they say of new rows, by their words or by an encoder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior.errors import MissingPackage
from lior_tables import GeometricClassifier, GeometricRegressor, load
from lior_tables import texts as texts_module
from lior_tables.rows import ColumnNote
from lior_tables.texts import Texts, words_recur

GOOD, BAD = ["lovely", "great", "friendly", "fresh"], ["cold", "rude", "stale", "slow"]
NEUTRAL = ["soup", "waiter", "table", "bread", "wine", "terrace", "menu", "evening", "city", "rain"]
QUICK = {"members": 1, "rounds": 1, "random_state": 0}


def reviews(count: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Reviews, nearly all different, that praise or blame, beside a number that says nothing."""
    rng = np.random.RandomState(seed)
    liked = rng.rand(count) < 0.5
    texts = [
        " ".join(rng.permutation([*rng.choice(GOOD if good else BAD, 2), *rng.choice(NEUTRAL, 5)]))
        for good in liked
    ]
    return pd.DataFrame({"review": texts, "guests": rng.randint(1, 6, count)}), np.where(liked, "yes", "no")


def test_texts_say_what_new_rows_are() -> None:
    table, liked = reviews()
    with pytest.warns(ColumnNote, match="column 'review' holds texts; they enter by their words"):
        model = GeometricClassifier(**QUICK, texts="words").fit(table[:160], liked[:160])
    assert model.score(table[160:], liked[160:]) > 0.95
    unknown = table[:2].assign(review=[None, "zebra"])
    assert np.isfinite(model.predict_proba(unknown)).all()


def test_names_that_say_nothing_change_nothing() -> None:
    rng = np.random.RandomState(0)
    table = pd.DataFrame({"x": rng.randn(200)})
    names = [f"{rng.choice(GOOD)} {rng.choice(BAD)} {rng.randint(10**6)}" for _ in range(200)]
    y = np.sin(3 * table["x"]) + 0.1 * rng.randn(200)
    plain = GeometricRegressor(**QUICK).fit(table[:150], y[:150])
    with pytest.warns(ColumnNote, match="'who' holds texts or names that do not predict the target"):
        named = GeometricRegressor(**QUICK, texts="words").fit(table.assign(who=names)[:150], y[:150])
    said = named.predict(table.assign(who=names)[150:])
    assert np.square(said - y[150:]).mean() < 1.1 * np.square(plain.predict(table[150:]) - y[150:]).mean()


def test_a_row_has_no_part_in_how_it_is_read() -> None:
    table, _ = reviews(60)
    y, given = np.zeros((60, 1)), (table["review"].tolist(), np.arange(60))
    parts = np.arange(60) % 5
    changed = np.where(np.arange(60)[:, None] == 7, 100.0, y)
    before, after = (Texts.fit(*given, each, np.ones(60), "words", parts, None)[1] for each in (y, changed))
    same = parts == 7 % 5
    np.testing.assert_array_equal(before[same], after[same])
    assert (before[~same, 0] != after[~same, 0]).any()


def test_a_model_of_texts_is_saved_edited_and_fitted_again(tmp_path) -> None:
    table, _ = reviews(150)
    y = table["review"].str.contains("lovely|great").to_numpy(float) + 0.1 * table["guests"].to_numpy()
    model = GeometricRegressor(**QUICK, texts="words").fit(table[:100], y[:100])
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(table[100:]), model.predict(table[100:]))
    before = again.predict(table[100:])
    ids = again.learn(table[100:110], y[100:110])
    assert not np.array_equal(again.predict(table[100:]), before)
    again.forget(ids)
    np.testing.assert_allclose(again.predict(table[100:]), before, atol=1e-6)
    again.forget(range(20), metric="refit")
    assert np.isfinite(again.predict(table[100:])).all()


def test_errors_are_told_with_the_coordinates_that_rows_were_learned_with(monkeypatch) -> None:
    table, _ = reviews(120)
    table["shop"] = ["a", "b", "c", "d"] * 30
    y = table["review"].str.contains("lovely|great").to_numpy(float)
    model = GeometricRegressor(**QUICK, texts="words", time="guests").fit(table[:100], y[:100])
    asked = model._coordinates(model.rows(table[100:].assign(shop="e")))
    monkeypatch.setattr(Texts, "raw", lambda *_: np.full((100, 2), 9.0))  # with their own targets
    monkeypatch.setattr(model, "_coordinates", lambda rows: asked)
    low, high = model.predict_interval(table[100:].assign(shop="e"))
    assert (high > low).all()
    assert model.drift() < 3


def test_words_of_a_single_text_are_not_kept() -> None:
    texts = ["alpha secret", "alpha beta", "beta gamma", "gamma alpha"]
    found, _ = Texts.fit(texts, np.arange(4), np.ones((4, 1)), np.ones(4), "words", np.arange(4) % 5, None)
    hashed = texts_module._count(["secret"]).indices
    assert len(found.kept) == 3
    assert not np.isin(hashed, found.kept).any()


def test_names_have_no_words_in_common() -> None:
    assert not words_recur([f"ticket{i}" for i in range(500)])
    assert not words_recur([f"ticket {i}" for i in range(500)])
    assert words_recur(reviews()[0]["review"].tolist())


class Fake:
    """Vectors of how often letters occur."""

    digest = "one"
    asked = 0

    def embed(self, texts, *, question=False):
        Fake.asked += len(texts)
        return np.array([[text.count(letter) for letter in "abcdefgh"] for text in texts], np.float32)


def absent() -> None:
    raise MissingPackage("the embedder e5 needs onnxruntime")


def test_the_encoder_reads_where_it_is_installed(monkeypatch) -> None:
    table, liked = reviews(120)
    monkeypatch.setattr(texts_module.registry, "get", lambda kind, name: Fake)
    monkeypatch.setenv("LIOR_EMBEDDER", "")
    assert texts_module.chosen("auto", 100) == "words"
    monkeypatch.delenv("LIOR_EMBEDDER")
    said: dict[str, float] = {}
    with pytest.warns(ColumnNote, match="vectors of the encoder 'e5'"):
        model = GeometricClassifier(**QUICK).fit(table, liked, on_progress=said.__setitem__)
    assert "reading texts" in said
    model.predict(table)
    assert Fake.asked == table["review"].nunique()  # once each
    assert texts_module.chosen("auto", 1_001) == "words"
    monkeypatch.setattr(Fake, "digest", "two")
    with pytest.raises(ValueError, match="read by another version of 'e5'; fit the model again"):
        model.predict(table)
    monkeypatch.setattr(texts_module.registry, "get", lambda kind, name: absent)
    assert texts_module.chosen("auto", 100) == "words"
    with pytest.raises(MissingPackage):
        GeometricClassifier(**QUICK, texts="e5").fit(table, liked)
