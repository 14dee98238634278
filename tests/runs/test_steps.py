"""Which checkpoints stay: the last ones, every so many-th, the best; and never none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lior.runs import retention as steps
from lior.testing.strategies import LAW

SCORES = st.dictionaries(
    st.integers(0, 10**9 - 1), st.none() | st.floats(0, 10, allow_nan=False), min_size=1, max_size=12
)


@LAW
@given(scores=SCORES, last=st.integers(0, 5), every=st.integers(0, 5))
def test_the_last_the_best_and_every_so_many_th(scores, last, every):
    kept = steps.retained(scores, last=last, every=every)
    ordered = sorted(scores)
    assert kept <= set(ordered)
    assert max(ordered) in kept, "the newest"
    assert set(ordered[len(ordered) - last :]) <= kept
    assert not every or set(ordered[::every]) <= kept
    known = {s for s in scores if scores[s] is not None}
    assert not known or min(scores[s] for s in known) in {scores[s] for s in kept & known}
    assert len(kept) <= max(last, 1) + bool(known) + (-(-len(ordered) // every) if every else 0)


def test_a_step_more_or_less():
    scores = {0: None, 3: 2.0, 5: 1.0, 8: 1.5, 9: None}
    assert steps.retained(scores, last=1, every=0) == {5, 9}
    assert steps.retained(scores, last=2, every=0) == {5, 8, 9}
    assert steps.retained(scores, last=1, every=2) == {0, 5, 9}
    assert steps.retained({1: None}, last=0, every=0) == {1}


def test_what_is_removed_and_what_stays(tmp_path):
    for step in (1, 2, 3, 4):
        steps.place(tmp_path, step).mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-000000009.partial").mkdir()
    (tmp_path / "checkpoints" / "mine").mkdir()
    (tmp_path / "summary.json.partial").touch()
    steps.prune(tmp_path, newest=steps.place(tmp_path, 4), last=2, every=0)
    assert [steps.number(path) for path in steps.listed(tmp_path)] == [4, 3]
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["mine", "step-000000003", "step-000000004"]
    assert not (tmp_path / "summary.json.partial").exists()
    steps.prune(tmp_path, newest=steps.place(tmp_path, 3), last=1, every=0)
    assert [steps.number(path) for path in steps.listed(tmp_path)] == [4, 3], "neither newest is removed"
