"""Signing in: kubeconfigs, exec plugins, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from faulty_server import faulty_server
from umbel.k8s.client import AccessDenied, ClusterUnreachable, Rejected, UmbelClient, sign_in
from umbel.k8s.client.api_server import ApiServer, Served


def config(user: dict[str, Any], server: str = "http://127.0.0.1:9") -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "current-context": "x",
    }


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from-file\n")
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config({"tokenFile": "token"})))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{path}")
    access = sign_in()
    assert (access.server, access.namespace) == ("http://127.0.0.1:9", "team")
    assert access.credential().headers == {"Authorization": "Bearer from-file"}
    (tmp_path / "token").write_text("newer")
    assert access.credential().token == "newer"
    assert "newer" not in repr(access)


def test_a_plugin_is_asked_once_until_its_token_ends(tmp_path: Path) -> None:
    script = tmp_path / "plugin.py"
    script.write_text(
        "import json, os, sys, pathlib\n"
        "count = pathlib.Path(sys.argv[1]); n = len(count.read_text()) + 1\n"
        "count.write_text('x' * n)\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        "status = {'token': os.environ['WORD'] + str(n), 'expirationTimestamp': sys.argv[2]}\n"
        "print(json.dumps({'status': status}))\n"
    )

    def plugin(ends: str) -> dict[str, Any]:
        (tmp_path / "count").write_text("")
        arguments = [str(script), str(tmp_path / "count"), ends]
        env = [{"name": "WORD", "value": "t"}]
        return {"exec": {"command": sys.executable, "args": arguments, "env": env}}

    lasting = sign_in(config=config(plugin("2099-01-01T00:00:00Z")))
    assert [lasting.credential().token for _ in range(3)] == ["t1"] * 3
    ended = sign_in(config=config(plugin("2020-01-01T00:00:00Z")))
    assert [ended.credential().token for _ in range(2)] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ({"command": "umbel-no-such-plugin"}, "cannot run 'umbel-no-such-plugin'"),
        ({"command": sys.executable, "args": ["-c", "raise SystemExit('no')"]}, "ended with 1: no"),
        ({"command": sys.executable, "args": ["-c", "print(3)"]}, "gave no credentials"),
    ],
)
def test_plugins_that_fail(plugin: dict[str, Any], text: str) -> None:
    client = UmbelClient(config_dict=config({"exec": plugin}))
    with pytest.raises(ClusterUnreachable, match=text):
        client.get("iris")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"current-context": "y"}, "there is no context 'y'; there are: 'x'"),
        ({"clusters": []}, "there is no cluster 'c'; there are: none"),
        ({"users": [{"name": "u", "user": {"auth-provider": {"name": "gcp"}}}]}, "exec plugin"),
    ],
)
def test_what_is_no_kubeconfig(change: dict[str, Any], text: str) -> None:
    assert sign_in(config=config({})).credential().headers == {}
    with pytest.raises(ClusterUnreachable, match=text):
        sign_in(config={**config({}), **change})


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="set KUBECONFIG"):
        sign_in(tmp_path / "none")
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(ClusterUnreachable, match="not a kubeconfig"):
        sign_in(tmp_path / "bad")


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (401, AccessDenied, "sign in again"),
        (403, AccessDenied, "kubectl auth can-i"),
        (422, Rejected, "correct the resource"),
    ],
)
def test_refusals_say_what_to_do(status: int, error: type[Exception], text: str) -> None:
    with faulty_server() as server:
        server.faults = [status]
        basic = {"username": "me", "password": "secret"}
        client = UmbelClient(config_dict=config(basic, server.url))
        with pytest.raises(error, match=text):
            client.get("iris")
        pair = base64.b64encode(b"me:secret").decode()
        assert server.requests[0][2]["authorization"] == f"Basic {pair}"
        assert server.requests[0][1].endswith("/namespaces/team/inferenceservices/iris")
        assert len(server.requests) == 1


def test_a_proxys_path_is_kept() -> None:
    with faulty_server() as server:
        server.body = json.dumps({"items": []}).encode()
        client = UmbelClient(config_dict=config({"token": "t"}, server.url + "/k8s/c-1/"))
        assert client.get() == {"items": []}
        assert server.requests[0][1].startswith("/k8s/c-1/apis/serving.kserve.io/v1beta1/")


def test_a_proxy_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def answer() -> None:
            connection, _ = proxy.accept()
            with connection:
                asked.append(connection.recv(1000).split(b"\r\n")[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        given = config({}, "http://api.example.com:6443")
        given["clusters"][0]["cluster"]["proxy-url"] = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        server = ApiServer(sign_in(config=given))
        with pytest.raises(ClusterUnreachable, match="403 Forbidden"):
            server.create(Served("Secret", "secrets"), "default", {})
        thread.join(5)
    assert asked[0].startswith(b"CONNECT api.example.com:6443 HTTP/1.")


def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example.com")
    assert sign_in(config=config({}, "https://api.example.com")).proxy == "http://proxy:3128"
    assert sign_in(config=config({}, "https://inside.example.com")).proxy == ""
