"""OpenAI's API over tiny models made here: answers, streams, and what is refused."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tiny_models
from event_client import events
from loopback_server import Client, serving
from umbel import inference_graph, predictor

pytestmark = pytest.mark.slow


LLM, EMB = "/llm/openai/v1", "/emb/openai/v1"
ASKED: dict[str, Any] = {
    "model": "llm", "prompt": "the quick", "temperature": 0, "max_tokens": 8,
}  # fmt: skip
CHAT: dict[str, Any] = {
    "model": "llm", "messages": [{"role": "user", "content": "the quick"}], "max_tokens": 6,
    "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    gpt = str(tiny_models.causal_model(folder / "gpt"))
    bert = str(tiny_models.embedding_model(folder / "bert"))
    plain = str(tiny_models.causal_model(folder / "plain", chat=False))
    cpu: dict[str, object] = {"device": "cpu"}
    greedy = {**cpu, "max_new_tokens": 8, "generate": {"do_sample": False}}
    models = {
        "llm": predictor("huggingface", uri=gpt, settings=cpu),
        "emb": predictor("huggingface", uri=bert, settings=cpu),
        "plain": predictor("huggingface", uri=plain, settings=cpu),
        "pieces": predictor("huggingface", uri=gpt, settings={**greedy, "stream": True}),
        "whole": predictor("huggingface", uri=gpt, settings=greedy),
    }

    def graph(name: str) -> Any:
        def of(x):
            return models[name](x)

        return inference_graph(name=name)(of)

    with serving(*map(graph, models)) as client:
        yield client


def told(client: Client, path: str, body: object, **headers: str) -> list[Any]:
    return [event.data for event in events(client.port, path, body, **headers)]


def text_of(client: Client, **changes: Any) -> str:
    answer = client.post(f"{LLM}/completions", {**ASKED, **changes})
    assert answer.status == 200, answer
    text: str = answer.json["choices"][0]["text"]
    return text


def refusal(client: Client, path: str, body: object) -> tuple[int, str, str | None]:
    answer = client.post(path, body)
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == str(answer.status)
    return answer.status, error["message"], error["param"]


def test_models_are_listed(client: Client) -> None:
    (model,) = client.get(f"{LLM}/models").json["data"]
    assert (model["id"], model["object"]) == ("llm", "model")
    assert client.get(f"{LLM}/models/llm").json == model
    listed = client.get("/openai/v1/models").json["data"]
    assert [one["id"] for one in listed] == ["emb", "llm", "pieces", "plain", "whole"]


def test_a_completion_is_the_model_s_text(client: Client) -> None:
    answer = client.post(f"{LLM}/completions", ASKED).json
    assert (answer["object"], answer["model"]) == ("text_completion", "llm")
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 8, "total_tokens": 10}
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "length")
    (expected,) = client.post("/whole", {"x": ["the quick"]}).json["output"]
    assert choice["text"] == expected
    assert client.post("/openai/v1/completions", ASKED).json["choices"] == [choice]
    assert text_of(client, echo=True) == f"the quick{expected}"


def test_a_streamed_completion_is_the_same_text(client: Client) -> None:
    body = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, used, done = told(client, f"{LLM}/completions", body)
    assert done == "[DONE]"
    assert len(chunks) > 3
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == text_of(client)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "length"]
    assert used["choices"] == []
    assert used["usage"]["completion_tokens"] == 8
    assert {chunk["id"] for chunk in chunks} == {used["id"]}
    without = told(client, f"{LLM}/completions", {**ASKED, "stream": True})
    assert all("usage" not in chunk for chunk in without[:-1])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_stop_ends_the_text_before_it(client: Client, length: int) -> None:
    whole = text_of(client)
    stop = whole[2 : 2 + length]
    expected = whole[: whole.index(stop)]
    body = {**ASKED, "stop": ["never this", stop]}
    answer = client.post(f"{LLM}/completions", body).json
    assert answer["choices"][0]["text"] == expected
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] <= 8
    streamed = told(client, f"{LLM}/completions", {**body, "stream": True})[:-1]
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed) == expected


def test_a_seed_gives_the_same_choices_again(client: Client) -> None:
    body = {**ASKED, "temperature": 1.5, "seed": 7, "n": 3, "prompt": ["the fox", "lazy dog"]}
    first, second = (client.post(f"{LLM}/completions", body).json for _ in range(2))
    texts = [choice["text"] for choice in first["choices"]]
    assert [choice["index"] for choice in first["choices"]] == [0, 1, 2, 3, 4, 5]
    assert texts == [choice["text"] for choice in second["choices"]]
    assert len(set(texts[:3])) > 1
    other = client.post(f"{LLM}/completions", {**body, "seed": 8}).json
    assert texts != [choice["text"] for choice in other["choices"]]
    narrow = {**body, "n": 1, "prompt": "the quick", "top_p": 1e-6}
    assert text_of(client, **narrow) == text_of(client)


def test_a_chat_goes_through_the_template(client: Client) -> None:
    answer = client.post(f"{LLM}/chat/completions", CHAT).json
    (choice,) = answer["choices"]
    assert answer["object"] == "chat.completion"
    assert choice["message"]["role"] == "assistant"
    prompt = "<user>the quick</s><assistant>"
    same = {**ASKED, "prompt": prompt, "seed": 3, "max_tokens": 6, "temperature": 1}
    assert choice["message"]["content"] == text_of(client, **same)
    first, *chunks, last, done = told(client, f"{LLM}/chat/completions", {**CHAT, "stream": True})
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    said = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert said == choice["message"]["content"]
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "length")
    assert done == "[DONE]"
    parts = [{"role": "user", "content": [{"type": "text", "text": "the quick"}]}]
    again = client.post(f"{LLM}/chat/completions", {**CHAT, "messages": parts}).json
    assert again["choices"] == answer["choices"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"max_tokens": 500}, "prompt"), ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 9}, "temperature"), ({"top_p": 0}, "top_p"), ({"n": 0}, "n"),
        ({"n": True}, "n"), ({"seed": "x"}, "seed"), ({"stop": ["a"] * 5}, "stop"),
        ({"prompt": []}, "prompt"), ({"prompt": [99999]}, "prompt"), ({"prompt": {}}, "prompt"),
        ({"logprobs": 2}, "logprobs"), ({"suffix": "x"}, "suffix"), ({"best_of": 2}, "best_of"),
        ({"presence_penalty": 1}, "presence_penalty"), ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"guided_json": {}}, "guided_json"), ({"model": 5}, "model"),
        ({"stream_options": 1}, "stream_options"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(
    client: Client, changes: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        body = {**ASKED, **changes, "stream": stream}
        status, message, named = refusal(client, f"{LLM}/completions", body)
        assert (status, named) == (400, param), message


def test_what_a_chat_cannot_have(client: Client) -> None:
    path = f"{LLM}/chat/completions"
    for changes, param in (
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    ):
        status, message, named = refusal(client, path, {**CHAT, **changes})
        assert (status, named) == (400, param), message
    status, message, _ = refusal(
        client, "/plain/openai/v1/chat/completions", {**CHAT, "model": "plain"}
    )
    assert (status, "no chat template" in message) == (400, True)


def test_requests_that_reach_no_model(client: Client) -> None:
    assert refusal(client, f"{LLM}/completions", {**ASKED, "model": "gpt-4"})[0] == 404
    assert refusal(client, "/openai/v1/completions", {**ASKED, "model": "gpt-4"})[0] == 404
    assert refusal(client, "/openai/v1/completions", {})[2] == "model"
    assert refusal(client, f"{LLM}/completions", b"{")[0] == 400
    assert refusal(client, f"{LLM}/completions", [])[0] == 400
    assert refusal(client, f"{LLM}/embeddings", {"model": "llm", "input": "x"})[0] == 400
    assert client.get(f"{LLM}/completions").status == 405


def test_embeddings(client: Client) -> None:
    texts = ["the fox", "five dozen jugs"]
    answer = client.post(f"{EMB}/embeddings", {"model": "emb", "input": texts}).json
    expected = client.post("/emb", {"x": texts}).json["output"]
    assert [one["embedding"] for one in answer["data"]] == expected
    assert [one["index"] for one in answer["data"]] == [0, 1]
    assert answer["usage"]["prompt_tokens"] > 3
    body = {"model": "emb", "input": "the fox", "encoding_format": "base64", "dimensions": 16}
    (packed,) = client.post(f"{EMB}/embeddings", body).json["data"]
    floats = struct.unpack("<16f", base64.b64decode(packed["embedding"]))
    np.testing.assert_allclose(floats, expected[0], rtol=1e-5)
    for wrong, param in (({"dimensions": 3}, "dimensions"), ({"input": [[1]]}, "input")):
        status, _, named = refusal(client, f"{EMB}/embeddings", {**body, **wrong})
        assert (status, named) == (400, param)


def test_a_graph_of_a_model_that_streams(client: Client) -> None:
    pieces = [one["output"] for one in told(client, "/pieces", {"x": "the quick"})]
    assert len(pieces) > 2
    assert "".join(pieces) == text_of(client)
    generated = client.post("/pieces/v2/models/pieces/generate", {"text_input": "the quick"})
    assert generated.json["text_output"] == text_of(client)


def test_requests_at_once_take_turns(client: Client) -> None:
    streams = [events(client.port, f"{LLM}/completions", {**ASKED, "stream": True}) for _ in "abc"]
    first = [next(stream).data for stream in streams]
    rest = [[event.data for event in stream] for stream in streams]
    texts = {
        "".join(chunk["choices"][0]["text"] for chunk in [head, *tail[:-1]])
        for head, tail in zip(first, rest, strict=True)
    }
    assert texts == {text_of(client)}
