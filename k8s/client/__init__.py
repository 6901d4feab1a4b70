"""A client of a cluster's KServe resources, in the shape of KServe's own `KServeClient`.

Imports no Kubernetes library: the API server is asked over HTTP.
"""

from __future__ import annotations

from umbel.k8s.client.access import Access, sign_in
from umbel.k8s.client.failures import (
    AccessDenied,
    AlreadyExists,
    ApiFailure,
    ClusterUnreachable,
    Conflict,
    NotReadyInTime,
    Refused,
    Rejected,
    ResourceNotFound,
)
from umbel.k8s.client.umbel_client import UmbelClient

__all__ = [
    "Access",
    "AccessDenied",
    "AlreadyExists",
    "ApiFailure",
    "ClusterUnreachable",
    "Conflict",
    "NotReadyInTime",
    "Refused",
    "Rejected",
    "ResourceNotFound",
    "UmbelClient",
    "sign_in",
]
