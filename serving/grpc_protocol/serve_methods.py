"""The protocol for Ray Serve's own gRPC proxy: which methods there are, and a replica's answers.

Serve's configuration names `add_to_server`. Where HAProxy leads calls straight to replicas this
is used only while there is none (a graph that is scaled to zero); without HAProxy, always.
Ray's proxy passes metadata on, but no deadline: it cancels the call when the client gives up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.front import STREAM, UNARY, Front


def add_to_server(servicer: Any, server: Any) -> None:
    """What generated code calls ``add_GRPCInferenceServiceServicer_to_server``: the handlers
    take and give bytes."""
    handlers = {name: grpc.unary_unary_rpc_method_handler(servicer) for name in UNARY}
    handlers[STREAM] = grpc.stream_stream_rpc_method_handler(servicer)
    handler = grpc.method_handlers_generic_handler(messages.SERVICE, handlers)
    server.add_generic_rpc_handlers((handler,))


class ServeMethods:
    """For a replica to inherit: Ray's proxy calls methods by their names. ``grpc_front``
    answers."""

    grpc_front: Front


class _Serialized(bytes):
    """A response as Ray's proxy wants it."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return bytes(self)


class _Call:
    """Ray's picture of a call, as the front sees calls."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def invocation_metadata(self) -> Any:
        return self._context.invocation_metadata()

    def time_remaining(self) -> None:
        return None

    def set_trailing_metadata(self, pairs: Any) -> None:
        self._context.set_trailing_metadata(list(pairs))

    async def abort(self, code: grpc.StatusCode, text: str, pairs: Any = ()) -> None:
        self._context.set_code(code)
        self._context.set_details(text)
        self.set_trailing_metadata(pairs)
        raise grpc.RpcError(text)


def _unary(name: str) -> Any:
    async def answer(self: ServeMethods, request: bytes, grpc_context: Any) -> _Serialized:
        handler = self.grpc_front.methods[name]
        return _Serialized(await handler.unary_unary(request, _Call(grpc_context)))

    answer.__name__ = name
    return answer


async def _stream(
    self: ServeMethods, requests: Any, grpc_context: Any
) -> AsyncIterator[_Serialized]:
    handler = self.grpc_front.methods[STREAM]
    async for response in handler.stream_stream(requests, _Call(grpc_context)):
        yield _Serialized(response)


for _name in UNARY:
    setattr(ServeMethods, _name, _unary(_name))
setattr(ServeMethods, STREAM, _stream)
