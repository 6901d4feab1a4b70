"""The data plane's client for code without asyncio."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from umbel.graph.options import Retry
from umbel.serving.client.async_client import AsyncInferenceClient
from umbel.serving.client.connected import DEFAULT_CONNECTIONS, DEFAULT_MESSAGE_LIMIT
from umbel.serving.client.inference_result import InferenceResult
from umbel.serving.client.waited_items import waited
from umbel.serving.loop_thread import LoopThread

T = TypeVar("T")


class InferenceClient:
    """As `AsyncInferenceClient`, whose arguments and errors it has, but its methods wait, and
    those that stream give generators: close them (``contextlib.closing``, or let them go) to
    end the work on the server.

    Threads may share one client; calls of several threads run side by side. A process that was
    forked connects anew. Use it as a context manager, or call ``close``.
    """

    def __init__(  # noqa: PLR0913
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float | None = 60.0,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        token_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        message_limit: int = DEFAULT_MESSAGE_LIMIT,
        connections: int = DEFAULT_CONNECTIONS,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "model": model,
            "timeout_s": timeout_s,
            "retry": retry,
            "headers": headers,
            "token_file": token_file,
            "ca_file": ca_file,
            "message_limit": message_limit,
            "connections": connections,
        }
        self.url, self._lock, self._inherited = url, threading.Lock(), list[object]()
        self._loop: LoopThread | None = None
        self._connect()
        self.model = self._client.model
        atexit.register(self.close)  # for programs that end without closing it

    def __enter__(self) -> InferenceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the client's thread; calls that run are cancelled."""
        loop, self._loop = self._loop, None
        atexit.unregister(self.close)
        if self._process != os.getpid():
            self._disown()
        elif loop is not None:
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
            lambda one: one.infer(
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
            lambda one: one.predict(instances, model=model, headers=headers, timeout_s=timeout_s)
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
            lambda one: one.explain(instances, model=model, headers=headers, timeout_s=timeout_s)
        )

    def call(
        self,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """POST ``body`` as JSON to the URL itself: a graph's call, as KServe's router takes it."""
        return self._run(lambda one: one.call(body, headers=headers, timeout_s=timeout_s))

    def metadata(self, model: str | None = None) -> dict[str, Any]:
        """The model's inputs and outputs, as V2 has them."""
        return self._run(lambda one: one.metadata(model))

    def is_server_live(self) -> bool:
        """Does the server answer?"""
        return self._run(lambda one: one.is_server_live())

    def is_server_ready(self) -> bool:
        """Is all that it serves ready?"""
        return self._run(lambda one: one.is_server_ready())

    def is_model_ready(self, model: str | None = None) -> bool:
        """Is the model ready? Raises ``NotFound`` where there is none of the name."""
        return self._run(lambda one: one.is_model_ready(model))

    def infer_stream(  # noqa: PLR0913
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
        item_timeout_s: float | None = None,
    ) -> Generator[InferenceResult, None, None]:
        """V2 inference of a graph that streams: a result for each item."""
        return self._stream(
            lambda one: one.infer_stream(
                inputs,
                model=model,
                outputs=outputs,
                parameters=parameters,
                id=id,
                binary=binary,
                headers=headers,
                timeout_s=timeout_s,
                item_timeout_s=item_timeout_s,
            )
        )

    def predict_stream(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> Generator[Any, None, None]:
        """V1 ``:predict``: the ``predictions`` of each item."""
        return self._stream(
            lambda one: one.predict_stream(
                instances,
                model=model,
                headers=headers,
                timeout_s=timeout_s,
                item_timeout_s=item_timeout_s,
            )
        )

    def call_stream(
        self,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> Generator[Any, None, None]:
        """POST ``body`` to the URL itself; each event of the answer, as JSON gives it."""
        return self._stream(
            lambda one: one.call_stream(
                body, headers=headers, timeout_s=timeout_s, item_timeout_s=item_timeout_s
            )
        )

    def generate(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Triton's generate: values by name, or a text, and the answer as plain JSON."""
        return self._run(
            lambda one: one.generate(inputs, model=model, headers=headers, timeout_s=timeout_s)
        )

    def generate_stream(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """Triton's ``generate_stream``: an answer like ``generate``'s for each item."""
        return self._stream(
            lambda one: one.generate_stream(
                inputs,
                model=model,
                headers=headers,
                timeout_s=timeout_s,
                item_timeout_s=item_timeout_s,
            )
        )

    def _run(self, work: Callable[[AsyncInferenceClient], Coroutine[Any, Any, T]]) -> T:
        client, loop = self._connected()
        future = loop.submit(work(client))
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C while waiting; nothing for a call that ended
            raise

    def _stream(
        self, work: Callable[[AsyncInferenceClient], AsyncGenerator[T, None]]
    ) -> Generator[T, None, None]:
        client, loop = self._connected()
        return waited(work(client), loop)

    def _connected(self) -> tuple[AsyncInferenceClient, LoopThread]:
        """The client and its thread; new ones in a process that was forked, whose copies have
        no thread and share their connections with the parent."""
        if self._process != os.getpid():
            with self._lock:
                if self._loop is not None and self._process != os.getpid():
                    self._disown()
                    self._connect()
        if self._loop is None:
            raise RuntimeError("this InferenceClient is closed")
        return self._client, self._loop

    def _disown(self) -> None:
        """What the parent uses is neither closed nor let go of here."""
        self._inherited += [self._client, self._loop]
        self._client.disown()

    def _connect(self) -> None:
        self._client = AsyncInferenceClient(self.url, **self._arguments)
        self._loop, self._process = LoopThread("umbel-client"), os.getpid()
