"""What can go wrong with a cluster, each with what to do about it."""

from __future__ import annotations

from umbel.graph.errors import CheckFailed, UmbelError


class ApiFailure(UmbelError, RuntimeError):
    """The API server answered with an error. ``code``: its HTTP status; ``reason``: its word.
    A ``RuntimeError`` too: that is what programs with KServe's client catch."""

    def __init__(self, text: str, code: int = 0, reason: str = "") -> None:
        super().__init__(text, code, reason)
        self.text, self.code, self.reason = text, code, reason

    def __str__(self) -> str:
        return self.text


class ClusterUnreachable(ApiFailure):
    """There is no API server to be found, or it does not answer."""


class AccessDenied(ApiFailure):
    """401 or 403: these credentials may not do it."""


class ResourceNotFound(ApiFailure):
    """404."""


class AlreadyExists(ApiFailure):
    """409 to a creation."""


class Conflict(ApiFailure):
    """409: someone changed the resource in between."""


class Rejected(ApiFailure):
    """400 or 422: the API server or a webhook refuses the resource."""


class Refused(CheckFailed, RuntimeError):
    """`umbel check` found errors in a resource, which was not sent. ``findings``: all of them."""


class NotReadyInTime(UmbelError, RuntimeError):
    """A resource was not ready before the time was up; the message has its conditions."""

    status = 504


_FIXES: dict[int, tuple[type[ApiFailure], str]] = {
    400: (Rejected, "correct the resource"),
    401: (AccessDenied, "sign in again: see 'kubectl config view --minify'"),
    403: (AccessDenied, "ask for the right: see 'kubectl auth can-i --list -n {namespace}'"),
    404: (ResourceNotFound, "see 'kubectl get {plural} -n {namespace}'"),
    409: (Conflict, "get it again, change that, and replace it"),
    422: (Rejected, "correct the resource"),
}


def failure(
    code: int, reason: str, message: str, what: str, plural: str, namespace: str
) -> ApiFailure:
    """The exception for an answer. ``what`` says what was tried: ``create isvc a/b``."""
    kind, fix = _FIXES.get(code, (ApiFailure, ""))
    if reason == "AlreadyExists":
        kind, fix = AlreadyExists, "use replace() or patch(), or delete it first"
    elif code == 404 and "the server could not find the requested resource" in message:
        fix = "the cluster does not know this kind: install the CRDs, 'umbel k8s crds'"
    fix = fix.format(plural=plural, namespace=namespace or "default")
    text = f"{what}: {code} {reason}: {message}" if reason else f"{what}: {code}: {message}"
    return kind(f"{text}\n    fix: {fix}" if fix else text, code, reason)
