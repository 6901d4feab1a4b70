"""``ModelInferRequest`` and ``ModelInferResponse`` ⇄ the payloads that V2 has over HTTP too.

A message carries its tensors either all raw or all as typed contents. A server answers as it
was asked, but for FP16, which only goes raw.
"""

from __future__ import annotations

from typing import Any

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.nodes.descriptions import clip, listing
from umbel.serving.grpc_protocol.contents import array_from_contents, has_field, write_contents
from umbel.serving.grpc_protocol.messages import ModelInferRequest, ModelInferResponse
from umbel.serving.grpc_protocol.parameters import parameters_from, write_parameters
from umbel.serving.protocols.binary_tensors import tensor_from_bytes, tensor_to_bytes
from umbel.serving.protocols.datatypes import held_as, require_datatype
from umbel.serving.protocols.payload import InferRequest, InferResponse, RequestedOutput, Tensor
from umbel.serving.protocols.v2 import select_outputs
from umbel.serving.protocols.v2_reading import read_shape


def request_from_message(message: Any) -> InferRequest:
    """The request. Raises InvalidInput for anything a client can get wrong."""
    outputs = tuple(
        RequestedOutput(
            _name(output, "output"),
            parameters=parameters_from(
                output.parameters, f"output {clip(output.name)!r}", classes=True
            ),
        )
        for output in message.outputs
    )
    return InferRequest(
        inputs=_tensors(message.inputs, message.raw_input_contents, "input"),
        id=message.id,
        parameters=parameters_from(message.parameters, "request"),
        outputs=outputs,
    )


def response_to_message(response: InferResponse, request: InferRequest, *, raw: bool) -> Any:
    """The response with the outputs that ``request`` asks for; raw if asked, or if it must be.

    Raises InvalidInput if an output was asked for that is not there.
    """
    outputs = select_outputs(response.outputs, request)
    message = ModelInferResponse(model_name=response.model_name, id=response.id)
    if response.model_version is not None:
        message.model_version = response.model_version
    write_parameters(response.parameters, message.parameters)
    _write(outputs, message.outputs, message.raw_output_contents, raw=raw)
    return message


def request_to_message(request: InferRequest, model: str) -> Any:
    """The request for ``model``, raw: it is the fastest, and every server takes it."""
    message = ModelInferRequest(model_name=model, id=request.id)
    write_parameters(request.parameters, message.parameters)
    for asked in request.outputs:
        write_parameters(asked.parameters, message.outputs.add(name=asked.name).parameters)
    _write(request.inputs, message.inputs, message.raw_input_contents, raw=True)
    return message


def response_from_message(message: Any) -> InferResponse:
    """The response a server sent. Raises RequestFailed if it makes no sense."""
    try:
        return InferResponse(
            model_name=message.model_name,
            outputs=_tensors(message.outputs, message.raw_output_contents, "output"),
            id=message.id,
            model_version=message.model_version or None,
            parameters=parameters_from(message.parameters, "response"),
        )
    except InvalidInput as error:
        raise RequestFailed(f"the answer is no V2 inference response: {error}") from error


def _tensors(items: Any, raw: Any, kind: str) -> tuple[Tensor, ...]:
    if raw and len(raw) != len(items):
        raise InvalidInput(
            f"expected raw_{kind}_contents for each of {len(items)} {kind}s, got {len(raw)}"
        )
    tensors = tuple(
        _tensor(item, raw[index] if raw else None, kind) for index, item in enumerate(items)
    )
    names = [tensor.name for tensor in tensors]
    if len(set(names)) != len(names):
        raise InvalidInput(f"expected {kind}s with distinct names, got {listing(names)}")
    return tensors


def _tensor(item: Any, raw: bytes | None, kind: str) -> Tensor:
    name = _name(item, kind)
    what = f"{kind} {clip(name)!r}"
    datatype = require_datatype(item.datatype, what)
    shape = read_shape(list(item.shape), what)
    parameters = parameters_from(item.parameters, what)
    if raw is None:
        array = array_from_contents(item.contents, datatype, shape, what)
    elif item.HasField("contents"):
        raise InvalidInput(f"{what}: expected contents or raw_{kind}_contents, got both")
    else:
        array = tensor_from_bytes(memoryview(raw), datatype, shape, what)
    return Tensor(name, held_as(datatype), shape, array, parameters)


def _name(item: Any, kind: str) -> str:
    name: str = item.name
    if not name:
        raise InvalidInput(f"expected a name for each {kind}, got none")
    return name


def _write(tensors: tuple[Tensor, ...], items: Any, contents: Any, *, raw: bool) -> None:
    raw = raw or not all(has_field(tensor.datatype) for tensor in tensors)
    for tensor in tensors:
        item = items.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        write_parameters(tensor.parameters, item.parameters)
        if raw:
            contents.append(bytes(tensor_to_bytes(tensor)))
        else:
            write_contents(tensor, item.contents)
