"""Cluster DNS: the Services' names for dnsmasq, written anew whenever they change."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from node_files import DOMAIN
from node_kube import ADDRESS

from real_kube import RealKube


class ClusterNames:
    """A name server on the bridge. A headless Service has its pods' addresses."""

    def __init__(self, kube: RealKube, program: Path, folder: Path) -> None:
        self._kube, self._hosts, self._stop = kube, folder / "hosts", threading.Event()
        self._hosts.write_text("")
        self._process = subprocess.Popen(
            [
                str(program), "--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-ping",
                f"--addn-hosts={self._hosts}", f"--listen-address={ADDRESS}",
                "--bind-interfaces", f"--local=/{DOMAIN}/", "--local-ttl=1", "--user=root",
                f"--pid-file={folder / 'dnsmasq.pid'}", "--conf-file=/dev/null",
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._process.terminate()
        self._process.wait(10)

    def _follow(self) -> None:
        while not self._stop.wait(0.5):
            with contextlib.suppress(OSError):
                text = "".join(f"{ip} {name}\n" for ip, name in self._names())
                if text != self._hosts.read_text():
                    self._hosts.write_text(text)
                    os.kill(self._process.pid, signal.SIGHUP)

    def _names(self) -> list[tuple[str, str]]:
        endpoints = {_key(one): one for one in self._kube.ask("GET", "/api/v1/endpoints")["items"]}
        found = []
        for one in self._kube.ask("GET", "/api/v1/services")["items"]:
            name, namespace = _key(one)
            address = one["spec"].get("clusterIP")
            ready = endpoints.get((name, namespace), {})
            ips = _addresses(ready) if address == "None" else [address]
            found += [(ip, f"{name}.{namespace}.svc.{DOMAIN}") for ip in ips if ip]
        return sorted(found)


def _key(raw: dict[str, Any]) -> tuple[str, str]:
    return raw["metadata"]["name"], raw["metadata"]["namespace"]


def _addresses(endpoints: dict[str, Any]) -> list[str]:
    subsets = endpoints.get("subsets") or ()
    return [one["ip"] for subset in subsets for one in subset.get("addresses") or ()]
