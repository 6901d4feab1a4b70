"""The data plane's client: V1, V2 and gRPC, with numpy arrays, retries and deadlines.

`umbel.InferenceClient` and `umbel.AsyncInferenceClient` are these.
"""

from __future__ import annotations

from umbel.serving.client.async_client import AsyncInferenceClient
from umbel.serving.client.inference_client import InferenceClient
from umbel.serving.client.inference_result import InferenceResult

__all__ = ["AsyncInferenceClient", "InferenceClient", "InferenceResult"]
