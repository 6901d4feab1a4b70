"""The function a library calls with batches: synchronous there, the graph behind it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from umbel.explainers.budget import Budget, BudgetSpent
from umbel.graph.errors import RequestFailed
from umbel.graph.value_types import ValueType
from umbel.nodes.descriptions import listing
from umbel.nodes.execution import Waits, answered_here
from umbel.nodes.forms import to_ndarray
from umbel.nodes.predicting import Predictor

Array = npt.NDArray[Any]

_ANY_ARRAY = ValueType("ndarray")

HERE_S = 0.25
"""A call that is likely to take longer runs elsewhere, so that the budget can end the wait."""

POLL_S = 0.5
"""Seconds between two looks at the budget while a prediction is under way."""


class BatchPredictor:
    """One explanation's view of what it explains. Called in a thread, it runs the prediction on
    the event loop, in as few calls as ``batch_rows`` allows, and counts it.

    ``failure`` is what a prediction raised: libraries wrap or swallow errors of predictors.
    """

    def __init__(
        self,
        predictor: Predictor,
        loop: asyncio.AbstractEventLoop,
        budget: Budget,
        batch_rows: int,
        output: str,
    ) -> None:
        self._predictor, self._loop, self._budget = predictor, loop, budget
        self._batch_rows, self._output = batch_rows, output
        self._pace = math.inf
        """Seconds a row that the last call took."""
        self.failure: Exception | None = None

    def __call__(self, batch: Any) -> Array:
        """The predictions of a batch, its first axis the instances."""
        try:
            return self._all(batch)
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _all(self, batch: Any) -> Array:
        self._budget.take(len(batch))
        size = self._batch_rows
        parts = [self._wait(batch[at : at + size]) for at in range(0, len(batch), size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _wait(self, batch: Any) -> Array:
        """One call. Where it is known to be short it runs in this thread, which waits anyway:
        two or four changes of thread for each call would cost more than a light model."""
        start = time.perf_counter()
        if self._pace * len(batch) < HERE_S and self._predictor.blocking:
            found = self._here(batch)
        else:
            found = self._waited(batch)
        self._pace = (time.perf_counter() - start) / len(batch)
        return found

    def _here(self, batch: Any) -> Array:
        try:
            return answered_here(self._predict(batch))
        except Waits:
            return self._waited(batch)

    def _waited(self, batch: Any) -> Array:
        future = asyncio.run_coroutine_threadsafe(self._predict(batch), self._loop)
        while True:
            try:
                return future.result(POLL_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                try:
                    self._budget.check()
                except BudgetSpent:
                    future.cancel()
                    raise

    async def _predict(self, batch: Any, *, from_client: bool = False) -> Array:
        found = await self._predictor(batch, from_client=from_client)
        return predictions_of(found, len(batch), self._output)

    async def clients(self, batch: Any) -> Array:
        """The predictions of the client's own instances: what is wrong with them is raised as
        the client's mistake. On the loop, before the explanation starts."""
        self._budget.used += len(batch)
        return await self._predict(batch, from_client=True)


def predictions_of(value: Any, rows: int, output: str) -> Array:
    """What a model or a graph gave for ``rows`` instances, as one array. ``output`` names the one
    that counts, of several. Raises ``RequestFailed``."""
    if isinstance(value, Mapping):
        value = _picked(value, output)
    array = to_ndarray(value, _ANY_ARRAY, "the prediction that is explained")
    if array.ndim == 0 or len(array) != rows:
        raise RequestFailed(
            f"what is explained gave predictions of shape {list(array.shape)} for {rows} "
            "instances: an explainer needs one for each"
        )
    return array


def _picked(outputs: Mapping[str, Any], output: str) -> Any:
    if output in outputs:
        return outputs[output]
    if len(outputs) == 1 and not output:
        return next(iter(outputs.values()))
    raise RequestFailed(
        f"what is explained has outputs {listing(outputs)}: choose one with the setting "
        f"'output' (now {output!r})"
    )
