"""The cross-encoder: MiniLM with changed products, and the judge that reads with it."""

import numpy as np
import pytest

from lior import registry
from lior_ask import Index
from lior_ask.embedders import eight_bits
from lior_ask.embedders.minilm import MiniLm, read_model
from lior_ask.judging import chosen_judge, cross_encoder
from lior_ask.judging.cross_encoder import ABOVE, ASKED, LOWEST, PIECES, CrossEncoder, above, join, pieces
from lior_ask.judging.features import gather
from lior_ask.judging.linear import Linear
from lior_ask.question.question import understood

NOTES = """# Boiler

The boiler was checked in March.

Call Mr Okafor on 555 0134 when it makes noise; he mends it.

# Garden

Cut the roses in March. The ladder is in the shed.
"""


@pytest.fixture(scope="module")
def model() -> memoryview:
    return read_model(MiniLm().place)


@pytest.fixture(scope="module")
def unchanged(model) -> dict[str, np.ndarray]:
    stored = eight_bits.tensors(model)
    weights = {"kinds": stored["inner.embeddings.token_type_embeddings.weight"]}
    for name in cross_encoder.products(stored):
        rows, columns = stored[f"{name}_q"].shape
        weights |= {f"{name}.a": np.zeros((rows, 2)), f"{name}.b": np.zeros((2, columns))}
    return weights


def test_large_weights_are_given_apart_and_not_copied(model):
    stored = eight_bits.tensors(model)
    products = cross_encoder.products(stored)
    assert len(products) == 36
    new = {
        f"{products[0]}_q": -stored[f"{products[0]}_q"],
        f"{products[0]}_scale": stored[f"{products[0]}_scale"] * 2,
    }
    graph, large = eight_bits.split(model, new)
    assert len(graph) < len(model) / 50
    assert large[f"{products[0]}_q"] is new[f"{products[0]}_q"]
    assert all(np.shares_memory(large[f"{name}_q"], stored[f"{name}_q"]) for name in products[1:])
    small = eight_bits.tensors(graph)
    assert small.keys() == stored.keys() - large.keys()
    assert (small[f"{products[0]}_scale"] == new[f"{products[0]}_scale"]).all()
    assert (small[f"{products[1]}_scale"] == stored[f"{products[1]}_scale"]).all()


def test_without_changes_it_is_the_sentence_encoder(unchanged):
    [ids] = pieces(["The boiler was checked in March."])
    row = np.array([[101, *ids, 102]])
    feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    mean = cross_encoder.session(unchanged).run(None, feed)[0][0].mean(0)
    [vector] = MiniLm().embed(["The boiler was checked in March."])
    assert mean @ vector / np.linalg.norm(mean) > 0.999


def test_a_changed_product_changes_the_score(unchanged):
    random = np.random.default_rng(0)
    weights = unchanged | {"head": random.normal(size=768), "constant": np.zeros(1)}
    pair = join(*pieces(["Who mends it?", "Boiler", "Call Mr Okafor."]))
    before = cross_encoder.score(cross_encoder.session(weights), weights, *pair)
    name = next(name for name in weights if name.endswith(".b"))
    weights |= {name: random.normal(size=weights[name].shape) / 50}
    weights |= {name[:-1] + "a": random.normal(size=weights[name[:-1] + "a"].shape) / 50}
    after = cross_encoder.score(cross_encoder.session(weights), weights, *pair)
    assert abs(after - before) > 1e-3


@pytest.mark.parametrize("sizes", [(3, 0, 4), (90, 90, 90), (3, 30, 200), (0, 0, 0)])
def test_a_pair_has_both_parts_and_is_not_too_long(sizes):
    asked, head, text = ([number + 1] * size for number, size in enumerate(sizes))
    ids, own = join(asked, head, text)
    assert len(ids) <= PIECES
    assert ids[:own] == [101, *asked[:ASKED], 102]
    assert ids[own:].count(2) == min(len(head), ABOVE)
    assert ids[-1] == 102
    assert not text or 3 in ids[own:]


@pytest.fixture(scope="module")
def candidates():
    index = Index(retriever="meaning")
    index.learn("house.md", NOTES)
    question = understood("Who repairs the boiler?")
    ranking = registry.get("retriever", "meaning")().rank(index.inverted, question, 40)
    return question, gather(question, ranking, index.inverted)


def test_what_stands_above_is_of_the_same_block(candidates):
    _, found = candidates
    texts = {passage.text: above(found, number) for number, passage in enumerate(found.passages)}
    assert texts["The boiler was checked in March."].startswith("Boiler")
    assert "roses" not in texts["Cut the roses in March."]


def test_what_is_not_read_has_the_lowest_score(candidates):
    _, found = candidates
    wide = cross_encoder.widen(found, np.array([1, 0]), np.array([3.0, -99.0]))
    assert wide.features[:3, -1].tolist() == [LOWEST, 3.0, LOWEST]
    assert wide.features.shape[1] == found.features.shape[1] + 1


def test_the_judge_reads_what_an_encoder_ranked(candidates, monkeypatch):
    question, found = candidates
    judge = CrossEncoder()
    assert judge.scores(question, found).shape == found.rows.shape
    best = found.passages[int(judge.scores(question, found).argmax())]
    assert "Okafor" in best.text
    confidence = judge.confidence(question, found, judge.scores(question, found))
    assert confidence != Linear().confidence(question, found, judge.scores(question, found))
    monkeypatch.setattr(cross_encoder, "_read", None)  # words alone are not read
    index = Index(retriever="settle")
    index.learn("house.md", NOTES)
    assert index.ask("When was the boiler checked?").found


def test_the_default_judge_reads_where_its_packages_are(monkeypatch):
    assert isinstance(chosen_judge(), CrossEncoder)
    monkeypatch.setattr("lior_ask.embedders.minilm.find_spec", lambda name: None)
    assert type(chosen_judge()) is Linear
