"""The API server over TLS: its authority is checked, and a client certificate signs in."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from umbel.k8s.admission.certificates import Certificate, make
from umbel.k8s.client import ClusterUnreachable, UmbelClient

DAY = dt.timedelta(days=1)
SEEN: list[Any] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        SEEN.append(self.connection.getpeercert() or {})  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"items": []}')

    def log_message(self, format: str, *args: object) -> None: ...


class _Server(http.server.HTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None: ...  # refused handshakes


@contextlib.contextmanager
def serving_tls(own: Certificate, clients: str, folder: Path) -> Iterator[int]:
    (folder / "server.pem").write_text(own.certificate + "\n" + own.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(cadata=clients)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(port: int, ca: str, user: dict[str, str]) -> dict[str, Any]:
    cluster = {"server": f"https://localhost:{port}", "certificate-authority-data": encoded(ca)}
    return {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def self_signed(name: str) -> tuple[str, str]:
    """A certificate for any use, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - DAY, now + DAY)
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def test_tls(tmp_path: Path) -> None:
    SEEN.clear()
    own, other = make(("localhost",)), make(("localhost",))
    certificate, key = self_signed("someone")
    signed = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    with serving_tls(own, certificate, tmp_path) as port:
        assert UmbelClient(config_dict=config(port, own.ca, {})).get() == {"items": []}
        assert SEEN == [{}]
        with pytest.raises(ClusterUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            UmbelClient(config_dict=config(port, other.ca, {})).get()
        assert SEEN == [{}]
        unchecked = config(port, other.ca, {})
        unchecked["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
        assert UmbelClient(config_dict=unchecked).get() == {"items": []}
        assert UmbelClient(config_dict=config(port, own.ca, signed)).get() == {"items": []}
        assert SEEN[-1]["subject"] == ((("commonName", "someone"),),)
    elsewhere = make(("cluster.example",))
    with serving_tls(elsewhere, certificate, tmp_path) as port:
        named = config(port, elsewhere.ca, {})
        with pytest.raises(ClusterUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            UmbelClient(config_dict=named).get()
        named["clusters"][0]["cluster"]["tls-server-name"] = "cluster.example"
        assert UmbelClient(config_dict=named).get() == {"items": []}
