"""Tokens become text piece by piece, whatever the tokens are and wherever a stop text begins."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from lior.model.detokenizer import Detokenizer
from tests.cases import cases


class Table:
    """A tokenizer whose token ``i`` is the ``i``-th of some bytes."""

    def __init__(self, tokens: list[bytes]) -> None:
        self.tokens = tokens

    def decode(self, ids: list[int]) -> bytes:
        return b"".join(self.tokens[i] for i in ids)


def cut(text: str, stops: list[str], *, keep: bool) -> str:
    """The text up to the stop text that is complete first."""
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)[not keep]] if ends else text


@example([b"ab", b"a"], ["b", "aba"], False)
@given(
    st.lists(
        st.binary(max_size=3) | st.sampled_from([b"a", b"b", b"ab", "é".encode()[:1], "é".encode()[1:]])
    ),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=2),
    st.booleans(),
)
def test_the_pieces_are_the_text_up_to_the_first_stop(tokens, stops, keep):
    whole = b"".join(tokens).decode("utf-8", "replace")
    found = Detokenizer(Table(tokens), stops, keep_stop=keep)
    assert "".join(found.pieces(range(len(tokens)))) == cut(whole, stops, keep=keep)
    assert found.stopped is any(stop in whole for stop in stops)


@cases(("keep", "pieces"), [(False, ["a", "", "bx", "by", "", ""]), (True, ["a", "b", "xb", "y", "b", "ab"])])
def test_what_may_begin_a_stop_is_held_back_unless_the_stop_is_kept(keep, pieces):
    tokens = [b"a", b"b", b"xb", b"y", b"b", b"abz", b"more"]
    found = Detokenizer(Table(tokens), ["bab"], keep_stop=keep)
    assert list(found.pieces(range(len(tokens)))) == pieces
