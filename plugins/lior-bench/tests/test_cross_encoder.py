"""Learning the cross-encoder: what it reads, how it computes, and that it learns."""

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file

from lior_ask.embedders import e5, four_bits
from lior_ask.judging import cross_encoder as product
from lior_bench import cross_encoder, judging
from lior_bench.cross_encoder import CrossEncoder, Group, Plan, draw, feed, loss_of, train
from lior_bench.sets import Question

GROUPS = [
    Group("Who mends it?", [("Boiler", "Call Mr Okafor.")], [("Boiler", "It is red.")]),
    Group("When is it open?", [], [("", "The museum is in Bonn."), ("", "It is red.")]),
]


def make(rank: int = 4) -> CrossEncoder:
    return CrossEncoder(e5.open_file(), rank, torch.Generator().manual_seed(0))


def pieces() -> list[list[int]]:
    return [
        product.join(e5.open_file(), group.asked, *pair)
        for group in GROUPS
        for pair in (*group.right, *group.wrong)
    ]


def test_it_computes_what_the_product_does():
    model = make()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn(each.shape, generator=generator) * 0.02)
        found = model(*feed(model.file, pieces(), "cpu")).numpy()
    weights = {name: value.astype(np.float32) for name, value in model.weights().items()}
    session = four_bits.open_session(e5.open_file(), weights)
    pairs = [(group.asked, *pair) for group in GROUPS for pair in (*group.right, *group.wrong)]
    expected = [product.score(session, weights, *pair) for pair in pairs]
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(found).max())


def test_the_rest_of_a_batch_changes_no_score():
    model = make()
    torch.nn.init.normal_(model.head, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = model(*feed(model.file, pieces()[1:2], "cpu"))
        among = model(*feed(model.file, pieces()[:3], "cpu"))[1:2]
    torch.testing.assert_close(alone, among, atol=1e-3, rtol=1e-4)


def test_it_learns_which_passage_answers():
    model = make()
    train(model, GROUPS * 20, Plan(rank=4, batch=2), "cpu")
    with torch.no_grad():
        right, wrong, *absent = model(*feed(model.file, pieces(), "cpu")).tolist()
    assert right > 0 > wrong
    assert max(absent) < 0


def test_the_loss_is_that_of_a_choice_with_none():
    scores = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64)
    chances = torch.cat([torch.zeros(1, dtype=torch.float64), scores]).softmax(0)
    others = torch.tensor([0.0, -1.0, 0.5], dtype=torch.float64).softmax(0)
    expected = -chances[1].log() - 0.3 * others[0].log()
    torch.testing.assert_close(loss_of(scores, 1, 0.3), expected)
    torch.testing.assert_close(loss_of(scores, 0, 0.3), -chances[0].log())


def test_some_of_the_likeliest_wrong_passages_are_read():
    texts = [("", str(number)) for number in range(16)]
    for seed in range(5):
        random = np.random.default_rng(seed)
        right, wrong = draw(Group("Q?", [("", "yes"), ("", "too")], texts), Plan(), random)
        assert right == [("", "yes")]
        assert len({*wrong} & {*texts[:6]}) >= 2
        assert len({*wrong}) == 3
    drawn = [draw(Group("Q?", texts[:2], texts[2:], own=False), Plan(), random) for _ in range(60)]
    assert 5 < sum(not right for right, _ in drawn) < 25, "a quarter has no answer"


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
    assert found[0] == ("Q?", [("A, S", "y")], [("A, S", "x")], False)
    assert found[1] == ("R?", [("T", "Two.")], [("T", "One. ")], False)
    assert found[2:] == [("V?", [("B", "A sea.")], [("B", "No.")], False)] * 2


def _compress(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def test_a_folder_gives_its_answers_and_what_looks_like_them(monkeypatch):
    text = "# Boiler\n\nMr Okafor mends the boiler.\n\nThe boiler is red.\n\nRoses are cut in March.\n"
    monkeypatch.setattr(cross_encoder, "unpack", lambda name, place: (place / "house.md").write_text(text))
    asked = [
        Question(text="Who repairs it?", kind="words", words=("Mr Okafor mends the boiler.",)),
        Question(text="How old is the boiler?", kind="unanswerable", words=("The boiler is red.",)),
        Question(text="What is nowhere?", kind="words", words=("Not in the text.",)),
    ]
    mended, old = cross_encoder.of_folder("a", asked)
    assert [text for _, text in mended.right] == ["Mr Okafor mends the boiler."]
    assert "Mr Okafor mends the boiler." not in [text for _, text in mended.wrong]
    assert (old.right, old.wrong[0][1]) == ([], "The boiler is red.")
    assert old.wrong[0][0].startswith("Boiler")


def test_the_command_writes_what_the_judge_reads(tmp_path, monkeypatch):
    (tmp_path / cross_encoder.WEIGHTS).parent.mkdir(parents=True)
    monkeypatch.setattr(cross_encoder, "folder", lambda name: tmp_path)
    monkeypatch.setattr(cross_encoder, "Plan", lambda: Plan(rank=2))
    monkeypatch.setattr(cross_encoder, "worlds", lambda part, near: {part: []})
    monkeypatch.setattr(cross_encoder, "of_folder", lambda name, asked: GROUPS)
    monkeypatch.setattr(cross_encoder, "of_encyclopaedias", lambda place: GROUPS)
    command = ["--reading", str(tmp_path), "--device", "cpu"]
    run = CliRunner().invoke(cross_encoder.learn, command, catch_exceptions=False)
    assert run.output.startswith("4 questions, loss ")
    weights = {
        name: each.astype(np.float32) for name, each in load_file(tmp_path / cross_encoder.WEIGHTS).items()
    }
    assert weights["l11.fo.a"].shape == (1536, 2)
    session = four_bits.open_session(e5.open_file(), weights)
    assert np.isfinite(product.score(session, weights, "Who mends it?", *GROUPS[0].right[0]))


def test_the_nearest_sentence_is_known_where_nothing_answers():
    for near in (False, True):
        asked = [each for some in judging.worlds("read", near=near).values() for each in some]
        absent = [each for each in asked if each.kind == "unanswerable"]
        assert len(absent) > 3000
        assert all(bool(each.words) is near for each in absent)
