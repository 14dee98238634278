"""The posterior of lines that are drawn without pictures, so that what they are is known to the last bit."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import RunError
from lior_lens import estimating, evaluating, lines, scenes, trust
from lior_lens.arcs import Arcs
from lior_lens.geometry import Lens
from lior_lens.lines import Grid

T = np.linspace(-1, 1, 16)


def seen(lens: Lens, *, level: int = 8, upright: int = 8, bow: float = 0.0, seed: int = 0) -> Arcs:
    """Lines of two directions as a lens shows them; level ones are bowed in the world."""
    rng = np.random.default_rng(seed)
    world, wide = lines.lens_of(bow), 1 / (1 + lines.strength_of(lens))  # the picture is filled
    found = []
    for along in [True] * level + [False] * upright:
        offset, middle, half = rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.35)
        t, s = middle + half * T, np.full(len(T), offset) + rng.uniform(-0.2, 0.2) * half * T
        x, y = (t, s) if along else (s, t)
        if along:
            x, y = world.forward(x, y)
        found.append(np.stack(lens.forward(wide * x, wide * y), -1))
    points = np.array(found) + rng.normal(0, 1e-4, (len(found), 16, 2))
    count = len(found)
    return Arcs(
        points=points,
        noise=np.full(count, 4e-4),
        pixel=1 / 640,
        looks=np.tile((0.15, 1.0, 25.0, 1.0), (count, 1)),
    )


def test_a_grid_of_lenses_undoes_what_each_lens_does():
    found, grid = seen(Lens.brown(k1=-0.1)), Grid.of(np.linspace(-0.28, 0.3, 7), np.linspace(-1, 1, 5))
    bows = found.measured_over(grid.undoing)[0]
    for row, strength in enumerate(grid.strengths.tolist()):
        for column, shape in enumerate(grid.shapes.tolist()):
            if grid.allowed[row, column]:
                lens = lines.lens_of(strength, shape)
                assert bows[row, column] == pytest.approx(found.bows(lens), abs=4e-4)


@pytest.mark.parametrize("strength", [-0.35, -0.12, 0.0, 0.07, 0.25])
@pytest.mark.parametrize("network", [None, trust.find_shipped()], ids=["constant votes", "trust"])
def test_lines_of_two_directions_say_which_lens_it_is(strength, network):
    shape = -0.5 if strength < -0.3 else 0.1
    verdict = lines.judge(seen(lines.lens_of(strength, shape)), trust=network)
    assert abs(verdict.strength - strength) < 2 * verdict.spread
    assert verdict.sure == (abs(strength) > 0.03)


@pytest.mark.parametrize("network", [None, trust.find_shipped()], ids=["constant votes", "trust"])
def test_a_curved_wall_is_not_taken_for_a_lens(network):
    """Level lines that are bowed in the world as a lens bows them; upright ones are not, or are missing."""
    disagreeing = lines.judge(seen(Lens(), bow=-0.1), trust=network)
    assert not disagreeing.sure
    count = 8 if network else 12  # constant votes need more lines to say so
    more = lines.judge(seen(Lens(), bow=-0.1, level=count, upright=count), trust=network)
    assert not more.sure
    assert "one direction" in more.words
    alone = lines.judge(seen(Lens(), bow=-0.1, upright=0), trust=network)
    assert not alone.sure
    assert "one direction" in alone.words


def meeting(lens: Lens) -> Arcs:
    """Lines too short to seem bowed, of two families that meet far outside, and three strays."""
    rng, wide, found = np.random.default_rng(3), 1 / (1 + lines.strength_of(lens)), []
    for number in range(43):
        middle = rng.uniform(-1, 1, 2) * (0.75, 0.5)
        toward = np.array([(4.0, 0.5), (0.3, -3.0), rng.uniform(-1, 1, 2)][number // 20]) - middle
        x, y = (middle + 0.04 * T[:, None] * toward / np.hypot(*toward)).T
        found.append(np.stack(lens.forward(wide * x, wide * y), -1))
    noise = np.full(len(found), 4e-4)
    looks = np.tile((0.15, 1.0, 25.0, 1.0), (len(found), 1))
    return Arcs(points=np.array(found), noise=noise, pixel=1 / 640, looks=looks)


def test_lines_that_are_parallel_in_the_world_meet_under_the_right_lens():
    strength = -0.05
    found = meeting(lines.lens_of(strength))
    assert [len(set(found.family[each])) for each in (slice(20), slice(20, 40))] == [1, 1]
    assert found.family[0] != found.family[20]
    right, none = np.abs(
        found.measured_over(Grid.of(np.array([strength, 0.0]), np.zeros(1)).undoing)[1, :, 0, :40]
    )
    assert right.max() < 1e-4
    assert none.mean() > 10 * right.mean()
    few = Arcs(points=found.points[:2], noise=found.noise[:2], pixel=found.pixel, looks=found.looks[:2])
    assert few.family.tolist() == [-1, -1]
    assert not few.measured_over(Grid.of(np.zeros(1)).undoing)[1].any()


@pytest.mark.parametrize("strength", [-0.24, 0.0, 0.16])
def test_families_that_a_strong_lens_parts_are_found_under_the_lens_that_most_lines_meet_under(strength):
    found = meeting(lines.lens_of(strength))
    again = found.regrouped
    assert lines.strength_of(again.grouping) == pytest.approx(strength, abs=0.06)
    assert [len(set(again.family[each])) for each in (slice(20), slice(20, 40))] == [1, 1]
    assert (again.family[:40] >= 0).all()
    if strength:
        assert (found.family[:40] < 0).any() or len(set(found.family[:20])) > 1
    assert found.grouping is None


def test_two_networks_judge_as_one_whose_evidence_is_their_mean():
    found, shipped = seen(lines.lens_of(-0.1), level=3, upright=3), trust.find_shipped()
    first, second = trust.Trust(weights=shipped.weights), shipped.regrouped
    grid, experts = lines._coarse(), shipped.experts(found)
    assert [each.grouping is None for each, _ in experts] == [True, False]
    one, other = (lines._by_group([[each]], grid) for each in experts)
    assert lines._by_group([experts], grid) == pytest.approx(np.concatenate([one, other], 2))
    alone = [lines.judge(found, trust=first).strength, lines.judge(found.regrouped, trust=second).strength]
    assert min(alone) - 1e-3 <= lines.judge(found, trust=shipped).strength <= max(alone) + 1e-3


def test_short_lines_that_meet_are_as_good_as_long_ones():
    found = meeting(lines.lens_of(-0.12))
    verdict, bows_alone = lines.judge(found, trust=trust.find_shipped()), lines.judge(found)
    assert verdict.spread < 0.5 * bows_alone.spread
    assert abs(verdict.strength + 0.12) < 2 * verdict.spread


def verdict(strength, spread):
    return lines.Verdict(lens=lines.lens_of(strength), strength=strength, spread=spread, lines=9.0, arcs=9)


@given(st.floats(0.001, 0.4), st.floats(0.015, 0.2), st.floats(1, 3), st.sampled_from([-1, 1]))
def test_more_is_corrected_of_stronger_and_surer_estimates(strength, spread, times, sign):
    share = verdict(sign * strength, spread).expected
    assert 0 <= share <= verdict(sign * strength * times, spread).expected <= 1
    assert verdict(-sign * strength, spread).expected == share
    if strength >= 2 * spread * times:
        assert verdict(sign * strength, spread * times).expected <= share


def test_what_is_doubted_is_corrected_by_a_part():
    shares = [verdict(-0.1, spread).share for spread in (0.015, 0.035, 0.045)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.99
    assert 0.4 < shares[2] < 0.6
    assert "% of it is corrected" in verdict(-0.1, 0.035).words
    assert not verdict(-0.1, 0.07).sure
    assert verdict(-0.1, 0.07).share == 1  # what --always corrects
    said = estimating.Estimate(lens=lines.lens_of(-0.1), how="lines", words="", share=0.7)
    assert lines.strength_of(said.careful) == pytest.approx(-0.07, abs=6e-3)


def test_evidence_that_contradicts_all_other_evidence_counts_little():
    """Misses of a wrong family, certain of another lens, do not outweigh the bows of both directions."""
    grid = lines._coarse()
    flat = np.zeros(grid.allowed.shape)
    bow, miss = (
        np.maximum(-0.5 * ((grid.strengths[:, None] - at) / 0.03) ** 2, least) + flat
        for at, least in ((-0.2, -10), (0.1, -40))
    )
    logs = np.array([[bow, miss], [bow, flat]])[None, :, None]
    found = lines._posterior(
        logs, lines._alone(logs, grid), np.full((1, 1, 1, 1, 1), 0.05), lines.Belief(), grid
    )
    assert found.strength == pytest.approx(-0.2, abs=0.02)


def test_a_lens_at_the_end_of_the_range_is_said_to_be_there():
    strong = lines.judge(seen(lines.lens_of(-0.55, -1), level=30, upright=30))
    assert "end of the range" in strong.words
    assert "end of the range" not in lines.judge(seen(lines.lens_of(-0.2))).words


def test_photographs_of_one_lens_are_judged_together():
    lens = lines.lens_of(-0.05)
    few = [seen(lens, level=2, upright=2, seed=each) for each in range(6)]
    together, first = lines.judge_all(few), lines.judge(few[0])
    assert together.spread < first.spread
    assert abs(together.strength + 0.05) < 2 * together.spread
    assert together.arcs == 24


def test_training_sees_the_posterior_that_judges():
    """Torch in training and NumPy in use give the same mean, with the network as it begins."""
    torch = pytest.importorskip("torch")
    from lior_lens import trust_training

    found = seen(lines.lens_of(-0.1), bow=0.03)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = trust_training._Net()
    with torch.no_grad():
        mean = trust_training._loss(net, [trust_training.Case.of(found, -0.1)])[1]
    network = trust.Trust(weights={k: v.numpy().astype(float) for k, v in net.state_dict().items()})
    votes, grid = network.votes(found), lines._coarse()
    logs = lines._by_group([[(found, votes)]], grid)
    judged = lines._posterior(logs, lines._alone(logs, grid), votes.bent, lines.Belief(), grid)
    assert float(mean[0]) == pytest.approx(judged.strength, abs=1e-4)


def test_trust_is_learned_from_photographs_and_read_back(tmp_path):
    cv2, trust_training = pytest.importorskip("cv2"), pytest.importorskip("lior_lens.trust_training")
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), scenes.scene(320, 240, np.random.default_rng(ord(name))))
    (tmp_path / "manifest.csv").write_text("file,series,part,kind\na.png,a,learn,A\nb.png,b,check,A\n")
    given = evaluating.collection(tmp_path, "learn")
    fitted = trust_training.train(8, epochs=2, seed=0, say=lambda _: None, photographs=given)
    trust_training.save(fitted, tmp_path / "edges")
    verdict = lines.judge(seen(lines.lens_of(-0.1)), trust=trust.Trust.open(tmp_path / "edges"))
    assert abs(verdict.strength + 0.1) < 0.03
    assert 0 < trust.Trust.open(tmp_path / "edges").votes(seen(Lens())).bent < 0.1
    assert "regrouped: strength off by" in fitted.words
    trust_training.save(attrs.evolve(fitted, regrouped=None), tmp_path / "before")
    with pytest.raises(RunError, match="not a network of edges of this version"):
        trust.Trust.open(tmp_path / "before")
