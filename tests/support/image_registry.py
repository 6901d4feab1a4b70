"""A real registry on loopback (Debian's docker-registry), and images to put into it."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

USER, PASSWORD = "ann", "pass:word"
_HTPASSWD = "ann:$2b$04$XAPhBSuM.7Vt16h/7ssOwOvmk0KrSq5.YT2eNakq2Sq2KPYJ9BTYu"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class ImageRegistry:
    """``host`` is ``127.0.0.1:PORT``; ``authorization`` is sent with what is pushed; ``root`` is
    where the registry keeps its files; ``log`` is what it wrote."""

    host: str
    root: Path
    log: Path
    authorization: str = ""

    def push_blob(self, repository: str, content: bytes) -> str:
        """Returns its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with self._send("POST", f"/v2/{repository}/blobs/uploads/", b"") as reply:
            place = reply.headers["Location"]
        join = "&" if "?" in place else "?"
        self._send("PUT", f"{place}{join}digest={digest}", content).close()
        return digest

    def push_manifest(self, repository: str, tag: str, manifest: Mapping[str, Any]) -> str:
        """Under ``tag``, or under its digest where that is empty. Returns its digest."""
        body = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        kind = {"Content-Type": manifest["mediaType"]}
        where = f"/v2/{repository}/manifests/{tag or digest}"
        self._send("PUT", where, body, kind).close()
        return digest

    def push_image(self, repository: str, tag: str, *layers: bytes, kind: str = GZIP_LAYER) -> str:
        """A container image of layers. Returns its digest."""
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}}
        found = [self.descriptor(repository, one, kind) for one in layers]
        about = self.descriptor(repository, json.dumps(config).encode(), IMAGE_CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": about, "layers": found}
        return self.push_manifest(repository, tag, manifest)

    def push_artifact(
        self, repository: str, tag: str, layers: Sequence[tuple[bytes, str, Mapping[str, str]]]
    ) -> str:
        """Files as ``oras push`` leaves them: content, media type, annotations."""
        found = []
        for content, kind, notes in layers:
            found.append({**self.descriptor(repository, content, kind), "annotations": notes})
        about = self.descriptor(repository, b"{}", "application/vnd.oci.empty.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": about, "layers": found,
                    "artifactType": "application/vnd.test.model"}  # fmt: skip
        return self.push_manifest(repository, tag, manifest)

    def descriptor(self, repository: str, content: bytes, kind: str) -> dict[str, Any]:
        """Pushes ``content`` and describes it."""
        digest = self.push_blob(repository, content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps a blob."""
        hexadecimal = digest.partition(":")[2]
        blobs = self.root / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return blobs / hexadecimal[:2] / hexadecimal / "data"

    def reads(self, what: str) -> int:
        """How many GET requests for ``what`` the log has."""
        lines = self.log.read_text().splitlines()
        return sum('"GET ' in line and what in line for line in lines)

    def _send(
        self, method: str, where: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Any:
        url = where if where.startswith("http") else f"http://{self.host}{where}"
        request = urllib.request.Request(
            url,
            body,
            {"Content-Type": "application/octet-stream", **(headers or {})},
            method=method,
        )
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        return urllib.request.urlopen(request, timeout=20)


def layer(files: Mapping[str, bytes | str | None], *, packed: bool = True, **kinds: bytes) -> bytes:
    """A layer's tar file. Bytes are a file, text is a symbolic link's target, None a folder;
    ``kinds`` by name: another type of member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type = kinds.get(name, tarfile.SYMTYPE)
                info.linkname = content
            else:
                info.size = len(content)
                info.type = kinds.get(name, tarfile.REGTYPE)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return gzip.compress(buffer.getvalue(), 1, mtime=0) if packed else buffer.getvalue()


@contextlib.contextmanager
def serving(folder: Path, auth: str = "") -> Iterator[ImageRegistry]:
    """A registry until the block ends; ``auth`` is ``basic`` for a password, or the lines of its
    configuration. Skips where the program is missing."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed: apt-get install docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    authorization = ""
    if auth == "basic":
        (folder / "htpasswd").write_text(_HTPASSWD + "\n")
        auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {folder / 'htpasswd'}\n"
        authorization = BASIC
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {folder / 'data'}\n"
        f"  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: s\n{auth}"
    )
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen([program, "serve", str(config)], stdout=out, stderr=out)
        try:
            _wait(port, process, log)
            yield ImageRegistry(f"127.0.0.1:{port}", folder / "data", log, authorization)
        finally:
            process.terminate()
            process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the registry does not answer: {log.read_text()[-2000:]}")


@dataclass
class Tokens:
    """A token server: ``asked`` are its requests' queries and ``Authorization``."""

    url: str = ""
    asked: list[tuple[dict[str, str], str]] = field(default_factory=list)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JSON Web Token that the registry trusts."""
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        text = ".".join(_part(json.dumps(one).encode()) for one in (head, claims))
        signed = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_part(signed)}"

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = dt.datetime.now(dt.timezone.utc)
        self.certificate = (
            x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )

    def token(self, repository: str, actions: Sequence[str]) -> str:
        """Access to a repository for a minute."""
        now = int(time.time())
        access = [{"type": "repository", "name": repository, "actions": list(actions)}]
        return self.sign({"iss": "tokens", "aud": "registry", "sub": USER, "exp": now + 60,
                          "nbf": now - 10, "iat": now, "jti": "1", "access": access})  # fmt: skip

    def configuration(self, folder: Path) -> str:
        """The lines that make a registry ask this server."""
        bundle = folder / "tokens.pem"
        bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return (
            f"auth:\n  token:\n    realm: {self.url}/token\n    service: registry\n"
            f"    issuer: tokens\n    rootcertbundle: {bundle}\n"
        )


@contextlib.contextmanager
def token_server() -> Iterator[Tokens]:
    """Gives whoever knows the password tokens to read, until the block ends."""
    tokens = Tokens()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            sent = self.headers.get("Authorization", "")
            tokens.asked.append((query, sent))
            if sent != BASIC:
                self.send_error(401)
                return
            _, repository, actions = query["scope"].split(":")
            body = json.dumps({"token": tokens.token(repository, actions.split(","))}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    tokens.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
