"""Open Inference Protocol (V2) over HTTP, both directions, with the binary tensor extension.

A server uses ``decode_infer_request`` and ``encode_infer_response``, a client the other two.
JSON has no NaN: a NaN or an infinity in a JSON output is written as null, and a null in a
response is read as NaN; in a request null is a mistake. Binary data keeps every bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import orjson

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.nodes.descriptions import clip, describe, listing
from umbel.serving.protocols.binary_tensors import tensor_to_bytes
from umbel.serving.protocols.classification import classified
from umbel.serving.protocols.payload import (
    InferRequest,
    InferResponse,
    Parameters,
    RequestedOutput,
    Tensor,
)
from umbel.serving.protocols.v2_reading import (
    HEADER_LENGTH,
    read_flag,
    read_name,
    read_parameters,
    read_tensors,
    split_body,
)

Headers = dict[str, str]
Parts = tuple[bytes | memoryview, ...]
"""A body: its bytes one after the other."""

JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"

_NO_BINARY_DATA = memoryview(b"")


def decode_infer_request(
    body: bytes, content_type: str = "", inference_header_content_length: str | None = None
) -> InferRequest:
    """The request in ``body``. Raises InvalidInput for anything a client can get wrong.

    ``content_type`` matters only where the length header is missing: then
    ``application/octet-stream`` is refused, as in KServe, and anything else is JSON (Triton's
    client sends no content type at all).
    """
    return read_infer_request(*split_body(body, content_type, inference_header_content_length))


def read_infer_request(
    parsed: Mapping[str, Any], tail: memoryview = _NO_BINARY_DATA
) -> InferRequest:
    """The request in parsed JSON, with the binary data behind it. Raises InvalidInput."""
    parameters = read_parameters(parsed.get("parameters"), "request")
    return InferRequest(
        inputs=read_tensors(parsed.get("inputs"), "inputs", tail),
        id=_read_id(parsed.get("id")),
        parameters=parameters,
        outputs=_read_requested(parsed.get("outputs")),
        binary_output_default=read_flag(parameters, "binary_data_output", "request"),
    )


def encode_infer_response(
    response: InferResponse, request: InferRequest | None = None
) -> tuple[bytes, Headers]:
    """Body and headers; outputs are filtered, ordered and made binary as ``request`` asks.

    Raises InvalidInput if an output was asked for that is not there, or if FP16 or BYTES that
    are no text were not asked for as binary data.
    """
    outputs = response.outputs
    binary: Callable[[str], bool] = frozenset[str]().__contains__
    if request is not None:
        outputs = select_outputs(outputs, request)
        binary = request.wants_binary
    head: dict[str, Any] = {"model_name": response.model_name}
    if response.model_version is not None:
        head["model_version"] = response.model_version
    if response.id:
        head["id"] = response.id
    if response.parameters:
        head["parameters"] = response.parameters
    return _write(head, "outputs", outputs, binary)


def encode_infer_request(request: InferRequest, *, binary: bool = False) -> tuple[bytes, Headers]:
    """Body and headers to send. ``binary`` sends every input as binary data.

    Without it only what JSON cannot hold (FP16, BYTES that are no text, NaN and infinities)
    goes as binary data; all else is plain JSON that any V2 server reads.
    """
    parts, headers = infer_request_parts(request, binary=binary)
    return b"".join(parts), headers


def infer_request_parts(request: InferRequest, *, binary: bool = False) -> tuple[Parts, Headers]:
    """As ``encode_infer_request``, the body in parts: binary tensors are not copied."""
    head: dict[str, Any] = {"id": request.id} if request.id else {}
    parameters = dict(request.parameters)
    if request.binary_output_default:
        parameters["binary_data_output"] = True
    if parameters:
        head["parameters"] = parameters
    if request.outputs:
        head["outputs"] = [_write_requested(output) for output in request.outputs]
    needed = {tensor.name for tensor in request.inputs if binary or _needs_binary(tensor)}
    return _parts(head, "inputs", request.inputs, needed.__contains__)


def decode_infer_response(
    body: bytes | bytearray,
    content_type: str = "",
    inference_header_content_length: str | None = None,
) -> InferResponse:
    """The response a V2 server sent. Raises RequestFailed if it is none: not our client's fault."""
    try:
        parsed, tail = split_body(body, content_type, inference_header_content_length)
        version = parsed.get("model_version")
        return InferResponse(
            model_name=str(parsed.get("model_name") or ""),
            outputs=read_tensors(parsed.get("outputs"), "outputs", tail, null_is_nan=True),
            id=_read_id(parsed.get("id")),
            model_version=None if version is None else str(version),
            parameters=read_parameters(parsed.get("parameters"), "response"),
        )
    except InvalidInput as error:
        raise RequestFailed(f"the answer is no V2 inference response: {error}") from error


def select_outputs(outputs: tuple[Tensor, ...], request: InferRequest) -> tuple[Tensor, ...]:
    """The outputs asked for, in the order asked; all of them if none is."""
    if not request.outputs:
        return outputs
    found = {tensor.name: tensor for tensor in outputs}
    require_outputs(request, found)
    return tuple(classified(found[asked.name], asked) for asked in request.outputs)


def require_outputs(request: InferRequest, available: Iterable[str]) -> None:
    """Raise InvalidInput if the request asks for an output that is not ``available``."""
    names = list(available)
    for asked in request.outputs:
        if asked.name not in names:
            raise InvalidInput(
                f"Unexpected inference output {clip(asked.name)!r}: expected some of"
                f" {listing(names)}"
            )


def _write(
    head: dict[str, Any], key: str, tensors: tuple[Tensor, ...], binary: Callable[[str], bool]
) -> tuple[bytes, Headers]:
    parts, headers = _parts(head, key, tensors, binary)
    return b"".join(parts), headers


def _parts(
    head: dict[str, Any], key: str, tensors: tuple[Tensor, ...], binary: Callable[[str], bool]
) -> tuple[Parts, Headers]:
    items: list[dict[str, Any]] = []
    chunks: list[bytes | memoryview] = []
    for tensor in tensors:
        item: dict[str, Any] = {
            "name": tensor.name,
            "shape": tensor.shape,
            "datatype": tensor.datatype,
        }
        parameters: Parameters = tensor.parameters
        if binary(tensor.name):
            chunk = tensor_to_bytes(tensor)
            chunks.append(chunk)
            item["parameters"] = {**parameters, "binary_data_size": len(chunk)}
        else:
            if parameters:
                item["parameters"] = parameters
            item["data"] = _json_data(tensor)
        items.append(item)
    head[key] = items
    json_part = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    if not chunks:
        return (json_part,), {"content-type": JSON_TYPE}
    headers = {"content-type": BINARY_TYPE, HEADER_LENGTH.lower(): str(len(json_part))}
    return (json_part, *chunks), headers


def _json_data(tensor: Tensor) -> Any:
    if tensor.datatype == "FP16" and tensor.array.size:
        raise InvalidInput(
            f"Sending FP16 data via JSON is not supported."
            f" Please use the binary data format for output {clip(tensor.name)}"
        )
    if tensor.datatype != "BYTES":
        return np.ascontiguousarray(tensor.array).reshape(-1)
    try:
        return [element.decode() for element in tensor.array.reshape(-1).tolist()]
    except UnicodeDecodeError:
        raise InvalidInput(
            f"output {clip(tensor.name)!r} holds bytes that are no UTF-8 text:"
            " ask for it as binary data"
        ) from None


def _needs_binary(tensor: Tensor) -> bool:
    if tensor.datatype == "BYTES":
        try:
            _json_data(tensor)
        except InvalidInput:
            return True
        return False
    if tensor.datatype == "FP16":
        return True
    return tensor.array.dtype.kind == "f" and not bool(np.isfinite(tensor.array).all())


def _read_id(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise InvalidInput(f'expected "id" to be a string, got {describe(value)}')


def _read_requested(items: object) -> tuple[RequestedOutput, ...]:
    if items is None:
        return ()
    if not isinstance(items, list):
        raise InvalidInput(f'expected "outputs" to be a list, got {describe(items)}')
    outputs: list[RequestedOutput] = []
    for index, item in enumerate(items):
        what = f"outputs[{index}]"
        name = read_name(item, what)
        parameters = read_parameters(item.get("parameters"), what, classes=True)
        outputs.append(
            RequestedOutput(name, read_flag(parameters, "binary_data", what), parameters)
        )
    return tuple(outputs)


def _write_requested(output: RequestedOutput) -> dict[str, Any]:
    parameters = {**output.parameters, "binary_data": True} if output.binary else output.parameters
    return {"name": output.name, "parameters": parameters} if parameters else {"name": output.name}
