"""How a call is carried out: its time limit, and further attempts after a failure.

One place for nodes of the Python DSL (``timeout_s=``, ``retries=``) and for steps of KServe
graphs (``umbel.dev/retries``). A call without a policy does not come through here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from umbel.graph.errors import ClientError, DeadlineExceeded, DeclarationError, UpstreamAnswered
from umbel.graph.options import MAX_BACKOFF_MS, NodeOptions, Retry
from umbel.nodes.messages import Message
from umbel.nodes.request_context import NodeCall, RequestContext

T = TypeVar("T")

_jitter = random.SystemRandom()


@dataclass(frozen=True)
class CallPolicy:
    """``timeout_s`` holds for each attempt. The request's deadline bounds everything."""

    timeout_s: float | None = None
    retry: Retry | None = None

    async def run(
        self, call: Callable[[], Awaitable[T]], context: RequestContext, record: NodeCall
    ) -> T:
        """The value of ``call``, from the first attempt that is good or from the last one."""
        retry = self.retry or _ONCE
        while True:
            last = record.attempts >= retry.attempts
            try:
                value = await self._attempt(call, record.node)
            except Exception as error:
                if last or not _worth_another(error, retry):
                    raise
                if not await _pause(retry, record.attempts, context):
                    raise
            else:
                again = isinstance(value, Message) and value.status in retry.statuses
                if last or not again or not await _pause(retry, record.attempts, context):
                    return value
            record.attempts += 1

    async def _attempt(self, call: Callable[[], Awaitable[T]], name: str) -> T:
        if self.timeout_s is None:
            return await call()
        running = asyncio.ensure_future(call())
        running.add_done_callback(_seen)
        try:
            done, _ = await asyncio.wait([running], timeout=self.timeout_s)
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])
        if not done:
            raise DeadlineExceeded(f"no answer from {name!r} within {self.timeout_s:g} s")
        return running.result()


_ONCE = Retry(attempts=1)


def policy_of(options: NodeOptions) -> CallPolicy | None:
    """What a node's options ask for, ``None`` if nothing."""
    if options.timeout_s is None and options.retry is None:
        return None
    return CallPolicy(options.timeout_s, options.retry)


def _seen(task: asyncio.Future[T]) -> None:
    """Look at the error of an attempt that nobody waits for, or asyncio would log it."""
    if not task.cancelled():
        task.exception()


def _worth_another(error: Exception, retry: Retry) -> bool:
    """Not a client's mistake, which would be one again, nor a service's definite answer."""
    if isinstance(error, UpstreamAnswered):
        return error.code in retry.statuses
    return not isinstance(error, (ClientError, DeclarationError))


async def _pause(retry: Retry, attempts: int, context: RequestContext) -> bool:
    """Wait before the next attempt. False, at once, if the deadline leaves no time for one."""
    most = min(retry.backoff_ms * 2.0 ** min(attempts - 1, 30), MAX_BACKOFF_MS) / 1000
    seconds = most * _jitter.uniform(0.5, 1.0)
    remaining = context.remaining()
    if remaining is not None and remaining <= seconds:
        return False
    await asyncio.sleep(seconds)
    return True


def message_policy(retry: Retry | None) -> CallPolicy | None:
    """The policy of a step that calls a service of this program."""
    return None if retry is None else CallPolicy(retry=retry)
