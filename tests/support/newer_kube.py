"""A control plane whose CRDs and custom resources are kept by a newer server: the
apiextensions-apiserver of a current Kubernetes, behind the aggregation layer of the older
kube-apiserver. Clients, the operator and the webhooks see one cluster."""

from __future__ import annotations

import datetime as dt
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from free_ports import free_port
from kube_access import ADMIN_TOKEN, KubeAccess
from kube_binaries import KubeBinaries
from real_kube import RealKube

FRONT = "aggregator"
"""The common name by which the newer server knows the kube-apiserver."""

CRDS = "apiextensions.k8s.io/v1"
GROUPS = (
    "serving.kserve.io/v1alpha1",
    "serving.kserve.io/v1alpha2",
    "serving.kserve.io/v1beta1",
    "ray.io/v1alpha1",
    "ray.io/v1",
)
"""What of custom resources the newer server answers; it has no others."""

_UNKNOWN_TO_THE_OLDER = "ValidatingAdmissionPolicy,MutatingAdmissionPolicy"


class NewerKube(RealKube):
    """``direct`` asks the newer server itself: its discovery, its schemas, its version."""

    def __init__(self, binaries: KubeBinaries, crd_server: Path, folder: Path, *flags: str) -> None:
        keys = folder / "front"
        super().__init__(
            binaries,
            folder,
            f"--client-ca-file={keys / 'front.crt'}",
            f"--requestheader-client-ca-file={keys / 'front.crt'}",
            f"--requestheader-allowed-names={FRONT}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={keys / 'front.crt'}",
            f"--proxy-client-key-file={keys / 'front.key'}",
            *flags,
        )
        self._program, self._keys = crd_server, keys
        self._crd_port = free_port()
        self.direct = _Direct(self, self._crd_port)

    def start(self) -> None:
        self._keys.mkdir(parents=True)
        _write_certificate(self._keys)
        super().start()
        self._run("apiextensions-apiserver", self._command())
        self._until("the newer server is ready", f"{self.direct.url}/readyz")
        self.kubectl("create", "-f", "-", stdin=_service())
        self._register(CRDS, replace=True)
        for one in GROUPS:
            self._register(one, replace=False)
        self._until_registered()

    def crd_version(self) -> tuple[int, int]:
        return self.direct.version()

    def _command(self) -> Sequence[object]:
        access = self.kubeconfig(ADMIN_TOKEN)
        return [
            self._program,
            f"--etcd-servers={self.etcd}",
            "--etcd-prefix=/newer",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._crd_port}",
            f"--cert-dir={self.direct.authority.parent}",
            f"--kubeconfig={access}",
            f"--authentication-kubeconfig={access}",
            f"--authorization-kubeconfig={access}",
            f"--disable-admission-plugins={_UNKNOWN_TO_THE_OLDER}",
            "--enable-priority-and-fairness=false",
        ]

    def _register(self, group_version: str, *, replace: bool) -> None:
        group, version = group_version.split("/")
        service = {"namespace": "kube-system", "name": "crds", "port": self._crd_port}
        one = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            # Without the label the kube-apiserver leaves it alone.
            "metadata": {"name": f"{version}.{group}"},
            "spec": {
                "group": group,
                "version": version,
                "service": service,
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 2000,
                "versionPriority": 20 + 10 * (version == "v1beta1"),
            },
        }
        self.kubectl("replace" if replace else "create", "-f", "-", stdin=one)

    def _until(self, what: str, url: str) -> None:
        end = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(url, context=self.direct.context(), timeout=2):
                    return
            except OSError:
                died = self._processes["apiextensions-apiserver"].poll() is not None
                if died or time.monotonic() > end:
                    log = self.log("apiextensions-apiserver")[-3000:]
                    raise AssertionError(f"not so: {what}\n{log}") from None
            time.sleep(0.2)

    def _until_registered(self) -> None:
        end = time.monotonic() + 60
        while True:
            found = self.get("apiservice", "v1.apiextensions.k8s.io").get("status") or {}
            if any(c["status"] == "True" for c in found.get("conditions", ())):
                return
            assert time.monotonic() < end, found
            time.sleep(0.2)


def control_plane(binaries: KubeBinaries, folder: Path) -> RealKube:
    """The newest that can be had."""
    if binaries.crds is None:
        return RealKube(binaries, folder)
    return NewerKube(binaries, binaries.crds, folder)


class _Direct(KubeAccess):
    """The newer server without the older one in front."""

    def __init__(self, front: NewerKube, port: int) -> None:
        self.folder, self._front, self._port = front.folder, front, port

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def authority(self) -> Path:
        return self.folder / "crd-certificates" / "apiserver.crt"

    @property
    def program(self) -> Path:
        return self._front.program


def _service() -> object:
    """A name for the newer server's address: an APIService needs a Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "crds", "namespace": "kube-system"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def _write_certificate(folder: Path) -> None:
    """One that signs itself, for a client."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, FRONT)])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "front.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "front.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
