"""Results that are kept for the questions that are asked at once."""

from __future__ import annotations

from lior.ask.collection import Collection
from lior.ask.ranking import remembered


def test_what_was_computed_is_kept_until_others_or_a_change_come():
    notes, computed = Collection.empty(), []
    notes.add("a.md", [("The boiler is in the cellar.", "")])

    @remembered
    def length(collection, word):
        computed.append(word)
        return len(word)

    words = ["a" * number for number in range(20)]
    assert [length(notes, word) for word in words] == list(range(20))
    assert length(notes, words[-1]) == 19
    assert computed == words
    length(notes, words[0])
    assert len(computed) == 21
    notes.add("b.md", [("The oven is in the kitchen.", "")])
    length(notes, words[0])
    assert len(computed) == 22
