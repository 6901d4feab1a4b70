"""What an installation is made with."""

from __future__ import annotations

from dataclasses import dataclass, field

from umbel.k8s.manifests.options import RenderOptions


@dataclass(frozen=True)
class InstallOptions:
    """The operator, its webhooks, and what they may do."""

    namespace: str = "umbel-system"
    render: RenderOptions = field(default_factory=RenderOptions)
    """What the operator applies for a resource; its image is the operator's own, too."""

    target: str = "kuberay"
    """``kuberay``, or ``ray`` for a Ray cluster that runs already (``dashboard``)."""

    dashboard: str = ""
    """URL of that cluster's dashboard."""

    serve_url: str = ""
    """Where clients reach that cluster's Serve; port 8000 of the dashboard's host where empty."""

    token_secret: str = ""
    """Secret, beside the operator, whose key ``auth_token`` is that cluster's token."""

    seal_secret: str = ""
    """Secret, beside the operator, whose key ``keys`` seals credentials for that cluster."""

    pull_secret: str = ""
    """Secret, beside the operator, that opens the image's registry."""

    arguments: tuple[str, ...] = ()
    """More words for the operator."""

    watch: str = ""
    """The one namespace it looks after; all where empty. Needs Roles only, then."""

    config_namespace: str = ""
    """Where KServe's ConfigMap ``inferenceservice-config`` lies; ``namespace`` where empty."""

    replicas: int = 2
    crds: bool = True
    webhooks: bool = True

    @property
    def image(self) -> str:
        """Of all pods."""
        return self.render.cluster.image
