"""The cross-encoder: the encoder reading pairs, or a user's model, and the judge that reads with it."""

import numpy as np
import pytest

from lior import registry
from lior.errors import DataError, UsageError
from lior_ask import Index
from lior_ask.embedders import e5
from lior_ask.embedders.e5 import ABOVE, ASKED, PIECES, join
from lior_ask.embedders.messages import Node, attribute, integer, message
from lior_ask.embedders.pieces import BEGIN, END
from lior_ask.judging import chosen_judge, cross_encoder
from lior_ask.judging.cross_encoder import LOWEST, CrossEncoder, above
from lior_ask.judging.features import gather
from lior_ask.judging.linear import Linear
from lior_ask.question.question import understood

NOTES = """# Boiler

The boiler was checked in March.

Call Mr Okafor on 555 0134 when it makes noise; he mends it.

# Garden

Cut the roses in March. The ladder is in the shed.
"""


def test_a_passage_that_answers_scores_higher_than_one_that_looks_so():
    asked = "Who repairs the heating?"
    right, near, far = e5.scores(
        [
            (asked, "Boiler", "Call Mr Okafor when it makes noise; he mends it."),
            (asked, "Boiler", "The boiler was checked in March."),
            (asked, "Garden", "The ladder is in the shed."),
        ]
    )
    assert right > 0 > far
    assert right > near


def test_a_pair_has_all_parts_and_is_not_too_long():
    for sizes in ((3, 0, 4), (90, 90, 90), (3, 30, 200), (0, 0, 0)):
        pieces = e5.open_file().pieces
        parts = [
            " ".join(["rose", "tulip", "moss"][number] for _ in range(size))
            for number, size in enumerate(sizes)
        ]
        ids = join(pieces, *parts)
        assert len(ids) <= PIECES, sizes
        assert (ids[0], ids[-1]) == (BEGIN, END), sizes
        places = [at for at, piece in enumerate(ids) if piece == END]
        assert len(places) == 3, sizes
        assert places[0] <= ASKED + 1, sizes
        assert places[1] - places[0] <= ABOVE + 1, sizes
        [own] = pieces.of("moss")[:1]
        assert not sizes[2] or own in ids[places[1] :], sizes


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


def test_the_default_judge_reads():
    assert isinstance(chosen_judge(), CrossEncoder)


@pytest.fixture
def other(tmp_path):
    """A cross-encoder of somebody else: five for each "mends" in a pair, less one for "who"."""
    pytest.importorskip("onnxruntime", reason="needs the extra lior-ask[meaning]")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, "mends": 1, "who": 2}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "model.onnx").write_bytes(_count([0.0, 5.0, -1.0]))
    return tmp_path / "model.onnx"


def _count(worth: list[float]) -> bytes:
    """A model that adds up what each piece is worth."""
    table = [*integer(1, 3), *integer(1, 1), *integer(2, 1), *message(8, [b"worth"])]
    table += message(9, [np.array(worth, np.float32).tobytes()])
    nodes = Node("Gather", ["worth", "input_ids"], ["each"]).written()
    nodes += Node("ReduceSum", ["each"], ["out"], [attribute("keepdims", 0)]).written()

    def value(field: int, name: str, kind: int, *sizes: str) -> list[bytes]:
        dimensions = [part for size in sizes for part in message(1, message(2, [size.encode()]))]
        described = message(1, [*integer(1, kind), *message(2, dimensions)])
        return message(field, [*message(1, [name.encode()]), *message(2, described)])

    parts = [*nodes, *message(2, [b"count"]), *message(5, table)]
    parts += value(11, "input_ids", 7, "b", "n") + value(12, "out", 1)
    sets = message(8, [*message(1, [b""]), *integer(2, 17)])
    return b"".join([*integer(1, 8), *message(7, parts), *sets])


def test_a_model_of_somebody_else_is_read(other, candidates, monkeypatch):
    monkeypatch.setenv("LIOR_JUDGE", f"cross-encoder:{other}")
    question, found = candidates
    judge = chosen_judge()
    assert isinstance(judge, CrossEncoder)
    best = found.passages[int(judge.scores(question, found).argmax())]
    assert "mends" in best.text
    session, tokenizer = cross_encoder._open_other(other)
    assert cross_encoder.score_other(session, tokenizer, "Who mends?", "", "He mends it") == 2 * 5 - 1


def test_what_is_no_cross_encoder_is_refused(other, tmp_path):
    with pytest.raises(DataError, match=r"no such file; a cross-encoder is MODEL\.onnx with tokenizer"):
        CrossEncoder(model=str(tmp_path / "none.onnx"))
    with pytest.raises(UsageError, match="'linear:x': the judge linear takes no model"):
        registry.make("judge", "linear:x")
    other.write_bytes(b"something else")
    with pytest.raises(DataError, match="cannot be opened"):
        cross_encoder._open_other.__wrapped__(other)
