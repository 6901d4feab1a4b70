"""Where the API server is and who asks: from a kubeconfig, or from a pod's ServiceAccount."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from umbel.k8s.client.exec_plugins import ExecCredential, ExecPlugin
from umbel.k8s.client.failures import ClusterUnreachable

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Credential = Callable[[], ExecCredential]


@dataclass(frozen=True)
class Access:
    """An API server, a namespace to use where none is named, and credentials.

    ``credential`` is asked before each connection: tokens are replaced while a program runs.
    ``ca``: PEM; ``None`` trusts what the machine trusts. ``proxy``: an HTTP proxy's URL.
    ``tls_name``: the name that the server's certificate is for, where it is not the address's.
    """

    server: str
    namespace: str = "default"
    ca: str | None = field(default=None, repr=False)
    verify: bool = True
    proxy: str = ""
    tls_name: str = ""
    credential: Credential = field(default=ExecCredential, repr=False)

    def tls(self, credential: ExecCredential) -> ssl.SSLContext | None:
        """The context to connect with; ``None`` for plain HTTP."""
        if not self.server.startswith("https"):
            return None
        context = ssl.create_default_context(cadata=self.ca)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if credential.certificate and credential.key:
            # OpenSSL reads client certificates from files only; this one is for this user alone.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{credential.certificate}\n{credential.key}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def sign_in(
    config_file: str | Path | None = None,
    config: Mapping[str, Any] | None = None,
    context: str | None = None,
) -> Access:
    """``config`` or ``config_file`` if given; else the pod's ServiceAccount, where this runs in
    one; else ``KUBECONFIG`` or ``~/.kube/config``. Raises ``ClusterUnreachable``."""
    if config is not None:
        return _from_config(config, context, Path.cwd(), "the given kubeconfig")
    if config_file is None and os.environ.get("KUBERNETES_SERVICE_HOST") and _POD.is_dir():
        return _from_pod()
    path = _config_path(config_file)
    try:
        loaded = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ClusterUnreachable(
            f"there is no Kubernetes here: {path}: {error.strerror}; set KUBECONFIG, give "
            "config_file, or run in a pod with a ServiceAccount"
        ) from error
    except yaml.YAMLError as error:
        raise ClusterUnreachable(f"{path}: not a kubeconfig: {error}") from error
    if not isinstance(loaded, dict):
        raise ClusterUnreachable(f"{path}: not a kubeconfig: expected a mapping")
    return _from_config(loaded, context, path.parent, str(path))


def _config_path(given: str | Path | None) -> Path:
    if given is not None:
        return Path(given).expanduser()
    listed = [one for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    paths = [Path(one).expanduser() for one in listed] or [Path.home() / ".kube" / "config"]
    return next((path for path in paths if path.is_file()), paths[0])


def _from_pod() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    name = f"[{host}]" if ":" in host else host
    namespace = "default"
    with contextlib.suppress(OSError):
        namespace = (_POD / "namespace").read_text().strip()
    return Access(
        f"https://{name}:{port}",
        namespace,
        (_POD / "ca.crt").read_text(),
        credential=lambda: ExecCredential((_POD / "token").read_text().strip()),
    )


def _from_config(
    config: Mapping[str, Any], context: str | None, folder: Path, where: str
) -> Access:
    wanted = context or config.get("current-context") or ""
    chosen = _named(config, "context", wanted, where)
    cluster = _named(config, "cluster", chosen.get("cluster"), where)
    user = _named(config, "user", chosen["user"], where) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise ClusterUnreachable(f"{where}: cluster {chosen.get('cluster')!r} names no server")
    return Access(
        str(cluster["server"]).rstrip("/"),
        chosen.get("namespace") or "default",
        _text(cluster, "certificate-authority", folder),
        not cluster.get("insecure-skip-tls-verify"),
        cluster.get("proxy-url") or _proxy_of_environment(str(cluster["server"])),
        str(cluster.get("tls-server-name") or ""),
        _credential(user, folder, where),
    )


def _proxy_of_environment(server: str) -> str:
    """``HTTPS_PROXY`` and ``NO_PROXY``, as kubectl heeds them."""
    parts = urlsplit(server)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return urllib.request.getproxies().get(parts.scheme, "")


def _named(config: Mapping[str, Any], kind: str, name: Any, where: str) -> Mapping[str, Any]:
    entries = [one for one in config.get(f"{kind}s") or () if isinstance(one, dict)]
    for one in entries:
        if one.get("name") == name:
            return one.get(kind) or {}
    known = ", ".join(repr(one.get("name")) for one in entries) or "none"
    raise ClusterUnreachable(f"{where}: there is no {kind} {name!r}; there are: {known}")


def _text(entry: Mapping[str, Any], key: str, folder: Path) -> str | None:
    """A PEM: ``KEY-data`` in base64, or the file that ``KEY`` names."""
    if entry.get(f"{key}-data"):
        return base64.b64decode(entry[f"{key}-data"]).decode()
    return (folder / entry[key]).read_text() if entry.get(key) else None


def _credential(user: Mapping[str, Any], folder: Path, where: str) -> Credential:
    if user.get("exec"):
        return ExecPlugin(user["exec"], folder)
    if user.get("auth-provider"):
        raise ClusterUnreachable(
            f"{where}: auth-provider is no longer part of Kubernetes: use an exec plugin"
        )

    def read() -> ExecCredential:
        file = user.get("tokenFile")
        token = (folder / file).read_text().strip() if file else user.get("token") or ""
        if not token and user.get("username"):
            pair = f"{user['username']}:{user.get('password') or ''}"
            token = "Basic " + base64.b64encode(pair.encode()).decode()
        certificate = _text(user, "client-certificate", folder)
        return ExecCredential(token, certificate or "", _text(user, "client-key", folder) or "")

    return read
