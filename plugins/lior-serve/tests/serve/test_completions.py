"""OpenAI's protocol by its own client; probabilities as `lior eval` measures them."""

from __future__ import annotations

import json
import math
import time

import httpx
import pytest

import lior
from lior.config.options import typed_fields
from lior.config.sampling import Sampling
from lior.model.generation import Session
from serve.servers import PLAN, TEXTS, running

START = "The launch of the great balloon"


@pytest.fixture(scope="module")
def client(live):
    openai = pytest.importorskip("openai", reason="the package openai is not installed")
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def run(trained):
    return lior.load(trained)


def post(http, path, **given):
    return http.post(path, json=given)


def test_the_model_is_the_run(client):
    assert [each.id for each in client.models.list()] == ["notes"]
    assert client.models.retrieve("notes").owned_by == "lior"


def test_a_completion_is_that_of_lior_generate(client, run):
    found = client.completions.create(model="notes", prompt=START, max_tokens=25, seed=3, temperature=0.7)
    assert found.choices[0].text == run.complete(START, 25, seed=3, temperature=0.7, min_p=0)
    assert found.choices[0].finish_reason == "length"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (len(START), 25)


def test_a_stream_is_the_completion_in_pieces(client, run):
    options = {"include_usage": True}
    parts = list(
        client.completions.create(
            model="notes", prompt=START, max_tokens=300, seed=5, stream=True, stream_options=options
        )
    )
    text = "".join(part.choices[0].text for part in parts if part.choices)
    assert text == run.complete(START, 300, seed=5, temperature=1.0, min_p=0)
    assert len(parts) > 3
    assert parts[-1].usage.completion_tokens == 300
    assert [p.choices[0].finish_reason for p in parts if p.choices][-1] == "length"


def test_choices_and_prompts(client, run):
    found = client.completions.create(model="notes", prompt=[START, "Note 3"], n=2, max_tokens=9, seed=1)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    expected = [
        run.complete(p, 9, seed=s, temperature=1.0, min_p=0) for p in (START, "Note 3") for s in (1, 2)
    ]
    assert [choice.text for choice in found.choices] == expected


def test_a_stop_text_ends_it_and_is_not_told(client):
    for stop in ("fourth", ["zebra", " of", "fourth"], "May.", "h of May"):
        for stream in (False, True):
            found = client.completions.create(
                model="notes", prompt=START, max_tokens=60, temperature=0, stop=stop, stream=stream
            )
            parts = list(found) if stream else [found]
            text = "".join(part.choices[0].text for part in parts)
            whole = PLAN.removeprefix(START)
            stops = [stop] if isinstance(stop, str) else stop
            assert text == whole[: min(whole.find(each) for each in stops if each in whole)], stop
            assert parts[-1].choices[0].finish_reason == "stop", stop


def test_probabilities_are_those_of_the_model(client, run):
    found = client.completions.create(model="notes", prompt=START, max_tokens=5, temperature=0, logprobs=3)
    records = found.choices[0].logprobs
    session = Session(run.model, list(START.encode()))
    for token, log_p, tops, place in zip(
        records.tokens, records.token_logprobs, records.top_logprobs, records.text_offset, strict=True
    ):
        row = session.log_probs()
        assert log_p == pytest.approx(float(row[ord(token)]), abs=1e-6)
        assert len(tops) == 3
        assert max(tops.values()) == pytest.approx(float(row.max()), abs=1e-6)
        assert found.choices[0].text[place] == token
        session.feed([ord(token)])


def test_an_echo_has_the_prompt_and_its_probabilities(client, run):
    text = "The boiler is serviced in Décember."
    found = client.completions.create(model="notes", prompt=text, max_tokens=0, echo=True, logprobs=1)
    assert found.choices[0].text == text
    nats = -sum(found.choices[0].logprobs.token_logprobs)
    assert nats / math.log(2) / len(text.encode()) == pytest.approx(run.score(text), rel=1e-6)
    assert "bytes:\\xc3" in found.choices[0].logprobs.tokens


def test_evaluation_harnesses_measure_what_lior_eval_does(http, run):
    """The requests of lm-evaluation-harness (local-completions, remote tokenizer), one after the other."""
    info = http.get("/tokenizer_info").json()
    begin = post(http, "/tokenize", prompt=info["eos_token"], add_special_tokens=False).json()["tokens"]
    text = "".join(TEXTS.values())[:3000] + " And a word of its own: zymurgy."
    tokens = post(http, "/tokenize", prompt=text, add_special_tokens=False).json()["tokens"]
    assert post(http, "/detokenize", tokens=tokens).json()["prompt"] == text
    given = {
        "model": "notes",
        "prompt": [begin[:1] + tokens],
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": 1,
        "seed": 1234,
        "echo": True,
    }
    (choice,) = http.post("/v1/completions", json=given).json()["choices"]
    records = choice["logprobs"]
    nats = -sum(records["token_logprobs"][1:-1])
    assert len(records["token_logprobs"]) == len(tokens) + 2
    assert nats / math.log(2) / len(text.encode()) == pytest.approx(run.score(text), rel=1e-6)
    assert all(
        max(top.values()) >= p - 1e-9
        for p, top in zip(records["token_logprobs"][1:], records["top_logprobs"][1:], strict=True)
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_its_completion(live, stream):
    given = {"prompt": START, "max_tokens": 4096, "stream": stream}
    client = live.client
    with (
        pytest.raises(httpx.ReadTimeout)
        if not stream
        else client.stream("POST", "/v1/completions", json=given) as reply
    ):
        if stream:
            next(reply.iter_bytes())
        else:
            client.post("/v1/completions", json=given, timeout=0.3)
    client.close()
    for _ in range(100):
        if live.server.model.streams == 0:
            return
        time.sleep(0.02)
    pytest.fail("the completion went on")


def test_a_chat_is_answered_from_the_documents_with_citations(client):
    messages = [{"role": "user", "content": "When is the boiler serviced?"}]
    found = client.chat.completions.create(model="notes", messages=messages)
    assert found.choices[0].message.content == "The boiler is serviced in October. [1]\n\n[1] house.md:3"
    (cited,) = found.choices[0].message.citations
    assert (cited["document"], cited["line"]) == ("house.md", 3)
    messages += [{"role": "assistant", "content": "In October."}, {"role": "user", "content": "And the car?"}]
    parts = list(client.chat.completions.create(model="notes", messages=messages, stream=True))
    text = "".join(part.choices[0].delta.content or "" for part in parts)
    assert text.startswith("The car is serviced in May. [1]")
    assert parts[-1].choices[0].finish_reason == "stop"


CAR = [
    {"role": "user", "content": "When is the boiler serviced?"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "In October.", "annotations": []}],
    },
    {"role": "user", "content": [{"type": "input_text", "text": "And the car?"}]},
]


def test_a_response_is_answered_as_a_chat(client):
    found = client.responses.create(model="notes", input=CAR[0]["content"], instructions="Be brief.")
    assert found.output_text == "The boiler is serviced in October. [1]\n\n[1] house.md:3"
    assert (found.object, found.status, found.model) == ("response", "completed", "notes")
    assert (found.output[0].type, found.output[0].role) == ("message", "assistant")
    [mark] = found.output[0].content[0].annotations
    assert (mark.type, mark.filename) == ("file_citation", "house.md")
    assert found.citations == [found.answer["answer"]]
    assert (found.instructions, found.error, found.usage.input_tokens) == ("Be brief.", None, 37)
    assert found.usage.total_tokens == 37 + len(found.output_text)
    assert client.responses.create(model="notes", input=CAR).output_text.startswith("The car is serviced")


def test_a_response_is_streamed_in_steps(client):
    with client.responses.stream(model="notes", input=CAR) as steps:
        kinds = [(step.type.removeprefix("response."), step.sequence_number) for step in steps]
        whole = steps.get_final_response()
    names = [name for name, _ in kinds]
    assert [number for _, number in kinds] == [*range(len(kinds))]
    assert names[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert set(names[4:-4]) == {"output_text.delta"}
    assert names[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert whole.output_text == client.responses.create(model="notes", input=CAR).output_text
    raw = client.responses.with_raw_response.create(model="notes", input=CAR, stream=True).http_response
    assert raw.read().startswith(b"event: response.created\ndata: {")
    assert b"[DONE]" not in raw.content


def test_what_a_response_cannot_have_is_refused(client):
    for given, told in (
        ({"previous_response_id": "resp_1"}, "previous_response_id is not supported, for no reply is kept"),
        ({"tools": [{"type": "web_search"}]}, "tools is not supported"),
        ({"conversation": "conv_1"}, "conversation is not supported"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format.type"),
        ({"input": CAR[:2]}, "the last must be of the user"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input_text"),
    ):
        import openai

        with pytest.raises(openai.BadRequestError, match=told):
            client.responses.create(**{"model": "notes", "input": "When is the launch?"} | given)


def test_another_model_is_answered_by_the_one_there_is(client):
    """Of several folders, by all of them: test_folder.py."""
    asked = "When is the boiler serviced?"
    chat = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": asked}])
    assert (chat.model, chat.choices[0].message.content[:10]) == ("notes", "The boiler")
    assert client.responses.create(model="gpt-5", input=asked).model == "notes"
    assert client.completions.create(model="text-davinci-003", prompt=START, max_tokens=1).model == "notes"


def test_refusals_are_in_the_form_of_the_protocol(client):
    import openai

    with pytest.raises(openai.NotFoundError, match="no model"):
        client.models.retrieve("gpt-5")
    for told, given in (
        ("frequency_penalty is not supported", {"frequency_penalty": 1}),
        ("temperature", {"temperature": -1}),
    ):
        with pytest.raises(openai.BadRequestError, match=told):
            client.completions.create(model="notes", prompt="x", **given)
    tool = {"type": "function", "function": {"name": "f"}}
    for told, said, given in (("tools", "x", {"tools": [tool]}), ("no word to look for", "what is the", {})):
        with pytest.raises(openai.BadRequestError, match=told):
            client.chat.completions.create(
                model="notes", messages=[{"role": "user", "content": said}], **given
            )


def test_the_options_of_sampling_are_those_of_the_library(http):
    schema = http.get("/openapi.json").json()["components"]["schemas"]["CompletionRequest"]["properties"]
    for name, typed in typed_fields(Sampling).items():
        number = schema[name]["anyOf"][0]
        bounds = [typed.field.metadata[bound] for bound in ("low", "high")]
        assert [number.get("minimum"), number.get("maximum")] == bounds, name
    refused = post(http, "/v1/completions", prompt="x", recall_at=0.3)
    assert (refused.status_code, "set recall too" in refused.text) == (400, True)


def test_fields_that_ask_for_nothing_are_taken(client):
    nothing = {"frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "user": "me"}
    client.completions.create(model="lior", prompt="x", max_tokens=1, **nothing)


def test_embeddings_where_there_is_an_encoder(copied, live, monkeypatch):
    with live.client as client:
        assert post(client, "/v1/embeddings", input="x").status_code == 501
    monkeypatch.setenv("LIOR_EMBEDDER", "e5")
    with running(copied) as other, other.client as client:
        reply = post(
            client,
            "/v1/embeddings",
            model="text-embedding-3-small",
            input=["boiler", "heating", "balloon", ""],
        ).json()
    boiler, heating, balloon, _ = (each["embedding"] for each in reply["data"])
    near, far = (sum(a * b for a, b in zip(boiler, each, strict=True)) for each in (heating, balloon))
    assert near > far


def test_a_failing_stream_says_so(live, monkeypatch):
    monkeypatch.setattr(Session, "together", lambda sessions: 1 / 0)
    with live.client as client:
        assert post(client, "/v1/completions", prompt="x").status_code == 500
        lines = post(client, "/v1/completions", prompt="x", stream=True).text.strip().split("\n\n")
    assert "defect" in json.loads(lines[0].removeprefix("data: "))["error"]["message"]
