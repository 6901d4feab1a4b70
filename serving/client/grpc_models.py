"""What besides inference a client asks over gRPC, in HTTP's form."""

from __future__ import annotations

from typing import Any

from umbel.graph.options import Retry
from umbel.serving.client.attempts import Deadline
from umbel.serving.client.grpc_transport import GrpcTransport
from umbel.serving.grpc_protocol import messages

_READINESS = {
    "ServerLive": ("live", messages.ServerLiveResponse),
    "ServerReady": ("ready", messages.ServerReadyResponse),
    "ModelReady": ("ready", messages.ModelReadyResponse),
}
"""Method → the answer's field and class."""


class GrpcModels(GrpcTransport):
    """A transport that also tells readiness and metadata."""

    async def yes(self, method: str, model: str, deadline: Deadline, retry: Retry) -> bool:
        """The answer of one of the three readiness methods."""
        field, answer = _READINESS[method]
        # An empty message is the same bytes whatever its kind: the server's have no fields.
        asked = messages.ModelReadyRequest(name=model)
        reply = await self.ask(method, asked, answer, deadline, retry=retry)
        return bool(getattr(reply, field))

    async def metadata(self, model: str, deadline: Deadline) -> dict[str, Any]:
        """As ``GET /v2/models/NAME`` gives it."""
        asked = messages.ModelMetadataRequest(name=model)
        reply = await self.ask("ModelMetadata", asked, messages.ModelMetadataResponse, deadline)
        return {
            "name": reply.name,
            "versions": list(reply.versions),
            "platform": reply.platform,
            "inputs": [_tensor(one) for one in reply.inputs],
            "outputs": [_tensor(one) for one in reply.outputs],
        }


def _tensor(one: Any) -> dict[str, Any]:
    return {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
