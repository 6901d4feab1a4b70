"""What containerd, the kubelet and the CNI plugins of the node read."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from node_kube import ADDRESS, BRIDGE, PODS

PAUSE = "registry.example.com/pause:1"
DOMAIN = "cluster.local"

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{run}/containerd"
[grpc]
  address = "{run}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""

CNI = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS, "gateway": ADDRESS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}

KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "address": ADDRESS,
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "clusterDNS": [ADDRESS],
    "clusterDomain": DOMAIN,
    "failSwapOn": False,
    "enforceNodeAllocatable": [],
    "evictionHard": {
        "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
    },
    "imageGCHighThresholdPercent": 100,
    "healthzPort": 0,
    "readOnlyPort": 0,
    # Safe, hence allowed, since Kubernetes 1.22.
    "allowedUnsafeSysctls": ["net.ipv4.ip_unprivileged_port_start"],
}  # fmt: skip


def write_files(folder: Path, run: Path, plugins: Path) -> None:
    """All of them, under ``folder``."""
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    text = CONTAINERD.format(folder=folder, run=run, pause=PAUSE, plugins=plugins)
    (folder / "containerd.toml").write_text(text)
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(CNI))
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    kubelet = {**KUBELET, "resolvConf": str(folder / "resolv.conf")}
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet))
