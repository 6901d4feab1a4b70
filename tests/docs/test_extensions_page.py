"""``docs/extensions.md``: each example is applied to the page's graph and asked."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from umbel.graph.passes import plan
from umbel.k8s.translate import translate
from umbel.k8s.translate.extensions import READERS
from umbel.serving.graph_host import GraphHost
from umbel.serving.wire import WireRequest

PAGE = (Path(__file__).parents[2] / "docs" / "extensions.md").read_text()
GRAPH, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
DETECTED = {"predictions": [0.97], "label": "dog"}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


class _Pets(BaseHTTPRequestHandler):
    """The two services of the page."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply: Any = {"breed": "husky", "asked": asked} if "breed" in self.path else DETECTED
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@contextlib.contextmanager
def pets() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pets)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.asynccontextmanager
async def served(annotations: dict[str, str], url: str) -> AsyncIterator[GraphHost]:
    manifest = yaml.safe_load(blocks(GRAPH, "yaml")[0].replace("http://127.0.0.1:9001", url))
    manifest["metadata"]["annotations"] = annotations
    translated = translate([("page.yaml", yaml.safe_dump(manifest))])
    assert [one.code for one in translated.findings if one.code != "UMB-K609"] == []
    host = GraphHost(plan(translated.program), "test")
    await host.start()
    try:
        yield host
    finally:
        await host.close()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.split("\n")[0])
async def test_an_example(section: str) -> None:
    (annotations,) = blocks(section, "yaml")
    answers = blocks(section, "json")
    with pets() as url:
        async with served(yaml.safe_load(annotations), url) as host:
            endpoint = host.get("triage")
            assert endpoint is not None
            reply = await endpoint.handle(WireRequest("POST", "", b'{"image": "rex.png"}'))
    expected = json.loads(answers[0]) if answers else {"breed": "husky", "asked": DETECTED}
    assert (reply.status, json.loads(reply.body)) == (200, expected)


def test_every_annotation_is_on_the_page() -> None:
    shown = set(re.findall(r"^(umbel\.dev/[\w-]+):", PAGE, flags=re.MULTILINE))
    assert shown == set(READERS)
