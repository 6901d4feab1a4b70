"""The control plane of `real_kube`, on the bridge of a node's pods, with the controllers and the
scheduler that pods need."""

from __future__ import annotations

import subprocess
from pathlib import Path

from free_ports import free_port
from kube_binaries import KubeBinaries, found
from real_kube import ADMIN_TOKEN, RealKube

BRIDGE = "umbel-node0"
ADDRESS = "10.244.0.1"
"""The bridge's own address: the node's, the API server's and the name server's."""

PODS = "10.244.0.0/24"
CLUSTER_SERVICES = "10.96.0.0/16"

CONTROLLERS = "*,-nodeipam,-route,-cloud-node-lifecycle,-service,-ttl"


class NodeKube(RealKube):
    """Pods reach it at the Service ``kubernetes``. The bridge has to be there."""

    def __init__(self, binaries: KubeBinaries, folder: Path) -> None:
        super().__init__(
            binaries,
            folder,
            f"--bind-address={ADDRESS}",
            f"--advertise-address={ADDRESS}",
            "--endpoint-reconciler-type=lease",
            f"--service-cluster-ip-range={CLUSTER_SERVICES}",
            "--kubelet-preferred-address-types=InternalIP",
        )

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self.port}"

    def running(self) -> dict[str, subprocess.Popen[bytes]]:
        """Its processes by name."""
        return dict(self._processes)

    def _start_controllers(self) -> None:
        configuration = f"--kubeconfig={self.kubeconfig(ADMIN_TOKEN)}"
        quiet = ["--port=0"] if self.version() < (1, 24) else []
        loopback = ["--bind-address=127.0.0.1", "--leader-elect=false", *quiet]
        self._run(
            "kube-controller-manager",
            [
                self.binaries.controllers,
                configuration,
                *loopback,
                f"--secure-port={free_port()}",
                f"--cert-dir={self.folder / 'controllers'}",
                f"--controllers={CONTROLLERS}",
                "--use-service-account-credentials=false",
                f"--service-account-private-key-file={self.folder / 'accounts.key'}",
                f"--root-ca-file={self.authority}",
                "--node-monitor-grace-period=60s",
            ],
        )
        self._run(
            "kube-scheduler",
            [
                found("kube-scheduler"),
                configuration,
                *loopback,
                f"--secure-port={free_port()}",
                f"--cert-dir={self.folder / 'scheduler'}",
            ],
        )
