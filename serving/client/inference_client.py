"""The data plane's client for code without asyncio."""

from __future__ import annotations

import atexit
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from umbel.graph.options import Retry
from umbel.serving.client.async_client import AsyncInferenceClient
from umbel.serving.client.inference_result import InferenceResult
from umbel.serving.loop_thread import LoopThread

T = TypeVar("T")


class InferenceClient:
    """As `AsyncInferenceClient`, whose arguments and errors it has, but its methods wait.

    Threads may share one client; calls of several threads run side by side. A process that
    forks makes its client afterwards. Use it as a context manager, or call ``close``.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float | None = 60.0,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | Path | None = None,
        message_limit: int = 256 * 1024 * 1024,
    ) -> None:
        self._client = AsyncInferenceClient(
            url,
            model=model,
            timeout_s=timeout_s,
            retry=retry,
            headers=headers,
            ca_file=ca_file,
            message_limit=message_limit,
        )
        self.url, self.model = url, self._client.model
        self._loop: LoopThread | None = LoopThread("umbel-client")
        atexit.register(self.close)  # for programs that end without closing it

    def __enter__(self) -> InferenceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the client's thread; calls that run are cancelled."""
        loop, self._loop = self._loop, None
        atexit.unregister(self.close)
        if loop is not None:
            loop.submit(self._client.close()).result()
            loop.close()

    def infer(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, object] | None = None,
        id: str = "",
        binary: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> InferenceResult:
        """V2 inference: arrays by name, or one array for a model with one input."""
        return self._run(
            self._client.infer(
                inputs,
                model=model,
                outputs=outputs,
                parameters=parameters,
                id=id,
                binary=binary,
                headers=headers,
                timeout_s=timeout_s,
            )
        )

    def predict(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """V1 ``:predict``: the ``predictions`` for a list or array of instances."""
        return self._run(
            self._client.predict(instances, model=model, headers=headers, timeout_s=timeout_s)
        )

    def explain(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """V1 ``:explain``: the whole answer, whose form is the explainer's."""
        return self._run(
            self._client.explain(instances, model=model, headers=headers, timeout_s=timeout_s)
        )

    def call(
        self,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """POST ``body`` as JSON to the URL itself: a graph's call, as KServe's router takes it."""
        return self._run(self._client.call(body, headers=headers, timeout_s=timeout_s))

    def metadata(self, model: str | None = None) -> dict[str, Any]:
        """The model's inputs and outputs, as V2 has them."""
        return self._run(self._client.metadata(model))

    def is_server_live(self) -> bool:
        """Does the server answer?"""
        return self._run(self._client.is_server_live())

    def is_server_ready(self) -> bool:
        """Is all that it serves ready?"""
        return self._run(self._client.is_server_ready())

    def is_model_ready(self, model: str | None = None) -> bool:
        """Is the model ready? Raises ``NotFound`` where there is none of the name."""
        return self._run(self._client.is_model_ready(model))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise RuntimeError("this InferenceClient is closed")
        future = self._loop.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C while waiting; nothing for a call that ended
            raise
