"""Where the programs of a real Kubernetes API server are."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "kube" / "bin"
"""Where ``make kube`` puts what it builds."""


@dataclass(frozen=True)
class KubeBinaries:
    """``controllers`` is kube-controller-manager; None where there is none: nothing collects
    what a deleted resource owned. ``crds`` is the apiextensions-apiserver of a newer Kubernetes;
    None where there is none: the kube-apiserver keeps the custom resources."""

    apiserver: Path
    etcd: Path
    etcdctl: Path
    kubectl: Path
    controllers: Path | None
    crds: Path | None = None


def found(name: str) -> Path | None:
    """The program named by ``UMBEL_<NAME>``, else one that ``make kube`` made, else the PATH's."""
    given = os.environ.get(f"UMBEL_{name.upper().replace('-', '_')}")
    if given is not None:
        return Path(given) if Path(given).is_file() else None
    where = shutil.which(name, path=os.pathsep.join([str(FOLDER), os.environ.get("PATH", "")]))
    return Path(where) if where else None


def kube_binaries() -> KubeBinaries | str:
    """All of them, or which are missing and how to get them."""
    names = ("kube-apiserver", "etcd", "etcdctl", "kubectl")
    paths = [found(name) for name in names]
    missing = [name for name, path in zip(names, paths, strict=True) if path is None]
    if missing:
        variables = ", ".join(f"UMBEL_{name.upper().replace('-', '_')}" for name in missing)
        return f"no {', '.join(missing)}: `make kube` installs and builds them, or set {variables}"
    apiserver, etcd, etcdctl, kubectl = (path for path in paths if path is not None)
    controllers, crds = found("kube-controller-manager"), found("apiextensions-apiserver")
    return KubeBinaries(apiserver, etcd, etcdctl, kubectl, controllers, crds)
