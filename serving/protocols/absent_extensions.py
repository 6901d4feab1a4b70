"""Triton's extensions that umbel does not have, each with what to do instead."""

from __future__ import annotations

_MEMORY = "umbel has no shared memory between client and server: send tensors as binary data"
_STATISTICS = "umbel counts requests for Prometheus: GET /NAME/metrics"
_TRACE = "umbel has no trace settings"
_LOG = "the log's level is not changed over the network"
_CONFIG = "umbel has no model configuration over gRPC: ask for ModelMetadata"

_PATHS = (
    ("/v2/systemsharedmemory", _MEMORY),
    ("/v2/cudasharedmemory", _MEMORY),
    ("/v2/trace/setting", _TRACE),
    ("/v2/logging", _LOG),
    ("/v2/models/stats", _STATISTICS),
)
_ENDS = (("/trace/setting", _TRACE), ("/stats", _STATISTICS))

METHODS = {
    "ModelConfig": _CONFIG,
    "ModelStatistics": _STATISTICS,
    "TraceSetting": _TRACE,
    "LogSettings": _LOG,
    "SystemSharedMemoryStatus": _MEMORY,
    "SystemSharedMemoryRegister": _MEMORY,
    "SystemSharedMemoryUnregister": _MEMORY,
    "CudaSharedMemoryStatus": _MEMORY,
    "CudaSharedMemoryRegister": _MEMORY,
    "CudaSharedMemoryUnregister": _MEMORY,
}
"""gRPC method → the answer."""


def instead_of(path: str) -> str | None:
    """What to do instead of asking for this path; ``None`` for a path of no extension."""
    for beginning, text in _PATHS:
        if path.startswith(beginning):
            return text
    if path.startswith("/v2/models/"):
        return next((text for end, text in _ENDS if path.endswith(end)), None)
    return None
