"""Streams that draw several tokens in one call, beside streams that draw one, and what ends them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import lior
from lior.config.sampling import Sampling
from lior_plugins.counting import mirror
from lior_serve import streams
from serve.servers import TEXTS, running
from tests.second_device import second_device

SEED = 7


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A run of one memory, whose tokens are drawn in compiled calls."""
    out = tmp_path_factory.mktemp("ahead") / "notes"
    lior.train(documents=TEXTS, out=out, memory="sdm", fit={"passes": 0}, geometry={"updates": 2})
    return lior.load(out)


@pytest.fixture(scope="module")
def live(counted):
    with running(counted.path) as found:
        yield found


def stream(run, count=100, *, tops=None, seconds=60.0, **sampling):
    """A stream and the list of what it passes on."""

    class Version:
        pass

    Version.run = run
    sampling = {"temperature": 1.0} | sampling
    made = streams.Stream(
        Version,
        [*b"Note"],
        count,
        sampling=Sampling(**sampling),
        seed=SEED,
        tops=tops,
        until=time.monotonic() + seconds,
    )
    got = []
    made.sink = got.append
    return made, got


@pytest.fixture
def model():
    """A model's thread whose rounds the test calls itself."""
    found = streams.ModelThread(99)
    found.close()
    found._thread.join()
    return found


def tokens(got):
    return [each.token for each in got if isinstance(each, streams.Drawn)]


def test_a_round_is_one_call_and_the_text_that_of_single_tokens(counted, model):
    for count in (1, 31, 32, 33, 100):
        before = model.tokens
        fast, ahead = stream(counted, count)
        slow, single = stream(counted, count, tops=0)
        model.start(fast)
        model.start(slow)
        model._step()
        assert (len(ahead), len(single)) == (min(32, count), 1), count
        while model.streams:
            model._step()
        assert (ahead[-1], single[-1]) == (None, None), count
        assert tokens(ahead) == tokens(single), count
        assert len(tokens(ahead)) == count, count
        assert model.tokens - before == 2 * count, count
        assert bytes(tokens(ahead)).decode("utf-8", "replace") == counted.complete(
            "Note", count, seed=SEED, temperature=1.0
        ), count
        assert all(each.logprob == 0 for each in ahead[:-1]), count
        assert all(each.logprob < 0 for each in single[:-1]), count


def test_streams_share_a_round(counted, model):
    made = [stream(counted, 400) for _ in range(32)]
    for each, _ in made:
        model.start(each)
    model._step()
    assert {len(got) for _, got in made} == {16}


def test_other_sampling_draws_token_by_token(counted, model):
    for sampling in ({"temperature": 0}, {"top_k": 3}, {"loop_penalty": 1.0}):
        each, got = stream(counted, 40, **sampling)
        model.start(each)
        model._step()
        assert len(got) == 1, sampling


def test_a_stream_that_is_cancelled_or_late_draws_no_more(counted, model):
    (gone, one), (late, two) = stream(counted), stream(counted, seconds=-1)
    model.start(gone)
    model.start(late)
    model._step()
    gone.cancelled = True
    model._step()
    assert (len(tokens(one)), one[-1], two) == (32, None, [None])
    assert model.streams == 0


def test_a_device_draws_for_all_streams_of_a_model_together(counted, model, monkeypatch):
    """Those with log-probabilities, and those of other sampling, draw token by token beside them."""
    monkeypatch.setattr(mirror, "LEAST", 2)
    with second_device():
        far = lior.load(counted.path, device="cuda")
        made = [stream(far, 40 + number) for number in range(9)]
        made += [stream(far, 40, tops=1), stream(far, 40, top_k=3)]
        for each, _ in made:
            each.version = made[0][0].version
            model.start(each)
        model._step()
        assert [len(got) for _, got in made] == [32] * 9 + [1, 1]
        while model.streams:
            model._step()
    for each, got in made:
        near, expected = stream(counted, len(got) - 1, tops=each.tops)
        near.sampling = each.sampling
        model.start(near)
        while model.streams:
            model._step()
        assert tokens(got) == tokens(expected)


class Broken:
    """A context whose memory fails."""

    def compiled(self, sampling):
        raise RuntimeError("a plugin failed")


def test_an_error_ends_its_stream_alone(counted, model):
    (broken, one), (whole, two) = stream(counted), stream(counted)
    broken._session = Broken()
    model.start(broken)
    model.start(whole)
    while model.streams:
        model._step()
    assert (str(one[0]), len(one)) == ("a plugin failed", 2)
    assert len(tokens(two)) == 100


def test_what_is_drawn_beyond_a_stop_text_is_not_told(live, counted):
    whole = counted.complete("Note", 90, seed=SEED, temperature=1.0, min_p=0)
    stop = whole[20:24]
    given = {"prompt": "Note", "max_tokens": 90, "seed": SEED, "stop": stop}
    with live.client as client:
        found = client.post("/v1/completions", json=given).json()
    (choice,), used = found["choices"], found["usage"]["completion_tokens"]
    assert (choice["text"], choice["finish_reason"]) == (whole[: whole.find(stop)], "stop")
    assert used == whole.find(stop) + len(stop)


PROMPTS = ["Note", "", "Note 7: the meeting", "".join(TEXTS.values())[:1500]]
"""Contexts of different lengths, one of them longer than the model looks back."""


def test_clients_at_once_get_what_each_gets_alone(live, counted):
    def draw(number):
        given = {"prompt": PROMPTS[number % 4], "max_tokens": 150, "seed": number}
        given |= {"logprobs": 1} if number % 3 else {}
        with live.client as client:
            return client.post("/v1/completions", json=given).json()["choices"][0]

    with ThreadPoolExecutor(8) as pool:
        for number, choice in enumerate(pool.map(draw, range(8))):
            alone = counted.complete(PROMPTS[number % 4], 150, seed=number, temperature=1.0, min_p=0)
            assert choice["text"] == alone, number
            assert (choice["logprobs"] is not None) == bool(number % 3)
