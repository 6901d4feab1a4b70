"""Object stores on loopback that speak the part of their REST API that reading takes: Google
Cloud Storage's JSON API, WebHDFS, and the Hugging Face Hub's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Store:
    """``files`` by path (``bucket/…``, ``/…``, ``owner/model/…``); ``seen``: each request line
    with its ``Authorization``; ``datanode`` is where WebHDFS sends a reader."""

    url: str = ""
    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    datanode: str = ""
    token: str = ""


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.store.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.store.token and self.headers.get("Authorization") != f"Bearer {self.store.token}":
            self.send(401, b'{"error": "no token"}')
            return
        self.answer(unquote(parts.path), query)

    def answer(self, path: str, query: dict[str, str]) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def send_json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.send(status, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def send_range(self, content: bytes, **headers: str) -> None:
        span = self.headers.get("Range", "")
        if not span.startswith("bytes="):
            self.send(200, content, **headers)
            return
        first, _, last = span.removeprefix("bytes=").partition("-")
        end = min(int(last or len(content) - 1), len(content) - 1)
        part = content[int(first) : end + 1]
        self.send(206, part, Content_Range=f"bytes {first}-{end}/{len(content)}", **headers)

    def log_message(self, format: str, *args: object) -> None: ...


class Gcs(_Handler):
    """``/storage/v1/b/BUCKET/o``, and downloads under ``/download/storage/v1``."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        _, _, rest = path.partition("/storage/v1/b/")
        bucket, _, name = rest.partition("/o")
        name = name.lstrip("/")
        if name:
            content = self.store.files.get(f"{bucket}/{name}")
            if content is None:
                self.send_json({"error": {"code": 404, "message": "Not Found"}}, 404)
            elif query.get("alt") == "media":
                self.send_range(content)
            else:
                self.send_json(self.about(bucket, name, content))
            return
        prefix, cut = query.get("prefix", ""), query.get("delimiter", "")
        items, folders = [], set()
        for full, content in sorted(self.store.files.items()):
            inner = full.removeprefix(f"{bucket}/")
            if not full.startswith(f"{bucket}/") or not inner.startswith(prefix):
                continue
            more = inner[len(prefix) :]
            if cut and cut in more:
                folders.add(prefix + more.partition(cut)[0] + cut)
            else:
                items.append(self.about(bucket, inner, content))
        self.send_json({"items": items, "prefixes": sorted(folders)})

    def about(self, bucket: str, name: str, content: bytes) -> dict[str, str]:
        return {
            "kind": "storage#object", "bucket": bucket, "name": name, "size": str(len(content)),
            "md5Hash": hashlib.md5(content).hexdigest(), "etag": hashlib.md5(content).hexdigest(),
            "updated": "2026-01-01T00:00:00.000Z", "timeCreated": "2026-01-01T00:00:00.000Z",
            "mediaLink": f"{self.store.url}/download/storage/v1/b/{bucket}/o/{name}?alt=media",
        }  # fmt: skip


class WebHdfs(_Handler):
    """A name node, which sends readers on to ``Store.datanode`` or to itself."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        name = path.removeprefix("/webhdfs/v1").rstrip("/")
        operation = query.get("op", "")
        if path.startswith("/data"):
            content = self.store.files[path.removeprefix("/data")]
            start = int(query.get("offset", 0))
            self.send(200, content[start:][: int(query.get("length", len(content)))])
        elif operation == "OPEN":
            target = self.store.datanode or self.store.url
            where = f"{target}/data{name}?{urlsplit(self.path).query}"
            self.send(307, b"", Location=where)
        elif operation == "GETFILESTATUS" and self.status(name):
            self.send_json({"FileStatus": self.status(name)})
        elif operation == "LISTSTATUS" and self.status(name):
            self.send_json({"FileStatuses": {"FileStatus": self.children(name)}})
        else:
            missing = {"exception": "FileNotFoundException", "message": f"no {name}"}
            self.send_json({"RemoteException": missing}, 404)

    def status(self, name: str, suffix: str = "") -> dict[str, Any] | None:
        content = self.store.files.get(name)
        if content is not None:
            return {"type": "FILE", "length": len(content), "pathSuffix": suffix,
                    "modificationTime": int(hashlib.md5(content).hexdigest()[:8], 16)}  # fmt: skip
        if any(file.startswith(f"{name}/") for file in self.store.files):
            return {"type": "DIRECTORY", "length": 0, "pathSuffix": suffix, "modificationTime": 1}
        return None

    def children(self, name: str) -> list[Any]:
        if name in self.store.files:
            return [self.status(name)]
        inner = {f[len(name) + 1 :].partition("/")[0] for f in self.store.files
                 if f.startswith(f"{name}/")}  # fmt: skip
        return [self.status(f"{name}/{one}", one) for one in sorted(inner)]


class Hub(_Handler):
    """Models under ``/api/models``, their files under ``/OWNER/MODEL/resolve/REVISION``."""

    def answer(self, path: str, query: dict[str, str]) -> None:
        if "/resolve/" in path:
            repo, _, rest = path.lstrip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            content = self.store.files.get(f"{repo}@{revision}/{name}")
            if content is None:
                self.send(404, b"", X_Error_Code="EntryNotFound")
            else:
                tag = hashlib.sha1(content).hexdigest()
                self.send_range(content, ETag=f'"{tag}"', X_Repo_Commit="c" * 40)
            return
        repo, kind, rest = path.removeprefix("/api/models/"), "", ""
        for word in ("/revision/", "/tree/"):
            if word in repo:
                repo, kind, rest = repo.partition(word)
        revision, _, folder = rest.partition("/")
        revision = revision or "main"
        prefix = f"{repo}@{revision}/"
        names = [n.removeprefix(prefix) for n in self.store.files if n.startswith(prefix)]
        if not names:
            code = "RevisionNotFound" if kind else "RepoNotFound"
            self.send_json({"error": "not found"}, 404, X_Error_Code=code)
        elif kind == "/tree/":
            self.send_json(self.tree(prefix, names, folder, query.get("recursive") == "True"))
        else:
            self.send_json({"id": repo, "sha": "c" * 40, "siblings": []})

    def tree(self, prefix: str, names: list[str], folder: str, deep: bool) -> list[Any]:
        inside = f"{folder}/" if folder else ""
        found: dict[str, Any] = {}
        for name in sorted(n for n in names if n.startswith(inside)):
            head, slash, _ = name[len(inside) :].partition("/")
            if slash:
                found[inside + head] = {"type": "directory", "path": inside + head, "oid": "0"}
            if not slash or deep:
                content = self.store.files[prefix + name]
                oid = hashlib.sha1(content).hexdigest()
                found[name] = {"type": "file", "path": name, "size": len(content), "oid": oid}
        return list(found.values())


@contextlib.contextmanager
def serving(handler: type[_Handler]) -> Iterator[Store]:
    """A store until the block ends."""
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"store": store}))
    server.daemon_threads = True
    store.port = server.server_address[1]
    store.url = f"http://127.0.0.1:{store.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
