"""The OpenAPI 3.1 document of one graph: its own shapes, dtypes and examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.graph.value_types import Signature
from umbel.serving.protocols import (
    example_bodies,
    metadata,
    openapi_extensions,
    openapi_openai,
    schemas,
)
from umbel.serving.protocols.model_config import model_config
from umbel.serving.protocols.operations import get, post, ready_page, ref

_ROUTER = "What the graph's first step takes; its answer is the graph's."


def openapi_document(
    name: str,
    signature: Signature,
    *,
    model: str = "",
    version: str = "0.1.0",
    description: str = "",
    v1_example: Any = None,
    explain: bool = False,
    openai: Sequence[str] = (),
) -> dict[str, Any]:
    """The document for the graph ``name`` as it answers under ``/name``; ``model`` where it is
    served under another name. ``openai``: the methods of OpenAI's API that it offers.

    ``v1_example`` is made from the signature where it is not given.
    """
    model = model or name
    v1 = v1_example if v1_example is not None else example_bodies.v1_example(signature)
    v2 = example_bodies.v2_example(signature)
    call = post("call", "Call the graph", "graph", ref("GraphRequest"), {}, v1)
    told = {"status": "alive", **metadata.model_metadata(model, signature)}
    return {
        "openapi": "3.1.0",
        "info": _info(name, version, description),
        "paths": {
            f"/{name}": {**get("graph", "What the graph takes", "graph", told), "post": call},
            **_v1_paths(name, model, v1, explain),
            **_v2_paths(name, model, signature, version, v2),
            **openapi_extensions.paths(name, model, signature, v2, explain),
            **openapi_openai.paths(name, model, openai),
        },
        "components": {
            "schemas": {
                "Error": schemas.ERROR,
                "GraphRequest": schemas.graph_request(signature),
                "V1Request": schemas.v1_request(signature),
                "V1Response": schemas.v1_response(signature),
                "V2Request": schemas.v2_request(signature),
                "V2Response": schemas.v2_response(signature),
                "ModelMetadata": schemas.MODEL_METADATA,
                **openapi_extensions.component_schemas(signature),
                **openapi_openai.component_schemas(openai),
            }
        },
    }


def router_document(name: str, *, version: str, description: str = "") -> dict[str, Any]:
    """The document of a graph of messages, which takes whatever its services take."""
    call = post("call", "Call the graph", "graph", {}, {})
    ready = get("ready", "Is the graph ready?", "graph", {"ready": True})
    return {
        "openapi": "3.1.0",
        "info": _info(name, version, description or _ROUTER),
        "paths": {f"/{name}": {"post": call}, f"/{name}/readyz": ready},
        "components": {"schemas": {"Error": schemas.ERROR}},
    }


def _info(name: str, version: str, description: str) -> dict[str, Any]:
    return {
        "title": name,
        "version": version or "0",
        **({"description": description} if description else {}),
    }


def _v1_paths(name: str, model: str, example: Any, explain: bool) -> dict[str, Any]:
    base = f"/{name}/v1/models"
    one = f"{base}/{model}"
    predict = post("v1_predict", "Predict", "V1", ref("V1Request"), ref("V1Response"), example)
    paths: dict[str, Any] = {
        base: get("v1_models", "List the models", "V1", metadata.model_list([model])),
        one: get("v1_model", "Is the model ready?", "V1", metadata.model_ready(model, True)),
        f"{one}:predict": {"post": predict},
    }
    if explain:
        operation = post(
            "v1_explain", "Explain", "V1", ref("V1Request"), schemas.EXPLAINED, example
        )
        paths[f"{one}:explain"] = {"post": operation}
    return paths


def _v2_paths(
    name: str, model: str, signature: Signature, version: str, example: Any
) -> dict[str, Any]:
    base = f"/{name}/v2"
    one = f"{base}/models/{model}"
    infer = post("v2_infer", "Infer", "V2", ref("V2Request"), ref("V2Response"), example)
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
    described = metadata.model_metadata(model, signature)
    server = metadata.server_metadata(version)
    configured = model_config(model, signature)
    ready = metadata.model_ready(model, True)
    return {
        base: get("v2_server", "Server metadata", "V2", server),
        f"{base}/health/live": get("v2_live", "Is the server alive?", "V2", {"live": True}),
        f"{base}/health/ready": ready_page("v2_ready", "Is the server ready?", {"ready": True}),
        f"{base}/models": get("v2_models", "List", "V2", metadata.model_list([model])),
        one: get("v2_model", "Inputs and outputs", "V2", described, ref("ModelMetadata")),
        f"{one}/ready": ready_page("v2_model_ready", "Is the model ready?", ready),
        f"{one}/config": get("v2_config", "Triton's model configuration", "V2", configured),
        f"{one}/infer": {"post": infer},
    }
