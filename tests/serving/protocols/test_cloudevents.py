"""CloudEvents in both styles, in and out."""

from __future__ import annotations

import json

import pytest

from umbel.graph.errors import InvalidInput
from umbel.serving.protocols.cloudevents import (
    STRUCTURED_TYPE,
    ReplyEvent,
    decode_cloudevent,
    encode_cloudevent,
)
from umbel.serving.protocols.v1 import read_predict

BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "36077800",
    "ce-source": "https://example.com/event-producer",
    "ce-type": "com.example.sampletype1",
    "ce-time": "2021-01-28T21:04:43.144141+00:00",
    "ce-custom": "caf%C3%A9",
}
EVENT = {
    "specversion": "1.0",
    "id": "36077800",
    "source": "https://example.com",
    "type": "t",
    "time": "2021-01-28T21:04:43.144141+00:00",
    "data": {"instances": [[1, 2]]},
}


def test_what_is_no_event() -> None:
    assert decode_cloudevent({"content-type": "application/json"}, b"{}") is None
    assert decode_cloudevent({"ce-specversion": "1.0"}, b"{}") is None


def test_binary() -> None:
    event = decode_cloudevent(BINARY, b'{"instances": [1]}')
    assert event is not None
    assert event.attributes["custom"] == "café"
    assert read_predict(event.data).value == [1]
    body, headers = encode_cloudevent(event, "iris", b'{"predictions":[1]}', time="now")
    assert body == b'{"predictions":[1]}'
    assert headers["ce-type"] == "io.kserve.inference.response"
    assert headers["ce-source"] == "io.kserve.inference.iris"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] not in ("", "36077800")
    assert headers["content-type"] == "application/json"
    assert "ce-custom" not in headers


def test_a_version_that_is_none_of_cloudevents() -> None:
    assert decode_cloudevent(BINARY | {"ce-specversion": "0.3"}, b"{}") is not None
    with pytest.raises(InvalidInput, match="Found invalid specversion 9: expected one of"):
        decode_cloudevent(BINARY | {"ce-specversion": "9"}, b"{}")


def test_merge_keeps_the_attributes_but_id_and_time() -> None:
    event = decode_cloudevent(BINARY, b"{}")
    assert event is not None
    reply = ReplyEvent(type="mine", source="here", merge=True)
    _, headers = encode_cloudevent(event, "iris", b"{}", reply, id="1", time="t")
    assert headers["ce-custom"] == "caf%C3%A9"
    assert (headers["ce-id"], headers["ce-time"]) == ("1", "t")
    assert (headers["ce-type"], headers["ce-source"]) == ("mine", "here")


def test_header_values_cannot_split_headers() -> None:
    event = decode_cloudevent({**BINARY, "ce-custom": "a%0D%0Ax: y"}, b"{}")
    assert event is not None
    _, headers = encode_cloudevent(event, "iris", b"{}", ReplyEvent(merge=True))
    assert headers["ce-custom"] == "a%0D%0Ax: y"


def test_structured() -> None:
    headers = {"content-type": STRUCTURED_TYPE + "; charset=utf-8"}
    event = decode_cloudevent(headers, json.dumps(EVENT).encode())
    assert event is not None
    assert read_predict(event.data).value == [[1, 2]]
    body, out = encode_cloudevent(event, "iris", b'{"predictions":[1]}')
    assert out == {"content-type": STRUCTURED_TYPE}
    answer = json.loads(body)
    assert answer["data"] == {"predictions": [1]}
    assert answer["source"] == "io.kserve.inference.iris"
    assert {"specversion", "id", "type", "time"} <= set(answer)


def test_structured_base64_data() -> None:
    event = {key: value for key, value in EVENT.items() if key != "data"}
    body = json.dumps({**event, "data_base64": "eyJpbnN0YW5jZXMiOlsxXX0="}).encode()
    found = decode_cloudevent({"content-type": STRUCTURED_TYPE}, body)
    assert found is not None
    assert found.data == {"instances": [1]}


def test_binary_data_that_is_no_json_is_left_as_bytes() -> None:
    event = decode_cloudevent({**BINARY, "content-type": "image/png"}, b"\x89PNG")
    assert event is not None
    assert event.data == b"\x89PNG"


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        (BINARY, b"{", "Failed to decode or parse binary json cloudevent: "),
        ({"content-type": STRUCTURED_TYPE}, b"{", "Unrecognized request format: "),
        ({"content-type": STRUCTURED_TYPE}, b"[]", "expected a structured CloudEvent"),
        ({"content-type": STRUCTURED_TYPE}, b'{"id": "1"}', "got ['id']"),
        (
            {"content-type": STRUCTURED_TYPE},
            json.dumps({**EVENT, "data_base64": "?"}).encode(),
            "Failed to decode",
        ),
    ],
)
def test_broken_events(headers: dict[str, str], body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_cloudevent(headers, body)
    assert words in str(caught.value)
