"""Text with errors: what is damaged, what is left, and that only that is scored."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.data import corpus, noise
from lior.errors import UsageError
from lior.model.evaluation import evaluate
from lior.reading.documents import RawDocument
from lior.testing.strategies import LAW, seeds
from lior_plugins.tokenizers.bytes import Bytes

TEXT = b"some words and 1234567890 numbers, then more of the same text\n" * 40


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(*texts: bytes) -> corpus.Corpus:
    return corpus.build_corpus([RawDocument(str(i), text) for i, text in enumerate(texts)], Bytes())


@LAW
@given(seed=seeds(), kind=st.sampled_from(("letters", "digits")))
def test_replaced_bytes_are_of_their_kind_and_none_is_scored(seed, kind):
    text = made(TEXT)
    lo, hi = 100, 2000
    noisy, end, kept = noise.corrupt(text, lo, hi, kind=kind, share=0.3, generator=draw(seed))
    assert end == hi
    assert len(kept) == hi - lo
    before, after = text.tokens[lo:hi], noisy.tokens[lo:hi]
    assert torch.equal(before[kept], after[kept])
    assert torch.equal(noisy.tokens[:lo], text.tokens[:lo])
    assert torch.equal(noisy.tokens[hi:], text.tokens[hi:])
    first, last = (97, 122) if kind == "letters" else (48, 57)
    inside = (before >= first) & (before <= last)
    assert not (~kept & ~inside).any()
    assert ((after[~kept] >= first) & (after[~kept] <= last)).all()
    assert 0.2 < float((~kept).sum() / inside.sum()) < 0.4


@LAW
@given(seed=seeds())
def test_edits_insert_letters_and_delete_bytes_and_move_documents(seed):
    text = made(TEXT, b"#" + TEXT, TEXT)
    lo, hi = 1000, 4000
    noisy, end, kept = noise.corrupt(text, lo, hi, kind="edits", share=0.2, generator=draw(seed))
    part = noisy.tokens[lo:end]
    assert len(kept) == len(part)
    assert 0.05 < float((~kept).sum()) / (hi - lo) < 0.15, "half of the share is inserted"
    deleted = (hi - lo) - int(kept.sum())
    assert 0.05 < deleted / (hi - lo) < 0.15, "half of it is deleted"
    assert ((part[~kept] >= 97) & (part[~kept] <= 122)).all()
    assert torch.equal(noisy.tokens[end:], text.tokens[hi:])
    left = bytes(part[kept].tolist())
    rest = iter(bytes(text.tokens[lo:hi].tolist()))
    assert all(byte in rest for byte in left), "what is left stands in its order"
    assert lo < int(noisy.starts[1]) < end
    assert noisy.starts[2] - end == text.starts[2] - hi, "later documents move with the end"
    found = (noisy.tokens == ord("#")).nonzero()[:, 0]  # it may be deleted
    assert torch.equal(found, noisy.starts[1 : 1 + len(found)]), "a document begins where it begins"


def test_no_noise_changes_nothing():
    text = made(TEXT)
    for kind in noise.KINDS:
        noisy, end, kept = noise.corrupt(text, 0, len(text), kind=kind, share=0.0, generator=draw(0))
        assert torch.equal(noisy.tokens, text.tokens)
        assert end == len(text)
        assert kept.all()


def test_other_tokens_than_bytes_are_refused():
    text = corpus.Corpus(torch.tensor([5, 300]), torch.tensor([0]), ("a",), 2)
    with pytest.raises(UsageError, match="use tokenizer bytes"):
        noise.corrupt(text, 0, 2, kind="letters", share=0.1, generator=draw(0))


def test_only_what_counts_is_counted(trained):
    model, text = trained
    hi = len(text)
    every = torch.arange(hi - 500) % 3 == 0
    parts = [evaluate(model, text, 500, hi, counted=mask) for mask in (every, ~every)]
    whole = evaluate(model, text, 500, hi)
    assert sum(p.bytes for p in parts) == whole.bytes
    assert sum(p.nats for p in parts) == pytest.approx(whole.nats)
    assert parts[0].nats_per_byte != parts[1].nats_per_byte


@pytest.fixture(scope="module")
def trained():
    import lior

    result = lior.train(documents={"a": TEXT}, recipe="fast")
    return result.model, made(TEXT)


@LAW
@given(seed=seeds())
def test_damage_leaves_half_alone_and_keeps_what_it_says_it_kept(seed):
    text = made(TEXT * 20, TEXT * 20)
    lo, hi = 3000, 90_000
    damaged, end, kept = noise.damage(text, lo, hi, generator=draw(seed))
    part = damaged.tokens[lo:end]
    assert len(kept) == len(part)
    assert torch.equal(damaged.tokens[:lo], text.tokens[:lo])
    assert torch.equal(damaged.tokens[end:], text.tokens[hi:])
    assert 0.005 < float((~kept).double().mean()) < 0.1
    hits = kept.logical_not().nonzero()[:, 0] // 2048
    assert 0.1 < len(hits.unique()) / (len(kept) // 2048) < 0.95, "some chunks are as they were"
    # What was kept stands there in the same order.
    left, all_of_it = bytes(part[kept].tolist()), iter(bytes(text.tokens[lo:hi].tolist()))
    assert all(byte in all_of_it for byte in left)


def test_damage_of_tokens_that_are_not_bytes_takes_tokens_of_the_text():
    text = corpus.Corpus(torch.arange(300, 20_300, dtype=torch.int32), torch.tensor([0]), ("a",), 20_000)
    damaged, end, kept = noise.damage(text, 5000, 20_000, generator=draw(1))
    assert end == 20_000
    assert torch.equal(damaged.tokens[5000:][kept], text.tokens[5000:20_000][kept])
    assert 0.02 < float((~kept).double().mean()) < 0.09
    assert int(damaged.tokens.min()) >= 300


def test_substitutes_are_of_the_same_kind_and_in_the_same_place():
    text = made(TEXT)
    hit = torch.rand(len(text), generator=draw(2)) < 0.5
    wrong, kept = noise.substitute(text, 0, len(text), hit, generator=draw(3))
    before, after = bytes(text.tokens.tolist()), bytes(wrong.tokens.tolist())
    assert not any(kept[i] for i in range(len(text)) if before[i] != after[i])
    for old, new, here in zip(before, after, hit.tolist(), strict=True):
        assert (old == new) or here
        assert chr(old).islower() == chr(new).islower()
        assert chr(old).isdigit() == chr(new).isdigit()
    assert any(a != b for a, b in zip(before, after, strict=True) if chr(a).isdigit())
