"""A real node on this machine: containerd, runc, the kubelet, kube-proxy, a bridge for its pods
and cluster DNS. Needs root. What it changes on the machine, ``close`` undoes."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cluster_names import ClusterNames
from node_files import write_files
from node_kube import ADDRESS, BRIDGE, PODS

from free_ports import free_port
from kube_binaries import found
from real_kube import ADMIN_TOKEN, RealKube

NAME = "node-1"
CPUS = "8"
"""What the node says it has: more than this machine may have, so that two Ray clusters fit."""

KERNEL = (
    "net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/ipv4/conf/all/route_localnet",
    "kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory",
)  # fmt: skip
"""Settings that the kubelet, kube-proxy or this module change, and ``close`` puts back."""


@dataclass(frozen=True)
class NodePrograms:
    """Where they are. ``plugins`` is the folder of the CNI plugins."""

    containerd: Path
    ctr: Path
    runc: Path
    kubelet: Path
    kube_proxy: Path
    iptables: Path
    ip: Path
    dnsmasq: Path
    plugins: Path


def node_programs() -> NodePrograms | str:
    """All of them, or what is missing."""
    names = ("containerd", "ctr", "runc", "kubelet", "kube-proxy", "iptables", "ip", "dnsmasq")
    paths = {name: found(name) or _in_sbin(name) for name in names}
    missing = [name for name, path in paths.items() if path is None]
    plugins = Path(os.environ.get("UMBEL_CNI_PLUGINS", "/usr/lib/cni"))
    if not (plugins / "bridge").is_file():
        missing.append("CNI plugins (UMBEL_CNI_PLUGINS)")
    if os.geteuid() != 0:
        missing.append("root")
    if missing:
        return f"no {', '.join(missing)}: `make node` installs and builds them"
    return NodePrograms(*(path for path in paths.values() if path), plugins)


def _in_sbin(name: str) -> Path | None:
    where = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin")
    return Path(where) if where else None


class RealNode:
    """``start`` and ``close``. The bridge is made by ``prepare``, before the API server."""

    def __init__(self, programs: NodePrograms, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.run = Path("/run/umbel-node")
        self._kernel = {name: _setting(name) for name in KERNEL}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._names: ClusterNames | None = None

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"

    def prepare(self) -> None:
        """The bridge, and forwarding between its pods and this machine."""
        _set("net/ipv4/ip_forward", "1")
        _set("net/bridge/bridge-nf-call-iptables", "1")
        self._ip("link", "add", BRIDGE, "type", "bridge")
        self._ip("addr", "add", f"{ADDRESS}/{PODS.split('/')[1]}", "dev", BRIDGE)
        self._ip("link", "set", BRIDGE, "up")
        write_files(self.folder, self.run, self.programs.plugins)

    def start_containers(self) -> None:
        """containerd, until it answers."""
        self._run("containerd", [self.programs.containerd, "-c", self.folder / "containerd.toml"])
        _until(lambda: self.ctr("version", check=False).returncode == 0, "containerd", 30)

    def start(self, kube: RealKube) -> None:
        """The kubelet and kube-proxy, until the node is Ready."""
        configuration = f"--kubeconfig={kube.kubeconfig(ADMIN_TOKEN)}"
        self._names = ClusterNames(kube, self.programs.dnsmasq, self.folder)
        self._run(
            "kubelet",
            [
                self.programs.kubelet, configuration, f"--config={self.folder / 'kubelet.yaml'}",
                "--container-runtime=remote",
                f"--container-runtime-endpoint=unix://{self.socket}",
                f"--root-dir={self.folder / 'kubelet'}", f"--cert-dir={self.folder / 'pki'}",
                f"--hostname-override={NAME}", f"--node-ip={ADDRESS}",
            ],
        )  # fmt: skip
        self._run(
            "kube-proxy",
            [
                self.programs.kube_proxy, configuration, "--proxy-mode=iptables",
                f"--hostname-override={NAME}", f"--cluster-cidr={PODS}",
                f"--healthz-bind-address=127.0.0.1:{free_port()}",
                f"--metrics-bind-address=127.0.0.1:{free_port()}",
                "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
            ],
        )  # fmt: skip
        _until(lambda: _is_ready(kube), f"the node: {self.folder / 'kubelet.log'}", 90)

    def ctr(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """containerd's own client, in the kubelet's namespace."""
        command = [str(self.programs.ctr), "-a", str(self.socket), "-n", "k8s.io", *words]
        return subprocess.run(command, check=check, capture_output=True, text=True)

    def close(self) -> None:
        """End the pods and the processes; put back what was changed. The images stay."""
        for name in ("kubelet", "kube-proxy"):
            self._end(name)
        if self._names is not None:
            self._names.close()
        if "containerd" in self._processes:
            self._end_pods()
        self._end("containerd")
        self._end_shims()
        for log in self._logs:
            log.close()
        self._unmount()
        subprocess.run(
            [str(self.programs.kube_proxy), "--cleanup"], check=False, capture_output=True
        )
        self._remove_chains()
        self._ip("link", "delete", BRIDGE)
        for name, value in self._kernel.items():
            _set(name, value)
        shutil.rmtree(self.folder / "kubelet", ignore_errors=True)
        shutil.rmtree(self.run, ignore_errors=True)

    def _end_pods(self) -> None:
        for task in self.ctr("task", "ls", "-q").stdout.split():
            self.ctr("task", "rm", "-f", task, check=False)
        for container in self.ctr("container", "ls", "-q").stdout.split():
            self.ctr("container", "rm", container, check=False)
        for space in Path("/run/netns").glob("cni-*"):
            self._ip("netns", "delete", space.name)

    def _end_shims(self) -> None:
        """Where a machine is slow, one may outlive its pod."""
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = line.read_bytes().decode(errors="replace").split("\0")
                if "containerd-shim" in words[0] and str(self.socket) in words:
                    os.kill(int(line.parent.name), signal.SIGKILL)

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith((f"{self.folder}/", f"{self.run}/")):
                subprocess.run(["umount", "-l", mount], check=False)

    def _remove_chains(self) -> None:
        """The kubelet's own, which nobody else removes."""
        for table in ("nat", "filter", "mangle"):
            for begin, change in (("-A ", "-D "), ("-N ", "-X ")):
                listed = self._iptables("-t", table, "-S").splitlines()
                for rule in (one for one in listed if "KUBE-" in one and one.startswith(begin)):
                    words = shlex.split(rule.replace(begin, change, 1))
                    self._iptables("-t", table, *words)

    def _iptables(self, *words: str) -> str:
        command = [str(self.programs.iptables), *words]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout

    def _ip(self, *words: str) -> None:
        subprocess.run([str(self.programs.ip), *words], check=False, capture_output=True)

    def _run(self, name: str, command: list[object]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin:{self.programs.runc.parent}"
        self._processes[name] = subprocess.Popen(
            [str(word) for word in command],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "NODE_CPUS": CPUS, "PATH": path},
        )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
                return
            process.kill()
            process.wait(10)


def _is_ready(kube: RealKube) -> bool:
    try:
        node = kube.ask("GET", f"/api/v1/nodes/{NAME}")
    except OSError:
        return False
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"]
    )


def _until(done: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"{what} is not ready after {seconds:g} s")
        time.sleep(0.3)


def _setting(name: str) -> str:
    return (Path("/proc/sys") / name).read_text().strip()


def _set(name: str, value: str) -> None:
    (Path("/proc/sys") / name).write_text(value)
