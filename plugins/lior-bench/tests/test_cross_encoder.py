"""Learning the cross-encoder: what it reads, how it computes, and that it learns."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import lior_ask
from lior_ask.embedders.minilm import MiniLm, read_model
from lior_ask.judging import cross_encoder as product
from lior_ask.judging.linear import models
from lior_bench import cross_encoder, judging, reading
from lior_bench.cross_encoder import CrossEncoder, Group, Pairs, Plan, feed, loss_of, make_pairs, train
from lior_bench.sets import Question

TEXTS = [
    (0, [("Who mends it?", "Boiler", "Call Mr Okafor.")], [("Who mends it?", "Boiler", "It is red.")]),
    (1, [], [("When is it open?", "", "The museum is in Bonn."), ("When is it open?", "", "It is red.")]),
]


@pytest.fixture(scope="module")
def file() -> memoryview:
    return read_model(MiniLm().place)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return make_pairs(TEXTS, ["a", "b"])


def make(file: memoryview, rank: int = 4) -> CrossEncoder:
    return CrossEncoder(file, rank, torch.Generator().manual_seed(0))


def test_pairs_are_what_they_were_after_a_file(pairs, tmp_path):
    pairs.save(tmp_path / "pairs.npz")
    again = Pairs.load(tmp_path / "pairs.npz")
    assert (again.ids, again.own, again.folders) == (pairs.ids, pairs.own, pairs.folders)
    assert [(each.source, each.right.tolist(), each.wrong.tolist()) for each in again.groups] == [
        (0, [0], [1]),
        (1, [], [2, 3]),
    ]


def test_it_computes_what_the_product_does(file, pairs):
    model = make(file)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn(each.shape, generator=generator) * 0.02)
        found = model(*feed(pairs, range(4), "cpu")).numpy()
    weights = model.weights()
    session = product.session(weights)
    expected = [
        product.score(session, weights, ids, own) for ids, own in zip(pairs.ids, pairs.own, strict=True)
    ]
    assert np.abs(found - expected).max() < 0.25 * (np.std(found) + np.abs(found).max())
    assert np.corrcoef(found, expected)[0, 1] > 0.98


def test_the_rest_of_a_batch_changes_no_score(file, pairs):
    model = make(file)
    torch.nn.init.normal_(model.head, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = model(*feed(pairs, [1], "cpu"))
        among = model(*feed(pairs, [0, 1, 2], "cpu"))[1:2]
    torch.testing.assert_close(alone, among, atol=1e-4, rtol=1e-4)


def test_it_learns_which_passage_answers(file, pairs):
    model = make(file)
    plan = Plan(rank=4, batch=2, rate=1e-3)
    many = pairs.groups * 20
    train(model, pairs, many, plan, "cpu", times=1)
    with torch.no_grad():
        right, wrong, *absent = model(*feed(pairs, range(4), "cpu")).tolist()
    assert right > 0 > wrong
    assert max(absent) < 0


def test_the_loss_is_that_of_a_choice_with_none():
    scores = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64)
    chances = torch.cat([torch.zeros(1, dtype=torch.float64), scores]).softmax(0)
    others = torch.tensor([0.0, -1.0, 0.5], dtype=torch.float64).softmax(0)
    expected = -chances[1].log() - 0.3 * others[0].log()
    torch.testing.assert_close(loss_of(scores, 1, 0.3), expected)
    torch.testing.assert_close(loss_of(scores, 0, 0.3), -chances[0].log())


def test_of_a_folder_the_likeliest_wrong_passages_are_read():
    group = Group(0, np.array([7, 8]), np.arange(10, 24))
    for seed in range(5):
        right, wrong = cross_encoder.draw(group, Plan(), np.random.default_rng(seed))
        assert right == [7]
        assert wrong[:3] == [10, 11, 12]
        assert len({*wrong}) == 5


def test_questions_about_encyclopaedias_are_read(tmp_path):
    selqa = [{"question": "Q?", "article": "A", "section": "S", "candidates": ["x", "y"], "answers": [1]}]
    qed = {
        "question_text": "R?",
        "title_text": "T",
        "paragraph_text": "One. Two.",
        "sentence_starts": [0, 5],
        "original_nq_answers": [[{"string": "Two"}]],
    }
    asked = [{"question": "V?", "answers": [{"text": "sea"}]}]
    squad = {"data": [{"title": "B", "paragraphs": [{"context": "A sea. No.", "qas": asked}]}]}
    for name, value in (("selqa.dev", selqa), ("selqa.test", []), ("xquad.en", squad), ("xquad.de", squad)):
        _compress(tmp_path / f"{name}.json.gz", json.dumps(value))
    _compress(tmp_path / "piaf.fr.json.gz", json.dumps({"data": []}))
    _compress(tmp_path / "qed.dev.jsonl.gz", json.dumps(qed))
    found = [*cross_encoder.of_encyclopaedias(tmp_path)]
    assert found[0] == (-1, [("Q?", "A, S", "y")], [("Q?", "A, S", "x")])
    assert found[1] == (-1, [("R?", "T", "Two.")], [("R?", "T", "One. ")])
    assert found[2:] == [(-1, [("V?", "B", "A sea.")], [("V?", "B", "No.")])] * 2


def _compress(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def test_each_fold_is_learned_without_its_folders(file, monkeypatch):
    made = make_pairs([(at, *TEXTS[0][1:]) for at in range(10)], [*"abcdefghij"])
    seen = []
    monkeypatch.setattr(
        cross_encoder, "train", lambda model, pairs, groups, *rest, times: seen.append(groups) or 0.0
    )
    folds = [fold for fold, _ in cross_encoder.fit(file, made, Plan(rank=2), "cpu")]
    assert folds == ["all", "0", "1", "2", "3", "4"]
    assert [len(groups) for groups in seen] == [0, 10, 8, 8, 8, 8, 8]
    for fold, groups in enumerate(seen[2:]):
        assert all(group.source % 5 != fold for group in groups)


def test_the_command_writes_all_that_the_judge_is_learned_with(pairs, tmp_path, monkeypatch):
    for name in (cross_encoder.WEIGHTS, cross_encoder.OTHERS):
        (tmp_path / name).parent.mkdir(parents=True)
    pairs.save(tmp_path / "pairs.npz")
    for module in (cross_encoder, reading):
        monkeypatch.setattr(module, "folder", lambda name: tmp_path)
    monkeypatch.setattr(cross_encoder, "Plan", lambda: Plan(rank=2, own=1))
    run = CliRunner().invoke(cross_encoder.learn, ["--pairs", str(tmp_path / "pairs.npz"), "--device", "cpu"])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("all: 2 questions, loss ")
    reading._opened.cache_clear()
    scores = [reading._score(fold, TEXTS[0][1][0]) for fold in ("all", "3")]
    reading._opened.cache_clear()
    reading._score.cache_clear()
    assert np.isfinite(scores).all()
    run = CliRunner().invoke(cross_encoder.learn, ["--pairs", str(tmp_path / "none.npz")])
    assert (run.exit_code, "give --reading FOLDER" in run.output) == (2, True)


def test_scores_come_from_the_one_that_has_not_seen_the_folder(monkeypatch):
    index = lior_ask.Index(retriever="settle")
    index.learn("house.md", "The boiler is red.\n\nThe boiler is loud.\n")
    asked = Question(text="Is the boiler red?", kind="direct", words=("The boiler is red.",))
    found = [case for name in ("a", "b", "new") for case in judging._ask(index, name, [asked])]
    read = []
    monkeypatch.setattr(reading, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr(reading, "_read", lambda fold, pairs: read.append(fold) or np.ones(len(pairs)))
    wide = reading.read_cases(found, models()["words"], ["b", "a"])
    assert read == ["0", "1", "all"]
    assert all((case.candidates.features[:, -1] == 1).all() for case in wide)


class _Here:
    """Maps in this process."""

    def __init__(self, workers):
        self.map = lambda function, *items, chunksize: map(function, *items)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None
