"""``docs/clients.md``: its snippets are run, against umbel and an API server."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from kube_api import KubeApi
from kube_store import RESOURCES, KubeStore
from loopback_grpc import serving_grpc
from loopback_server import serving
from umbel.serving.loop_thread import LoopThread

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()


def snippets(title: str) -> list[str]:
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def run(snippet: str, names: dict[str, Any]) -> None:
    exec(compile(textwrap.dedent(snippet), "clients.md", "exec"), names)


def test_asking_a_model(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    names: dict[str, Any] = {"__name__": "page"}
    declared, plain, over_grpc = snippets("Asking a model")
    (retries,) = snippets("Retries and deadlines")
    stream, read = snippets("Streams")
    run(declared, names)
    with serving(names["halves"]) as server:
        run(plain.replace(":8000", f":{server.port}"), names)
        run(retries.replace(":8000", f":{server.port}"), names)
    run(stream, names)
    with serving(names["spoken"]) as server:
        run(read.replace(":8000", f":{server.port}"), names)
    loop = LoopThread("grpc")
    front = serving_grpc(names["halves"])
    try:
        port = loop.submit(front.__aenter__()).result(20).port
        run(over_grpc.replace(":8001", f":{port}"), names)
        loop.submit(front.__aexit__(None, None, None)).result(20)
    finally:
        loop.close()


def test_resources_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    store, loop = KubeStore(), LoopThread("kube-api")
    api = KubeApi(store)
    loop.submit(api.start()).result(5)
    try:
        (tmp_path / "config").write_text(api.kubeconfig())
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        names: dict[str, Any] = {}
        create, use = snippets("Resources of a cluster")
        run(create, names)
        services = next(one for one in RESOURCES if one.kind == "InferenceService")
        made = store.get(services, "default", "iris")
        status = {"url": "http://iris", "conditions": [{"type": "Ready", "status": "True"}]}
        loop.submit(store.update(services, made, {**made, "status": status}, status=True)).result(5)
        run(use, names)
        assert store.objects(services) == []
        assert capsys.readouterr().out == "iris http://iris\n"
    finally:
        loop.submit(api.stop()).result(5)
        loop.close()


def test_the_table_has_every_method() -> None:
    from umbel.k8s.client import UmbelClient

    methods = {name for name in vars(UmbelClient) if not name.startswith("_")}
    assert methods == set(
        re.findall(r"`(\w+)`", PAGE.split("|---|---|\n")[-1].split("\n\n")[0])
    ) - {
        "S3",
        "GCS",
        "Azure",
    }
