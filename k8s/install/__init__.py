"""What installs umbel into a cluster: plain manifests, and a Helm chart of the same."""

from __future__ import annotations

from umbel.k8s.install.helm_chart import chart
from umbel.k8s.install.installation import installation
from umbel.k8s.install.options import InstallOptions

__all__ = ["InstallOptions", "chart", "installation"]
