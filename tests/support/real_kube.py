"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, and the controllers where
they are at hand. No kubelets: what runs in pods elsewhere, a test runs by hand."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from free_ports import free_port
from kube_access import ADMIN_TOKEN, USER_TOKEN, KubeAccess, KubectlFailed, as_yaml
from kube_binaries import KubeBinaries

__all__ = ["ADMIN_TOKEN", "USER_TOKEN", "KubectlFailed", "RealKube", "as_yaml"]

ISSUER = "https://kubernetes.default.svc"

SERVICES = "127.10.0.0/16"
"""Services' addresses: on loopback, so that the API server reaches a webhook at its Service."""


AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}
"""Every request of a ServiceAccount is noted: what the operator asked for, and what it got."""


class RealKube(KubeAccess):
    """``start`` it and ``close`` it. The API server keeps its port when it is restarted."""

    def __init__(self, binaries: KubeBinaries, folder: Path, *flags: str) -> None:
        self.binaries, self.folder, self._flags = binaries, folder, flags
        self.port, self._etcd_port, self._peer_port = (free_port() for _ in range(3))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """PEM that signed the API server's certificate, which it makes itself."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def etcd(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    @property
    def program(self) -> Path:
        return self.binaries.kubectl

    def start(self) -> None:
        self._write_keys()
        etcd, peer = self.etcd, f"http://127.0.0.1:{self._peer_port}"
        self._run(
            "etcd",
            [
                self.binaries.etcd,
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
        )
        self.start_server()
        if self.binaries.controllers is not None:
            self._start_controllers()

    def start_server(self) -> None:
        """The API server, until it is ready."""
        keys = self.folder / "accounts.key"
        self._run(
            "kube-apiserver",
            [
                self.binaries.apiserver,
                f"--etcd-servers={self.etcd}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--cert-dir={self.folder / 'certificates'}",
                "--advertise-address=192.0.2.1",
                "--endpoint-reconciler-type=none",
                f"--service-cluster-ip-range={SERVICES}",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                f"--service-account-issuer={ISSUER}",
                f"--service-account-key-file={keys}",
                f"--service-account-signing-key-file={keys}",
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
                f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
                f"--audit-log-path={self.folder / 'audit.log'}",
                *self._flags,
            ],
        )
        self._await_ready()

    def stop_server(self, *, kill: bool = False) -> None:
        """The API server is gone; etcd stays."""
        self._end("kube-apiserver", kill=kill)

    def close(self) -> None:
        for name in reversed(list(self._processes)):
            self._end(name, kill=True)
        for log in self._logs:
            log.close()

    def compact(self) -> None:
        """etcd forgets every revision but the newest: whoever watches from an older one gets
        410 Gone."""
        endpoint = f"--endpoints={self.etcd}"
        tool = [self.binaries.etcdctl, endpoint]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        subprocess.run(
            [*tool, "put", "compacted", str(time.time())],
            env=environment,
            check=True,
            capture_output=True,
        )
        found = subprocess.run(
            [*tool, "endpoint", "status", "-w", "json"],
            env=environment,
            check=True,
            capture_output=True,
        )
        revision = json.loads(found.stdout)[0]["Status"]["header"]["revision"]
        subprocess.run(
            [*tool, "compact", str(revision)], env=environment, check=True, capture_output=True
        )

    def audit(self, account: str) -> list[dict[str, Any]]:
        """The requests of a ServiceAccount that have been answered, in order."""
        file = self.folder / "audit.log"
        lines = file.read_text().splitlines() if file.exists() else []
        events: list[dict[str, Any]] = []
        for line in lines:
            event = json.loads(line)
            if event["user"]["username"].endswith(f":{account}"):
                events.append(event)
        return events

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start_controllers(self) -> None:
        self._run(
            "kube-controller-manager",
            [
                self.binaries.controllers,
                f"--kubeconfig={self.kubeconfig(ADMIN_TOKEN)}",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
                f"--cert-dir={self.folder / 'controllers'}",
                "--controllers=garbagecollector,namespace,serviceaccount",
                "--leader-elect=false",
                "--use-service-account-credentials=false",
                *(["--port=0"] if self.version() < (1, 24) else []),  # a fixed one otherwise
            ],
        )

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self.folder / "accounts.key").write_bytes(pem)
        (self.folder / "audit-policy.yaml").write_text(yaml.safe_dump(AUDIT))
        lines = [f'{ADMIN_TOKEN},admin,1,"system:masters"', f"{USER_TOKEN},somebody,2"]
        (self.folder / "tokens.csv").write_text("".join(f"{line}\n" for line in lines))

    def _await_ready(self) -> None:
        end = time.monotonic() + 90
        while True:
            try:
                url, context = f"{self.url}/readyz", self.context()
                with urllib.request.urlopen(url, context=context, timeout=2):
                    return
            except OSError:
                pass
            died = self._processes["kube-apiserver"].poll() is not None
            if died or time.monotonic() > end:
                raise AssertionError(self.log("kube-apiserver")[-3000:])
            time.sleep(0.2)

    def _run(self, name: str, command: Sequence[object]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._processes[name] = subprocess.Popen(
            [str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )

    def _end(self, name: str, *, kill: bool) -> None:
        process = self._processes.pop(name)
        process.kill() if kill else process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)  # it waits for open watches for as long as a minute
            return
        process.kill()
        process.wait(10)
