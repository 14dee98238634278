"""Where words come from: everything adds up, and the places that are named hold the word."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lior
from lior.interfaces import Text
from lior.model import memories, mixer
from lior.model.provenance import UNSEEN, explain
from lior_cli.origins import account
from tests.cases import cases

RHYMES = {
    "one/sheep": "Baa, baa, black sheep,\nhave you any wool?\nYes, sir, yes, sir,\nthree bags full.\n" * 3,
    "two/mice": "Three blind mice.\r\n\tSee how they run!\n\nThey all ran after the farmer's wife.\n" * 3,
    "two/café": "Le café est là-bas, “à gauche”: 日本 · naïve · ça va.\nLe café, là.\n" * 3,
    "number": "12 34 12 34 567 3 the them then there their wild\n" * 4,
}
NOTE = "A later note: the black sheep ran after Ünal.\nIt is in no other document.\n"
MEMORIES = {
    "counts": {"memory": "sdm"},
    "items": {"memory": "exact"},
    "cells": {"memory": {"name": "exact", "exact": {"probes": 2}}},
    "matches": {"memory": "match"},
    "several": {"memory": "sdm,exact,match"},
    "pieces": {"memory": "sdm,match", "tokenizer": "bpe"},
}
PIECES = st.sampled_from(
    [
        "Baa, baa",
        " black",
        " sheep",
        ",\n",
        "the",
        "farmer's",
        "Le café",
        "日本",
        " 34",
        "\n\n",
        "zq",
        "\x00",
        "é",
        NOTE[14:30],
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map(lambda parts: "".join(parts).encode()) | st.binary(max_size=6)
FEW = settings(max_examples=6, database=None)


def trained(documents=RHYMES, **options):
    geometry, mixer = {"updates": 2, "batch": 16, "keys": 64}, {"positions": 64}
    return lior.train(documents=documents, fit={"passes": 0}, geometry=geometry, mixer=mixer, **options)


@pytest.fixture(scope="module", params=MEMORIES)
def run(request):
    """A run that has learned a document after training."""
    if request.param == "pieces":
        pytest.importorskip("tokenizers")
    made = trained(**MEMORIES[request.param])
    made.learn({"note": NOTE})
    return made


def text_at(source, texts):
    """What really stands at a place."""
    rest = "\n".join(texts[source.document].split("\n")[source.line - 1 :])
    return rest[source.column - 1 :][: len(source.text)]


def assert_accounted(words, texts):
    """Everything adds up, and every place holds the word."""
    for word in words:
        p = word.probability
        listed = [source.weight for source in word.sources]
        assert 0 < p <= 1 + 1e-6
        assert sum(listed) + word.elsewhere + word.unplaced == pytest.approx(p, abs=1e-6, rel=1e-6)
        assert sum(word.experts.values()) == pytest.approx(p, rel=1e-6)
        assert min([*listed, *word.experts.values(), *word.documents.values()]) >= 0
        assert min(word.elsewhere, word.unplaced) >= 0
        assert listed == sorted(listed, reverse=True)
        assert sum(word.documents.values()) <= p - word.unplaced + 1e-9
        for source in word.sources:
            assert source.text == word.text.decode("utf-8", "replace")
            assert source.weight <= word.documents[source.document] + 1e-9
            if "\N{REPLACEMENT CHARACTER}" not in source.text:
                assert text_at(source, texts) == source.text
                line = texts[source.document].split("\n")[source.line - 1]
                assert (source.before + source.text + source.after).strip("\n") in line


@FEW
@given(prompt=TEXTS, text=TEXTS, most=st.integers(1, 7), by_word=st.booleans())
def test_weights_sum_to_the_probability_and_places_hold_the_word(run, prompt, text, most, by_word):
    words = run.sources(prompt, text, most=most, words=by_word)
    assert b"".join(word.text for word in words) == text
    assert all(len(word.sources) <= most for word in words)
    assert_accounted(words, RHYMES | {"note": NOTE})
    tokens = run.model.tokenizer.encode(prompt + text)
    begin = len(run.model.tokenizer.encode(prompt))
    tokens = torch.cat([run.model.tokenizer.encode(part) for part in (prompt, text)])
    whole = Text(tokens, torch.arange(len(tokens)), torch.zeros_like(tokens))
    said = run.model.score(whole, torch.arange(begin, len(tokens))).double()
    assert math.log(math.prod(word.probability for word in words)) == pytest.approx(
        float(said.sum()), rel=1e-5
    )


def test_a_word_that_was_learned_later_is_found_where_it_stands(run):
    words = run.sources("the black sheep ran after", " Ünal.")
    assert [word.text.decode() for word in words] == [" ", "Ünal", "."] or run.model.tokenizer.vocab > 256
    name = next(word for word in words if b"nal" in word.text)
    best = name.sources[0]
    assert (best.document, best.line) == ("note", 1)
    assert "Ünal" in best.before[-1:] + best.text + best.after
    found = account(words)
    assert next(iter(found.documents)).share > 0
    assert sum(each.share for each in found.documents) + found.common + found.unplaced == pytest.approx(1)
    assert sum(found.experts.values()) == pytest.approx(1)
    assert 1 in next(each.lines for each in found.documents if each.document == "note")


def test_the_weight_of_a_word_is_the_mean_of_its_tokens_at_the_same_place(run):
    asked = "Three blind ", "mice. See"
    tokens = iter(run.sources(*asked, most=10**6, words=False))
    for word in run.sources(*asked, most=10**6):
        parts, size = [], 0
        while size < len(word.text):
            parts.append(next(tokens))
            size += len(parts[-1].text)
        shares: dict[tuple[str, int, int], float] = {}
        begin = 0
        for part in parts:
            for source in part.sources:
                place = source.document, source.line, source.column - begin
                shares[place] = shares.get(place, 0.0) + part.share(source.weight) / len(parts)
            begin += len(part.text)
        for source in word.sources:
            place = source.document, source.line, source.column
            assert word.share(source.weight) == pytest.approx(shares[place], abs=1e-9)


def test_experts_have_their_part_of_the_mixer(run):
    """The formula of docs/howto-why.md, one number after the other."""
    model, alphabet = run.model, run.model.alphabet.tolist()
    tokens = model.tokenizer.encode(b"Three blind mice ran")
    text = Text(tokens, torch.arange(len(tokens)), torch.zeros_like(tokens))
    inputs = model.inputs(text, torch.arange(len(tokens)), model.alphabet)
    weights = mixer.weights(model.weights, inputs).double().tolist()
    logs = inputs.log_p.double().tolist()
    words = explain(run.model, run.checkpoint.corpus, [], tokens.tolist())
    for token, word, weight, log_p in zip(tokens.tolist(), words, weights, logs, strict=True):
        part = [[w * log for log in row] for w, row in zip(weight, log_p, strict=True)]
        odds = [math.exp(sum(column)) for column in zip(*part, strict=True)]
        y, p = alphabet.index(token), [each / sum(odds) for each in odds]
        effect = [c[y] - sum(p[s] * c[s] for s in range(len(p)) if s != y) / (1 - p[y]) for c in part]
        effect = [each if each > 1e-12 else 0 for each in effect]
        total = sum(effect)
        shares = [each / total if total else 1 / len(effect) for each in effect]
        found = [word.share(each) for each in word.experts.values()]
        assert found == pytest.approx(shares, abs=1e-5)


def test_a_token_that_was_never_seen_comes_from_nowhere(run):
    for word in run.sources("Baa", "\x00\x01" if run.model.tokenizer.vocab == 256 else "\x00"):
        assert word.experts == {UNSEEN: pytest.approx(word.probability)}
        assert (word.sources, word.documents, word.elsewhere) == ((), {}, 0)
        assert word.unplaced == word.probability > 0


@cases("name", ["counts", "items", "several"])
def test_an_empty_memory_has_no_places(name):
    emptied = trained(**MEMORIES[name])
    for memory in emptied.model.memories.values():
        memories.rewrite(memory, [])
    words = emptied.sources("Baa, ", "black")
    assert_accounted(words, RHYMES)
    assert all(word.sources == () and word.unplaced == pytest.approx(word.probability) for word in words)
    for document in emptied.documents():
        emptied.forget(document.name)
    assert not len(emptied.model.alphabet)
    words = emptied.sources("Baa, ", "black")
    assert_accounted(words, RHYMES)
    assert account(words).experts == {UNSEEN: pytest.approx(1)}


def test_nothing_comes_from_nowhere(run):
    assert run.sources("Baa", "") == []
    assert account([]).documents == ()


def test_what_was_forgotten_leaves_no_trace():
    one, other = (trained(memory="sdm,exact,match") for _ in range(2))
    other.learn({"note": NOTE})
    said = other.sources("A later note: the", " black sheep ran")
    other.forget("note")
    asked = "A later note: the", " black sheep ran"
    assert other.sources(*asked) == one.sources(*asked) != said


@pytest.fixture(scope="module")
def matching():
    """A run of one short document."""
    return trained({"a": "abc " * 30}, memory="match")


@cases(
    ("text", "words"),
    [
        ("is on", ["is", " ", "on"]),
        ("farmer's wife.\r\n\n", ["farmer's", " ", "wife", ".", "\r", "\n\n"]),
        ("a  b\t\tc", ["a", "  ", "b", "\t\t", "c"]),
        ("=====>> x_1", ["=====", ">>", " ", "x_1"]),
        ("là-bas, 日本·", ["là", "-", "bas", ",", " ", "日本", "·"]),
        ("e\u0301te\u0301 “q”", ["e\u0301te\u0301", " ", "“", "q", "”"]),
        (b"caf\xe9\xff x", [b"caf", b"\xe9", b"\xff", b" ", b"x"]),
    ],
)
def test_words(text, words, matching):
    found = matching.sources("", text)
    assert [word.text for word in found] == [w if isinstance(w, bytes) else w.encode() for w in words]


def test_words_of_pieces_are_whole():
    pytest.importorskip("tokenizers")
    made = trained(**MEMORIES["pieces"])
    words = [word.text for word in made.sources("", "Three blind mice ranZQ after; the wife")]
    assert words == [b"Three", b" blind", b" mice", b" ranZQ", b" after", b";", b" the", b" wife"]


def test_a_place_of_a_word_holds_all_of_it():
    """`there` and `them` are behind the letters of `then` as well, but are no places of the word."""
    made = trained(memory="sdm,match")
    word = made.sources("567 3 the them ", "then")[0]
    assert {source.text for source in word.sources} == {"then"}
    assert word.elsewhere > 0
    wild = made.sources("", "wildly")[0]
    assert wild.sources == ()
    assert sum(wild.documents.values()) > 0, "its letters come from somewhere all the same"


def test_columns_are_characters_and_lines_end_at_their_ends():
    made = trained(memory={"name": "match", "match": {"shortest": 2}})
    sources = {
        word.text: word.sources[0] for word in made.sources("Le café est ", "là-bas, “à gauche”: 日本")
    }
    line = RHYMES["two/café"].split("\n")[0]
    for text, source in sources.items():
        assert line[source.column - 1] == text.decode()[0] or text == b" "
    first, second = (word.sources[0] for word in made.sources("Le caf", "é", words=False))
    assert first.column == second.column == 7
    assert (first.before, first.after[:1]) == ("Le caf", "\N{REPLACEMENT CHARACTER}")
    end = made.sources("Three blind mice.", "\r\n\tSee", words=False)[1].sources[0]
    assert (end.line % 4, end.text, end.after) == (1, "\n", "")
    assert made.sources("Three blind mice.\r\n", "\tSee")[1].sources[0].before == "\t"


def test_shares_are_worked_out_a_token_after_the_other():
    """A continuation explained at once is what explaining token by token gives."""
    made = trained(memory="sdm,exact,match")
    data = b"Baa, baa, black shoe"
    whole = explain(made.model, made.checkpoint.corpus, data[:10], data[10:])
    for at, word in enumerate(whole, 10):
        alone = explain(made.model, made.checkpoint.corpus, data[:at], data[at : at + 1])[0]
        assert alone.probability == pytest.approx(word.probability, rel=1e-5)
        assert alone.experts == pytest.approx(word.experts, abs=1e-5)
        assert alone.documents == pytest.approx(word.documents, abs=1e-5)
