"""The OpenAPI 3.1 document of one graph: its own shapes, dtypes and examples."""

from __future__ import annotations

from typing import Any

from umbel.graph.value_types import Signature
from umbel.serving.protocols import example_bodies, metadata, schemas

Operation = dict[str, Any]

_ERRORS = {
    "400": "the body, a tensor's name, shape or dtype is wrong",
    "404": "no such graph or model",
    "413": "the body is over the limit",
    "500": "a node failed; the text names it and the request",
    "503": "still starting, or stopping",
    "504": "the deadline passed",
}


def openapi_document(
    name: str,
    signature: Signature,
    *,
    version: str = "0.1.0",
    description: str = "",
    v1_example: Any = None,
    v2_example: Any = None,
    explain: bool = False,
) -> dict[str, Any]:
    """The document for the graph ``name`` as it answers under ``/name``.

    The examples are made from the signature where they are not given.
    """
    v1 = v1_example if v1_example is not None else example_bodies.v1_example(signature)
    v2 = v2_example if v2_example is not None else example_bodies.v2_example(signature)
    info: dict[str, Any] = {"title": name, "version": version}
    if description:
        info["description"] = description
    return {
        "openapi": "3.1.0",
        "info": info,
        "paths": {
            f"/{name}": {"post": _call(v1)},
            **_v1_paths(name, v1, explain),
            **_v2_paths(name, signature, version, v2),
        },
        "components": {
            "schemas": {
                "Error": schemas.ERROR,
                "GraphRequest": schemas.graph_request(signature),
                "V1Request": schemas.v1_request(signature),
                "V1Response": schemas.v1_response(signature),
                "V2Request": schemas.v2_request(signature),
                "V2Response": schemas.v2_response(signature),
            }
        },
    }


def _call(example: Any) -> Operation:
    return _post("call", "Call the graph", "graph", "GraphRequest", {}, example)


def _v1_paths(name: str, example: Any, explain: bool) -> dict[str, Any]:
    base = f"/{name}/v1/models"
    model = f"{base}/{name}"
    predict = _post("v1_predict", "Predict", "V1", "V1Request", _ref("V1Response"), example)
    paths: dict[str, Any] = {
        base: _get("v1_models", "List the models", "V1", metadata.model_list([name])),
        model: _get("v1_model", "Is the model ready?", "V1", metadata.model_ready(name, True)),
        f"{model}:predict": {"post": predict},
    }
    if explain:
        explained = {"type": "object", "required": ["explanations"]}
        operation = _post("v1_explain", "Explain", "V1", "V1Request", explained, example)
        paths[f"{model}:explain"] = {"post": operation}
    return paths


def _v2_paths(name: str, signature: Signature, version: str, example: Any) -> dict[str, Any]:
    base = f"/{name}/v2"
    model = f"{base}/models/{name}"
    infer = _post("v2_infer", "Infer", "V2", "V2Request", _ref("V2Response"), example)
    binary: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    infer["requestBody"]["content"]["application/octet-stream"] = binary
    infer["responses"]["200"]["content"]["application/octet-stream"] = binary
    infer["parameters"] = [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "required": False,
            "description": "bytes of JSON before the binary tensor data",
            "schema": {"type": "integer", "minimum": 0},
        }
    ]
    described = metadata.model_metadata(name, signature)
    server = metadata.server_metadata(version)
    return {
        base: _get("v2_server", "Server metadata", "V2", server),
        f"{base}/health/live": _get("v2_live", "Is the server alive?", "V2", {"live": True}),
        f"{base}/health/ready": _get("v2_ready", "Is the server ready?", "V2", {"ready": True}),
        f"{base}/models": _get("v2_models", "List", "V2", metadata.model_list([name])),
        model: _get("v2_model", "Inputs and outputs of the model", "V2", described),
        f"{model}/ready": _get(
            "v2_model_ready", "Is the model ready?", "V2", metadata.model_ready(name, True)
        ),
        f"{model}/infer": {"post": infer},
    }


def _get(id: str, summary: str, tag: str, example: Any) -> dict[str, Operation]:
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    responses = {"200": {"description": "OK", "content": content}, **_errors("404", "503")}
    return {"get": {"operationId": id, "summary": summary, "tags": [tag], "responses": responses}}


def _post(
    id: str, summary: str, tag: str, request: str, answer: dict[str, Any], example: Any
) -> Operation:
    body: dict[str, Any] = {"schema": _ref(request)}
    if example is not None:
        body["example"] = example
    return {
        "operationId": id,
        "summary": summary,
        "tags": [tag],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": answer}}},
            **_errors(*_ERRORS),
        },
    }


def _errors(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref("Error")}}
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
