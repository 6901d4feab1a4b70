"""What an installation is made with."""

from __future__ import annotations

from dataclasses import dataclass

from umbel.k8s.manifests.options import IMAGE


@dataclass(frozen=True)
class InstallOptions:
    """The operator, its webhooks, and what they may do."""

    namespace: str = "umbel-system"
    image: str = IMAGE
    target: str = "kuberay"
    """``kuberay``, or ``ray`` for a Ray cluster that runs already (``dashboard``)."""

    dashboard: str = ""
    """URL of that cluster's dashboard."""

    watch: str = ""
    """The one namespace it looks after; all where empty. Needs Roles only, then."""

    config_namespace: str = ""
    """Where KServe's ConfigMap ``inferenceservice-config`` lies; ``namespace`` where empty."""

    replicas: int = 2
    crds: bool = True
    webhooks: bool = True
