"""Models come from the web once, whole, and only from where they may."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError
from umbel.nodes.lean_skops import skops_io
from umbel.nodes.storage import web_download
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.model_cache import ModelCache
from umbel.nodes.storage.url_policy import UNTRUSTED, UrlPolicy
from web_server import Site, cut, serving, status

MODEL = bytes(range(256)) * 4000


@pytest.fixture()
def site() -> Iterator[Site]:
    with serving() as there:
        yield there


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web_download, "PAUSES_S", (0.0,) * 4)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return ModelCache()


def leftovers(cache: ModelCache) -> list[str]:
    return [path.name for path in (cache.root / "partial").iterdir()]


def test_a_file_is_downloaded_once_and_kept(site: Site, cache: ModelCache) -> None:
    site.files["/m/model.onnx"] = MODEL
    path = fetch(f"{site.url}/m/model.onnx")
    assert path.name == "model.onnx"
    assert path.read_bytes() == MODEL
    assert fetch(f"{site.url}/m/model.onnx") == path
    assert site.gets("/m/model.onnx") == 1
    assert leftovers(cache) == []


def test_a_cache_that_cannot_be_written_is_told_with_what_to_set(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "file" / "models"))
    with pytest.raises(DeclarationError, match="cannot be used: .*set UMBEL_CACHE to a folder"):
        fetch(f"{site.url}/m/model.onnx")


def test_a_changed_file_is_downloaded_again_and_the_old_one_stays(site: Site) -> None:
    site.files["/model.onnx"] = MODEL
    old = fetch(f"{site.url}/model.onnx")
    site.files["/model.onnx"] = b"new"
    new = fetch(f"{site.url}/model.onnx")
    assert (old.read_bytes(), new.read_bytes()) == (MODEL, b"new")


def test_two_addresses_with_the_same_content_share_it(site: Site) -> None:
    site.files["/a/model.onnx"] = site.files["/b/model.onnx"] = MODEL
    assert fetch(f"{site.url}/a/model.onnx") == fetch(f"{site.url}/b/model.onnx")


def test_a_download_that_breaks_off_goes_on_where_it_was(site: Site) -> None:
    site.files["/model.onnx"] = MODEL
    site.faults["/model.onnx"] = [status(503), cut(400_000), cut(0)]
    assert fetch(f"{site.url}/model.onnx").read_bytes() == MODEL
    ranges = [headers.get("range") for verb, _, headers in site.seen if verb == "GET"]
    assert ranges == [None, None, "bytes=400000-", None]


def test_a_file_that_changed_in_between_starts_anew(site: Site) -> None:
    site.files["/model.onnx"] = MODEL
    site.faults["/model.onnx"] = [cut(400_000)]

    def change(handler: Any, content: bytes) -> bool:
        site.files["/model.onnx"] = b"other"
        handler._send("/model.onnx", b"other", True)
        return True

    site.faults["/model.onnx"].append(change)
    assert fetch(f"{site.url}/model.onnx").read_bytes() == b"other"


def test_a_later_process_goes_on_with_what_an_earlier_one_left(
    site: Site, cache: ModelCache
) -> None:
    site.files["/model.onnx"] = MODEL
    site.faults["/model.onnx"] = [cut(500_000), *[status(503)] * 4]
    with pytest.raises(DeclarationError, match=r"5 attempts\): the server answers 503"):
        fetch(f"{site.url}/model.onnx")
    assert len(leftovers(cache)) == 1
    assert fetch(f"{site.url}/model.onnx").read_bytes() == MODEL
    assert site.seen[-1][2]["range"] == "bytes=500000-"
    assert leftovers(cache) == []


def test_while_the_server_is_away_the_copy_serves(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as away:
        away.files["/model.onnx"] = MODEL
        uri = f"{away.url}/model.onnx"
        path = fetch(uri)
    with caplog.at_level(logging.WARNING):
        assert fetch(uri) == path
    assert "the copy downloaded before is used" in caplog.text
    with pytest.raises(DeclarationError, match="can this machine reach it"):
        fetch(uri.replace("model", "other"))


@pytest.mark.parametrize(("code", "said"), [(404, "is the address right"), (401, "-headers")])
def test_an_answer_that_will_not_change_is_not_asked_again(
    site: Site, code: int, said: str
) -> None:
    site.files["/model.onnx"] = MODEL
    site.faults["/model.onnx"] = [status(code)] * 2
    with pytest.raises(DeclarationError, match=f"answers {code}.*{said}"):
        fetch(f"{site.url}/model.onnx")
    assert site.gets("/model.onnx") == 1


def test_a_login_page_is_no_model(site: Site) -> None:
    site.files["/model.onnx"] = b"<html>"
    site.content_type = "text/html; charset=utf-8"
    with pytest.raises(DeclarationError, match="a web page, not with a model"):
        fetch(f"{site.url}/model.onnx")


@pytest.mark.parametrize("headers", ['{"X-Key": "k"}', "X-Key: k\n\n"])
def test_secrets_go_to_their_host_only_and_into_no_message(
    site: Site, monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("127.0.0.1-headers", headers)
    with serving("localhost") as other:
        other.files["/model.onnx"] = MODEL
        site.redirects["/model.onnx"] = f"{other.url}/model.onnx"
        uri = f"{site.url.replace('//', '//me:secret@')}/model.onnx?sig=secret"
        fetch(uri)
        assert {"authorization", "x-key"} <= set(site.seen[-1][2])
        assert not {"authorization", "x-key"} & set(other.seen[-1][2])
    del site.redirects["/model.onnx"]
    site.files["/model.onnx"] = MODEL
    site.faults["/model.onnx"] = [status(404)] * 2
    with pytest.raises(DeclarationError) as caught:
        fetch(uri.replace("?", "?x=1&"))
    assert "secret" not in str(caught.value)


def test_digests(site: Site, cache: ModelCache) -> None:
    site.files["/model.onnx"] = MODEL
    digest = hashlib.sha256(MODEL).hexdigest()
    with pytest.raises(DeclarationError, match=f"found {digest}"):
        fetch(f"{site.url}/model.onnx#sha256={'0' * 64}")
    assert leftovers(cache) == []
    path = fetch(f"{site.url}/model.onnx#sha256={digest}")
    site.files.clear()
    site.seen.clear()
    assert fetch(f"{site.url}/model.onnx#sha256={digest}") == path
    assert site.seen == []


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_an_archive_becomes_a_folder(site: Site, tmp_path: Path, cache: ModelCache) -> None:
    content = archive(**{"model.json": b"{}", "more/x": b"1"})
    site.files["/iris.tar.gz"] = content
    folder = fetch(f"{site.url}/iris.tar.gz")
    assert folder.name == "iris"
    assert sorted(p.name for p in folder.rglob("*")) == ["model.json", "more", "x"]
    (tmp_path / "iris.tar.gz").write_bytes(content)
    assert fetch(str(tmp_path / "iris.tar.gz")) == folder
    site.files["/evil.tar.gz"] = archive(**{"../evil": b"x"})
    with pytest.raises(DeclarationError, match="lies outside"):
        fetch(f"{site.url}/evil.tar.gz")
    assert leftovers(cache) == []


def test_a_path_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch(str(tmp_path)) == tmp_path
    assert fetch(f"file://{tmp_path}") == tmp_path
    monkeypatch.setenv("UMBEL_PVC_ROOT", str(tmp_path))
    (tmp_path / "claim").mkdir()
    assert fetch("pvc://claim/models/a") == tmp_path / "claim" / "models" / "a"
    assert fetch("pvc://other/models/a") == tmp_path / "models" / "a"
    with pytest.raises(DeclarationError, match="leads out of the volume"):
        fetch("pvc://claim/../../etc")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host/model", "serve the file over https"),
        ("nope://x/y", "there are a path, file://"),
        ("https://host/", "names no file"),
        ("https://host/models/", "names no file"),
        ("https://host/model.git", "clone the repository"),
        ("hf://model", "expected hf://OWNER/MODEL"),
    ],
)
def test_addresses_that_nothing_reads_say_what_to_do(uri: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        fetch(uri)


def test_addresses_from_outside_may_not_name_private_places(site: Site, tmp_path: Path) -> None:
    site.files["/model.onnx"] = MODEL
    port = site.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "0x7f000001", "[::ffff:127.0.0.1]", "10.0.0.1"):
        with pytest.raises(DeclarationError, match="a private address"):
            fetch(f"http://{host}:{port}/model.onnx", policy=UNTRUSTED)
    for path in (str(tmp_path), f"file://{tmp_path}", "pvc://claim/x"):
        with pytest.raises(DeclarationError, match="is a path of the server"):
            fetch(path, policy=UNTRUSTED)
    assert site.seen == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]",
                "100.100.100.200", "[64:ff9b::a9fe:a9fe]", "2852039166"],
)  # fmt: skip
def test_metadata_services_are_never_asked(site: Site, address: str) -> None:
    with pytest.raises(DeclarationError, match="link-local address"):
        fetch(f"http://{address}/latest/model.onnx")
    site.redirects["/model.onnx"] = f"http://{address}/latest/model.onnx"
    with pytest.raises(DeclarationError, match="link-local address"):
        fetch(f"{site.url}/model.onnx")


def test_a_redirect_is_checked_like_the_first_address(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a public server redirects to a private one."""
    with serving() as private:
        private.files["/model.onnx"] = MODEL
        site.redirects["/model.onnx"] = f"{private.url}/model.onnx"
        public = UrlPolicy(allow_private=False)
        real = UrlPolicy.check_address

        def check(self: UrlPolicy, address: str, host: str) -> None:
            if host != "models.example":
                real(self, address, host)

        monkeypatch.setattr(UrlPolicy, "check_address", check)
        resolving(monkeypatch, "models.example")
        port = site.url.rpartition(":")[2]
        with pytest.raises(DeclarationError, match="a private address"):
            fetch(f"http://models.example:{port}/model.onnx", policy=public)
        assert site.seen
        assert private.seen == []


def resolving(monkeypatch: pytest.MonkeyPatch, name: str, *answers: str) -> None:
    """``name`` means loopback, or one of ``answers`` after the other."""
    real, left = socket.getaddrinfo, list(answers)

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != name:
            return real(host, *args, **kwargs)
        return real(left.pop(0) if left else "127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_that_means_another_address_the_second_time_gains_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.files["/model.onnx"] = MODEL
    resolving(monkeypatch, "models.example", "8.8.8.8")
    port = site.url.rpartition(":")[2]
    with pytest.raises(DeclarationError, match="models.example is 127.0.0.1, a private"):
        fetch(f"http://models.example:{port}/model.onnx", policy=UNTRUSTED)
    assert site.seen == []


def test_a_disk_too_small_is_found_out_before(
    site: Site, monkeypatch: pytest.MonkeyPatch, cache: ModelCache
) -> None:
    site.files["/model.onnx"] = MODEL
    usage = shutil.disk_usage(cache.root.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DeclarationError, match="needs 1.0 MiB, and .* has 0.0 MiB left"):
        fetch(f"{site.url}/model.onnx")


def test_a_disk_that_fills_up_keeps_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, cache: ModelCache
) -> None:
    site.files["/model.onnx"] = MODEL

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(web_download.Progress, "add", no_room)
    with pytest.raises(DeclarationError, match="is full, .* was not kept"):
        fetch(f"{site.url}/model.onnx")
    assert not list(cache.root.rglob("*.part"))


def test_many_processes_download_once(site: Site, cache: ModelCache) -> None:
    site.files["/model.onnx"] = MODEL
    code = "import sys; from umbel.nodes.storage.fetching import fetch; print(fetch(sys.argv[1]))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"{site.url}/model.onnx"],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ),
        )
        for _ in range(4)
    ]  # fmt: skip
    paths = {process.communicate(timeout=60)[0].strip() for process in started}
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == MODEL
    assert site.gets("/model.onnx") == 1


def test_a_node_whose_model_lies_on_a_web_server(site: Site, tmp_path: Path) -> None:
    data = load_iris()
    model = LogisticRegression(max_iter=500).fit(data.data, data.target)
    skops_io.dump(model, tmp_path / "iris.skops")
    site.files["/iris.skops"] = (tmp_path / "iris.skops").read_bytes()
    node = predictor("sklearn", uri=f"{site.url}/iris.skops")
    assert node(data.data[:60]).tolist() == model.predict(data.data[:60]).tolist()
