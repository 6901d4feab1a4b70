"""An explainer that is ready to answer: checks what came, runs the method in a thread, keeps
the budget, and puts the answer together."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from umbel.explainers.batch_predictor import BatchPredictor
from umbel.explainers.budget import Budget, BudgetSpent, OverBudget
from umbel.explainers.explainer_options import callers_options
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.instances import instances
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import InvalidInput, RequestFailed, UmbelError
from umbel.nodes.predicting import current_predictor
from umbel.nodes.request_context import current_request

BUDGET_S, BUDGET_SAMPLES, BATCH_ROWS = 60.0, 1_000_000, 16_384

MOST_PICTURES = 16
"""Instances in one request that may get a picture each."""

_thread = ThreadPoolExecutor(1, thread_name_prefix="umbel-explain")
"""One explanation at a time in a process: alibi and ART draw from numpy's global random numbers
and keep the state of a search on the explainer. Several at once take several replicas."""


_explaining: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "umbel_explaining", default=False
)
"""Set in what an explanation calls: one inside another would wait for the thread it runs in."""


class OpenedExplainer:
    """Answers ``explain`` for one node."""

    def __init__(self, method: OpenedMethod, opening: Opening, random: RandomStream) -> None:
        self._method, self._opening, self._random = method, opening, random

    async def explain(self, x: Any, parameters: object = None) -> dict[str, Any]:
        """The explanation of ``x``: ``{"meta", "data", "budget"}`` for one instance, or for all
        together where the method does that; ``{"explanations": [...], "budget"}`` for several.

        Raises ``InvalidInput`` for what the caller did wrong, ``OverBudget`` where the budget
        was spent before there was anything to say.
        """
        if _explaining.get():
            raise RequestFailed(
                "what is explained calls an explainer itself: give of= the model rather than the "
                "graph around it"
            )
        options = callers_options(self._opening.method, self._opening.options, parameters)
        given = instances(x, self._opening)
        if not len(given) and not self._method.whole:
            raise InvalidInput("instances: expected at least one")
        if options.get("picture") and not self._method.whole and len(given) > MOST_PICTURES:
            raise InvalidInput(f"a picture of up to {MOST_PICTURES} instances, not of {len(given)}")
        budget = Budget(
            options.get("budget_s", BUDGET_S),
            options.get("budget_samples", BUDGET_SAMPLES),
            _seconds_left(),
        )
        loop = asyncio.get_running_loop()
        predict = BatchPredictor(
            current_predictor(),
            loop,
            budget,
            options.get("batch_rows", BATCH_ROWS),
            options.get("output", ""),
        )
        job = Job(given, options, predict, budget, self._random)
        token = _explaining.set(True)
        try:
            if len(given):
                await predict.clients(given)
            run = contextvars.copy_context().run
            return await loop.run_in_executor(_thread, run, self._run, job)
        except asyncio.CancelledError:
            budget.cancelled = True
            raise
        finally:
            _explaining.reset(token)

    def close(self) -> None:
        """Nothing is held open."""

    def _run(self, job: Job) -> dict[str, Any]:
        job.budget.start()
        try:
            job.budget.check()
            explanations = self._method.explain(job)
        except Exception as error:
            raise _cause(error, job) from error
        return self._answer(job, explanations)

    def _answer(self, job: Job, explanations: list[Explanation]) -> dict[str, Any]:
        report = job.budget.report()
        picture = job.options.get("picture")
        if picture:
            from umbel.explainers.pictures import with_picture

            explanations = [with_picture(one, picture) for one in explanations]
        if self._method.whole or (len(explanations) == 1 and len(job.x) == 1):
            return {**explanations[0], "budget": report}
        report |= {"asked": len(job.x), "explained": len(explanations)}
        return {"explanations": explanations, "budget": report}


def _seconds_left() -> float | None:
    try:
        return current_request().remaining()
    except LookupError:
        return None


def _cause(error: Exception, job: Job) -> Exception:
    """What to raise for an error of a method: libraries wrap what a predictor raised."""
    if job.budget.spent_on:
        spent = f"no explanation within its budget: {job.budget.spent_on}, and that is spent"
        used = f"{job.budget.used:,} rows, {job.budget.elapsed:.2f} s"
        return OverBudget(f"{spent} ({used})")
    failure = job.predict.failure
    if failure is not None and not isinstance(failure, BudgetSpent):
        return failure
    if isinstance(error, UmbelError):
        return error
    if isinstance(error, np.linalg.LinAlgError):
        return RequestFailed(f"the explanation has no numeric solution: {error}")
    return error
