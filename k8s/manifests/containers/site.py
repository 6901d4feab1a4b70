"""What containers are made with besides what their resource says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from umbel.k8s.manifests.options import IMAGE


@dataclass(frozen=True)
class ContainerSite:
    """Where and how. ``image``: umbel's, for downloads."""

    image: str = IMAGE
    image_pull_policy: str = "IfNotPresent"

    numbered: bool = False
    """Names carry a digest of what runs, so that two revisions run side by side. Without, one
    Deployment ``NAME-predictor`` rolls, as KServe's."""

    predictor_host: str = ""
    """``HOST[:PORT][/PATH]`` where umbel's own predictor answers, with ``{name}`` and
    ``{namespace}``; empty for ``NAME-predictor.NAMESPACE``, which then leads to umbel."""

    policies: bool = True
    """NetworkPolicy and PodDisruptionBudget."""

    namespace: str = ""
    """Where objects go; empty for the resource's own namespace."""


@dataclass(frozen=True)
class Owner:
    """The resource that containers belong to."""

    name: str
    namespace: str
    api_version: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
