"""Every error umbel raises, in one tree.

    UmbelError                     .status: the HTTP status a client sees
    ├── ClientError                the caller's mistake: 4xx, the message is shown
    │   ├── InvalidInput       400
    │   ├── NotFound           404
    │   ├── MethodNotAllowed   405
    │   ├── BodyTooLarge       413
    │   └── NoBranchMatched    404  a switch without a branch for this input
    ├── ServingError               ours or a node's fault: 5xx
    │   ├── UpstreamAnswered   …    a service answered with an error, which is passed on
    │   ├── NodeFailed         500  a node raised; names the node, hides the cause
    │   ├── RequestFailed      500  a step could not be carried out (no reply at all)
    │   ├── NotImplementedHere 501
    │   ├── NotReady           503
    │   └── DeadlineExceeded   504
    └── DeclarationError           the graph or its file is wrong: raised before anything runs
        ├── CheckFailed             carries every finding
        └── MissingExtra            an optional library is not installed; names the line to type

Arguments are handed to ``super().__init__`` unchanged so that errors survive pickling
between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from umbel.graph.findings import Finding


class UmbelError(Exception):
    """Root of the tree. ``status`` is the HTTP status, ``str(error)`` the text a user reads."""

    status: ClassVar[int] = 500


class ClientError(UmbelError):
    """The caller's mistake. The message says what was expected and what came."""

    status = 400


class InvalidInput(ClientError):
    """The request body, a tensor's name, shape or dtype, or a parameter is wrong."""


class NotFound(ClientError):
    """No such graph, model or path."""

    status = 404


class MethodNotAllowed(ClientError):
    """The path exists, the HTTP method does not."""

    status = 405


class BodyTooLarge(ClientError):
    """The request body is over the limit."""

    status = 413


class NoBranchMatched(ClientError):
    """A switch found no branch whose condition holds for this input."""

    status = 404


class ServingError(UmbelError):
    """A fault on the serving side."""


class NodeFailed(ServingError):
    """A node raised. The client sees the node's name and the request id, never the cause."""

    def __init__(self, node: str, request_id: str = "") -> None:
        super().__init__(node, request_id)
        self.node = node
        self.request_id = request_id

    def __str__(self) -> str:
        suffix = f" (request {self.request_id})" if self.request_id else ""
        return f"node {self.node!r} failed{suffix}"


class UpstreamAnswered(ServingError):
    """A service answered with an error status; its body and status are the answer."""

    def __init__(self, code: int, body: bytes, content_type: str = "application/json") -> None:
        super().__init__(code, body, content_type)
        self.code, self.body, self.content_type = code, body, content_type

    def __str__(self) -> str:
        return f"upstream answered {self.code}: {self.body[:200].decode('utf-8', 'replace')}"


class RequestFailed(ServingError):
    """A step got no reply at all: the service could not be reached or answered garbage."""


class NotImplementedHere(ServingError):
    """The verb exists in the protocol but this model or graph does not offer it."""

    status = 501


class NotReady(ServingError):
    """The graph, model or server is still starting, stopping or unloaded."""

    status = 503


class DeadlineExceeded(ServingError):
    """The request's deadline passed before an answer was there."""

    status = 504


class DeclarationError(UmbelError):
    """The graph or its file is wrong. Raised before anything is started."""


class CheckFailed(DeclarationError):
    """A check found errors. ``findings`` holds all of them, warnings included."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(tuple(findings))
        self.findings: tuple[Finding, ...] = tuple(findings)

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


class MissingExtra(DeclarationError):
    """A node needs a library that is not installed."""

    def __init__(self, needed_by: str, library: str, extra: str) -> None:
        super().__init__(needed_by, library, extra)
        self.needed_by, self.library, self.extra = needed_by, library, extra

    def __str__(self) -> str:
        return (
            f"{self.needed_by} needs {self.library}, which is not installed: "
            f"pip install 'umbel[{self.extra}]'"
        )
