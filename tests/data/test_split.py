"""What is held out: a share of every document or kind, the same at every call, and every byte once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.data.split import OWN_END, kind, split, training_bytes
from lior.reading.documents import RawDocument
from lior.testing.strategies import LAW

LINES = b"A line of text.\n"
names = st.sampled_from(["a.txt", "b/c.txt", "d.log", "e.jsonl:7", "README", "f.md.gz"])
collections = st.lists(
    st.builds(RawDocument, names, st.binary(max_size=90) | st.integers(0, 3000).map(lambda n: LINES * n)),
    max_size=12,
)
shares = st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5])


@LAW
@given(documents=collections, share=shares, calibration=shares)
def test_every_byte_is_in_one_part_under_its_name(documents, share, calibration):
    parts = split(documents, share, calibration)
    whole = dict(enumerate(parts.documents))
    for tail, head in sorted(parts.split_parts.items(), reverse=True):
        end = whole.pop(tail)
        assert whole[head].name == end.name
        whole[head] = whole[head]._replace(data=whole[head].data + end.data)
    assert Counter(whole.values()) == Counter(d for d in documents if d.data)
    assert 0 <= parts.cut <= sum(len(d.data) for d in parts.documents)
    assert split(documents, share, calibration) == parts


@LAW
@given(documents=collections.filter(lambda found: sum(bool(d.data) for d in found) > 1), share=shares)
def test_training_text_comes_first_and_no_document_is_cut_by_the_boundary(documents, share):
    parts = split(documents, share, 0.25)
    ends = [0]
    for document in parts.documents:
        ends.append(ends[-1] + len(document.data))
    assert parts.cut in ends
    boundary = ends.index(parts.cut)
    first = boundary if parts.calibration is None else parts.calibration
    assert 0 <= first <= boundary
    assert all(head < tail >= first for tail, head in parts.split_parts.items())


@LAW
@given(sizes=st.lists(st.integers(0, 400), min_size=3, max_size=60), share=st.sampled_from([0.1, 0.25]))
def test_each_kind_gives_its_share(sizes, share):
    documents = [
        RawDocument(f"{i}.{'txt' if i % 3 else 'log'}", b"x" * (size + 100)) for i, size in enumerate(sizes)
    ]
    parts = split(documents, share)
    held, at = Counter(), 0
    for document in parts.documents:
        if at >= parts.cut:
            held[kind(document.name)] += len(document.data)
        at += len(document.data)
    for which in (".txt", ".log"):
        members = sum(len(d.data) for d in documents if kind(d.name) == which)
        assert abs(held[which] - share * members) <= 260, "half of a document may be left to the next kind"


def test_a_large_document_gives_its_own_end_from_a_line_on():
    documents = [RawDocument("a.txt", LINES * 2003), RawDocument("b.log", LINES * 3003)]
    parts = split(documents, 0.1)
    assert parts.split_parts == {2: 0, 3: 1}
    ends = [document.data for document in parts.documents[2:]]
    assert [end.startswith(LINES) for end in ends] == [True, True]
    for end, document in zip(ends, documents, strict=True):
        assert OWN_END <= len(end) == pytest.approx(0.1 * len(document.data), abs=len(LINES))


def test_one_document_is_cut_at_the_byte_and_stays_one():
    document = RawDocument("a.txt", LINES * 100)
    cut = training_bytes(1600, 0.1)
    assert split([RawDocument("", b""), document], 0.1, 0.2) == ([document], cut, {}, None)


def test_the_calibration_split_has_all_kinds_as_well():
    documents = [RawDocument("a.txt", LINES * 2000), RawDocument("b.log", LINES * 3000)]
    parts = split(documents, 0.1, 0.25)
    assert [document.name for document in parts.documents] == ["a.txt", "b.log"] * 3
    assert parts.split_parts == {2: 0, 3: 1, 4: 2, 5: 3}
    assert parts.calibration == 2
    assert [len(d.data) for d in parts.documents[2:4]] == pytest.approx([7200, 10_800], abs=len(LINES))


def test_small_documents_are_held_out_at_equal_distances():
    documents = [RawDocument(f"{i:02}.md", b"%02d" % i * 50) for i in range(40)]
    held = [document.name for document in split(documents, 0.1).documents[36:]]
    assert held == ["09.md", "19.md", "29.md", "39.md"]
