"""V1 and V2 bodies into one another, along the edges of a graph.

A body may be a request or a reply. V2 tensors that stay V2 are passed on as they stand, data
untouched; they are decoded only to become V1 instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.graph.message_steps import Feed
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.messages import Message
from umbel.nodes.nested_lists import array_from_list
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.payload import InferRequest, Tensor
from umbel.serving.protocols.v2 import encode_infer_request
from umbel.serving.protocols.v2_reading import read_tensors


@dataclass(frozen=True)
class _Named:
    """A tensor under a name: a V2 item as it stands, or a V1 value. ``loose``: the name is
    made up, since the body has only one nameless value."""

    name: str
    item: dict[str, Any] | None = None
    value: Any = None
    loose: bool = False


def v2_request(message: Message, feeds: Sequence[Feed], name: str, from_client: bool) -> bytes:
    """The body of a V2 request for what ``message`` has; ``name`` says whose body it is.

    Raises ``InvalidInput`` if the client's body does not fit, ``RequestFailed`` for a step's.
    """
    try:
        chosen = _chosen(_tensors(message, "a V2 request", name), feeds, name)
        if all(one.item is not None for _, one in chosen):
            return encode_json({"inputs": [{**(one.item or {}), "name": n} for n, one in chosen]})
        tensors = tuple(_tensor(n, one) for n, one in chosen)
        body, headers = encode_infer_request(InferRequest(tensors))
        if headers["content-type"] != "application/json":
            raise InvalidInput(f"{name}: its values cannot be written as V2 JSON")
        return body
    except InvalidInput as error:
        raise _blamed(error, from_client) from error


def v1_request(message: Message, feeds: Sequence[Feed], name: str, from_client: bool) -> bytes:
    """``{"instances": [...]}`` for what ``message`` has. Raises as ``v2_request`` does."""
    try:
        chosen = _chosen(_tensors(message, "a V1 request", name), feeds, name)
        columns = [(n, _rows(n, one)) for n, one in chosen]
        if len(columns) == 1 and not feeds:
            return encode_json({"instances": columns[0][1]})
        lengths = {len(rows) for _, rows in columns}
        if len(lengths) > 1:
            told = ", ".join(f"{n!r} has {len(rows)}" for n, rows in columns)
            raise InvalidInput(f"{name}: expected tensors with equally many rows, but {told}")
        count = lengths.pop() if lengths else 0
        rows = [{n: column[i] for n, column in columns} for i in range(count)]
        return encode_json({"instances": rows})
    except InvalidInput as error:
        raise _blamed(error, from_client) from error


def _blamed(error: InvalidInput, from_client: bool) -> Exception:
    return error if from_client else RequestFailed(str(error))


def _tensors(message: Message, wanted: str, name: str) -> list[_Named]:
    try:
        body = orjson.loads(message.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        for key in ("outputs", "inputs"):
            items = body.get(key)
            if isinstance(items, list) and items and all(_is_tensor(item) for item in items):
                return [_v2_item(item, name) for item in items]
        for key in ("predictions", "instances", "inputs", "outputs"):
            if isinstance(body.get(key), (list, dict)):
                return _v1_values(body[key], key)
        got = f"an object with {listing(body)}"
    else:
        got = "no JSON" if body is None and message.body != b"null" else describe(body)
    status = "" if message.ok else f" (status {message.status})"
    raise InvalidInput(
        f"{name}{status} cannot become {wanted}: expected predictions, instances or V2 tensors, "
        f"got {got}"
    )


def _is_tensor(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and "datatype" in item
        and "shape" in item
    )


def _v2_item(item: dict[str, Any], name: str) -> _Named:
    if "data" not in item:
        raise InvalidInput(
            f"{name}: tensor {item['name']!r} has no data in the JSON, and binary data cannot "
            "be passed on along an edge"
        )
    return _Named(item["name"], item)


def _v1_values(value: Any, key: str) -> list[_Named]:
    if isinstance(value, dict):
        return [_Named(name, value=column) for name, column in value.items()]
    if value and all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value):
        return [_Named(name, value=[row[name] for row in value]) for name in value[0]]
    loose = "output-0" if key in ("predictions", "outputs") else "input-0"
    return [_Named(loose, value=value, loose=True)]


def _chosen(
    tensors: Sequence[_Named], feeds: Sequence[Feed], name: str
) -> list[tuple[str, _Named]]:
    if not feeds:
        return [(one.name, one) for one in tensors]
    return [(feed.name, _fed(tensors, feed, i, name)) for i, feed in enumerate(feeds)]


def _fed(tensors: Sequence[_Named], feed: Feed, position: int, name: str) -> _Named:
    by_name = {one.name: one for one in tensors}
    wanted = feed.source
    if isinstance(wanted, str) and wanted in by_name:
        return by_name[wanted]
    if wanted is None and feed.name in by_name:
        return by_name[feed.name]
    if isinstance(wanted, str) and len(tensors) == 1 and tensors[0].loose:
        return tensors[0]
    if not isinstance(wanted, str):
        number = position if wanted is None else wanted
        if number < len(tensors):
            return tensors[number]
        wanted = str(number)
    raise InvalidInput(
        f"{name}: input {feed.name!r} wants the output {wanted!r}; there are {listing(by_name)}"
    )


def _tensor(name: str, one: _Named) -> Tensor:
    if one.item is not None:
        (tensor,) = read_tensors([{**one.item, "name": name}], "inputs", memoryview(b""))
        return tensor
    what = f"tensor {name!r}"
    if not isinstance(one.value, list):
        raise InvalidInput(f"{what}: expected a list, got {describe(one.value)}")
    return tensor_of(name, array_from_list(one.value, None, what, keep_integers=True))


def _rows(name: str, one: _Named) -> list[Any]:
    if one.item is None:
        if not isinstance(one.value, list):
            raise InvalidInput(f"{name!r}: expected a list of rows, got {describe(one.value)}")
        return one.value
    (tensor,) = read_tensors([one.item], "outputs", memoryview(b""), null_is_nan=True)
    array = tensor.array.reshape(-1) if not tensor.shape else tensor.array
    rows: list[Any] = array.tolist()
    return rows
