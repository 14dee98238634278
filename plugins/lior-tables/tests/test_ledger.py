"""Rows keep their ids; equal ones are one row of the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_tables.ledger import Ledger
from lior_tables.rows import join, keys, table

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 3)), min_size=2, max_size=12
)


def made(rows):
    """A table, targets and weights from drawn rows."""
    found = table(pd.DataFrame({"x": [float(r[0]) for r in rows], "w": [r[1] for r in rows]}), ["x", "w"])
    return found, np.array([[float(r[0] > 1)] for r in rows]), np.array([float(r[2]) for r in rows])


def state(ledger):
    """What the model should hold: each different row with its weight."""
    weights = ledger.slot_weights()
    rows = keys(ledger.table.iloc[ledger.representatives()])
    y = ledger.y[ledger.representatives()]
    return {
        (*row, *target): weight
        for row, target, weight in zip(rows.tolist(), y.tolist(), weights, strict=True)
    }


def edited(held, gone, again, weights):
    """Rows and weights that a model has after an edit; those in ``again`` come last, with new weights."""
    stay = [each for i, each in enumerate(held) if i not in set(gone.tolist())]
    moved = zip([held[i][0] for i in again], weights[len(stay) :], strict=False)
    return [*stay, *moved]


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS, st.data())
def test_after_learning_and_forgetting_the_model_holds_what_is_left(first, second, data):
    rng = np.random.RandomState(0)
    try:
        ledger, order = Ledger.of(*made(first), rng)
    except ValueError:
        assert len({r[:2] for r in first if r[2]}) < 2
        return
    held = [(place, ledger.slot_weights()[slot]) for slot, place in enumerate(order)]  # as the model has them
    grown, more, new = ledger.extended(*made(second))
    held = edited(held, more, more, grown.slot_weights())
    held += [(place, grown.slot_weights()[ledger.size + i]) for i, place in enumerate(new)]
    whole = Ledger.of(*made([*first, *second]), rng)[0]  # what is learned is merged as what is fitted
    assert sorted(grown.slot_weights().tolist()) == sorted(whole.slot_weights().tolist())
    gone_ids = data.draw(st.sets(st.integers(0, len(grown) - 1), max_size=len(grown) - 1))
    shrunk, gone, again = grown.without(grown.places(sorted(gone_ids)))
    held = edited(held, gone, again, shrunk.slot_weights()) if len(shrunk) else []
    # The model's rows, in its order, are those of the ledger's slots, with the same content and weights.
    all_rows, all_y = keys(grown.table), grown.y
    content = [(*all_rows[id].tolist(), *all_y[id].tolist(), weight) for id, weight in held]
    slots = shrunk.slot_weights() if len(shrunk) else []
    at = shrunk.representatives()
    expected = [
        (*all_rows[shrunk.ids[place]].tolist(), *all_y[shrunk.ids[place]].tolist(), weight)
        for place, weight in zip(at, slots, strict=True)
    ]
    assert content == expected
    assert set(shrunk.ids.tolist()) == set(range(len(first) + len(second))) - gone_ids


def test_weights_are_sums_over_equal_rows():
    ledger, order = Ledger.of(*made([(1, "a", 2), (2, "b", 1), (1, "a", 3)]), np.random.RandomState(0))
    assert sorted(ledger.slot_weights().tolist()) == [1.0, 5.0]
    assert len(order) == 2
    shrunk, gone, again = ledger.without(ledger.places([0]))
    assert len(gone) == len(again) == 1
    assert sorted(shrunk.slot_weights().tolist()) == [1.0, 3.0]


def test_unknown_rows_are_named():
    ledger, _ = Ledger.of(*made([(1, "a", 2), (2, "b", 1), (3, "a", 3)]), np.random.RandomState(0))
    with pytest.raises(ValueError, match="no row 7: rows of this model are 0 to 2, 3 in all"):
        ledger.places([7])
    with pytest.raises(ValueError, match="named twice"):
        ledger.places([1, 1])


def test_a_ledger_survives_its_snapshot():
    ledger, _ = Ledger.of(*made([(1, "a", 2), (2, "b", 0), (3, "a", 3)]), np.random.RandomState(0))
    tensors, record = ledger.snapshot()
    again = Ledger.restore({name: tensor.clone() for name, tensor in tensors.items()}, record)
    assert state(again) == state(ledger)
    assert isinstance(tensors["ids"], torch.Tensor)
    assert again.next_id == 3
    assert again.table.loc[1, "w"] == "b"


def test_a_table_of_two_files_keeps_words_apart():
    first = table(np.array([["a", 1], ["b", 2]], dtype=object), ["w", "x"])
    both = join(first, table(np.array([["c", 3], ["a", 4]], dtype=object), ["w", "x"]))
    assert both["w"].tolist() == ["a", "b", "c", "a"]
    assert both["x"].tolist() == [1, 2, 3, 4]
    empty = table(np.array([[None, 5]], dtype=object), ["w", "x"])
    assert join(first, empty)["w"].isna().tolist() == [False, False, True]
    assert join(empty, empty)["w"].isna().all()
