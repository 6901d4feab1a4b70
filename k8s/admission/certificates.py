"""Certificates of the webhook server: made here, renewed here, kept in a Secret.

An API server trusts what the ``caBundle`` of a webhook says, so that no other authority is
needed. Needs the ``cryptography`` package.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from umbel.graph.errors import DeclarationError

LIFE = dt.timedelta(days=365)
RENEW = dt.timedelta(days=90)
"""A certificate with less left is made anew: four months of missed renewals are no harm."""

_SLACK = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Certificate:
    """PEM texts: what the API server trusts, what the server shows, and its key."""

    ca: str
    certificate: str
    key: str

    @property
    def ca_bundle(self) -> str:
        """For a webhook's ``caBundle``."""
        return base64.b64encode(self.ca.encode()).decode()

    def secret(self, name: str, namespace: str) -> dict[str, Any]:
        """The Secret to keep it in."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {"ca.crt": self.ca, "tls.crt": self.certificate, "tls.key": self.key},
        }

    @staticmethod
    def from_secret(secret: Mapping[str, Any]) -> Certificate | None:
        """What ``secret`` wrote; None where an entry is missing or no text."""
        data, plain = secret.get("data") or {}, secret.get("stringData") or {}
        texts = []
        for key in ("ca.crt", "tls.crt", "tls.key"):
            try:
                text = plain.get(key) or base64.b64decode(data[key], validate=True).decode()
            except (KeyError, ValueError):
                return None
            texts.append(text)
        return Certificate(*texts)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names by which an API server calls a Service."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def make(names: tuple[str, ...], now: dt.datetime | None = None) -> Certificate:
    """A certificate for ``names``, signed by an authority that signs nothing else: its key is
    thrown away. Raises ``DeclarationError`` without ``cryptography``."""
    x509, hashes, ec, serialization = _library()
    start = now or dt.datetime.now(dt.timezone.utc)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "umbel-webhooks-ca")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])

    def builder(subject: Any, public: Any) -> Any:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - _SLACK)
            .not_valid_after(start + LIFE)
        )

    basic = x509.BasicConstraints(ca=True, path_length=0)
    ca = builder(authority, ca_key.public_key()).add_extension(basic, critical=True)
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    leaf = builder(subject, key.public_key()).add_extension(alternative, critical=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = [one.sign(ca_key, hashes.SHA256()).public_bytes(pem).decode() for one in (ca, leaf)]
    return Certificate(signed[0], signed[1], private.decode())


def is_due(
    certificate: Certificate | None, names: tuple[str, ...], now: dt.datetime | None = None
) -> bool:
    """True where a new one has to be made: none, for other names, or soon over."""
    x509, *_ = _library()
    if certificate is None:
        return True
    try:
        read = x509.load_pem_x509_certificate(certificate.certificate.encode())
        found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return True
    moment = now or dt.datetime.now(dt.timezone.utc)
    known = set(found.get_values_for_type(x509.DNSName))
    return bool(not known >= set(names) or read.not_valid_after_utc - moment < RENEW)


def _library() -> tuple[Any, Any, Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise DeclarationError("webhooks need a library: pip install cryptography") from error
    return x509, hashes, ec, serialization
