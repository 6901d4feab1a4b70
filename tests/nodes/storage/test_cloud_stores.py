"""gs://, webhdfs:// and hf:// against servers that speak the stores' own REST APIs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import store_servers
from store_servers import Store
from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import object_store
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.hadoop_options import with_name_node
from umbel.nodes.storage.locations import locate
from umbel.nodes.storage.store_options import store_options
from umbel.nodes.storage.url_policy import ForbiddenUrl, UrlPolicy

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
BIG = bytes(range(256)) * 200


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(object_store, "_BLOCK", 20_000)


@pytest.fixture()
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip("gcsfs", reason="gcsfs is not installed: pip install 'umbel[gcs]'")
    with store_servers.serving(store_servers.Gcs) as store:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        yield store


@pytest.fixture()
def hdfs() -> Iterator[Store]:
    with store_servers.serving(store_servers.WebHdfs) as store:
        yield store


@pytest.fixture()
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip("huggingface_hub")
    with store_servers.serving(store_servers.Hub) as store:
        monkeypatch.setenv("HF_ENDPOINT", store.url)
        yield store


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_google_cloud_storage(gcs: Store) -> None:
    gcs.files |= {"models/iris/model.ubj": BIG, "models/iris/v/a.txt": b"a", "models/no": b"x"}
    assert contents(fetch("gs://models/iris")) == {"model.ubj": BIG, "v/a.txt": b"a"}
    assert fetch("gs://models/iris/model.ubj").read_bytes() == BIG
    before = len([path for path, _ in gcs.seen if "alt=media" in path])
    fetch("gs://models/iris")
    assert len([path for path, _ in gcs.seen if "alt=media" in path]) == before
    gcs.files["models/iris/v/a.txt"] = b"b"
    assert contents(fetch("gs://models/iris"))["v/a.txt"] == b"b"
    with pytest.raises(DeclarationError, match="there is nothing at gs://models/none"):
        fetch("gs://models/none")


def test_google_s_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    place = locate("gs://models/iris")
    account = {"type": "service_account", "client_email": "a@b"}
    secret = base64.b64encode(json.dumps(account).encode()).decode()
    config = json.dumps({"type": "gs", "base64_service_account": secret})
    assert store_options(place, {"STORAGE_CONFIG": config}) == {"token": account}
    assert store_options(place, {}) == {}
    with pytest.raises(DeclarationError, match="base64_service_account"):
        store_options(place, {"STORAGE_CONFIG": '{"base64_service_account": "?"}'})


def test_webhdfs(hdfs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hdfs.files |= {"/models/iris/model.ubj": BIG, "/models/iris/v/a.txt": b"a"}
    monkeypatch.setenv("STORAGE_CONFIG", json.dumps({"type": "webhdfs", "user_name": "ann"}))
    folder = fetch(f"webhdfs://127.0.0.1:{hdfs.port}/models/iris")
    assert contents(folder) == {"model.ubj": BIG, "v/a.txt": b"a"}
    assert all("user.name=ann" in path for path, _ in hdfs.seen if "/webhdfs/" in path)
    assert fetch(f"webhdfs://127.0.0.1:{hdfs.port}/models/iris/v/a.txt").read_bytes() == b"a"
    with pytest.raises(DeclarationError, match="there is nothing at"):
        fetch(f"webhdfs://127.0.0.1:{hdfs.port}/models/none")


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
@pytest.mark.parametrize("where", ["folder", "spec"])
def test_kserve_s_hdfs_secret(
    hdfs: Store, scheme: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Secret names the name node and the folder that addresses begin in."""
    hdfs.files |= {"/team/user/me/iris/model.ubj": BIG}
    secret = {
        "HDFS_NAMENODE": f"http://127.0.0.1:{hdfs.port};http://127.0.0.1:9",
        "HDFS_ROOTPATH": "/team",
        "USER_PROXY": "ann",
        "HEADERS": '{"Authorization": "Token t"}',
        "TLS_SKIP_VERIFY": "true",
    }
    if where == "spec":
        monkeypatch.setenv("STORAGE_CONFIG", json.dumps({"type": scheme, **secret}))
    else:
        for name, value in secret.items():
            (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv("HDFS_SECRET_DIR", str(tmp_path))
    assert contents(fetch(f"{scheme}://user/me/iris")) == {"model.ubj": BIG}
    paths = [(path, sent) for path, sent in hdfs.seen if "/webhdfs/" in path]
    assert all("doas=ann" in path and sent == "Token t" for path, sent in paths)
    with pytest.raises(ForbiddenUrl, match="private address"):
        fetch(f"{scheme}://user/me/other", policy=UrlPolicy(allow_private=False))


def test_what_the_hdfs_secret_says_of_tls_and_kerberos(tmp_path: Path) -> None:
    secret = {
        "HDFS_NAMENODE": "https://nn",
        "KERBEROS_PRINCIPAL": "ann@REALM",
        **{key: base64.b64encode(b"pem").decode() for key in ("TLS_CERT", "TLS_KEY", "TLS_CA")},
    }
    environ = {"STORAGE_CONFIG": json.dumps(secret)}
    place = with_name_node(locate("hdfs://user/m"), environ)
    assert (place.protocol, place.address) == ("webhdfs", "webhdfs://nn:9871/user/m")
    found = store_options(place, environ)
    assert (found["host"], found["port"], found["use_https"]) == ("nn", 9871, True)
    assert found["kerb_kwargs"] == {"principal": "ann@REALM"}
    key = Path(found["session_cert"][1])
    assert (key.read_bytes(), key.stat().st_mode & 0o777) == (b"pem", 0o600)
    assert Path(found["session_verify"]).name == "TLS_CA"
    for wrong in ({"HDFS_NAMENODE": "nn:9870"}, {"TLS_CA": "?", "HDFS_NAMENODE": "http://nn"}):
        with pytest.raises(DeclarationError, match="expected http://HOST:PORT|is no base64"):
            with_name_node(locate("hdfs://m"), {"STORAGE_CONFIG": json.dumps(wrong)})


def test_hdfs_without_hadoop_names_the_ways_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    with pytest.raises(DeclarationError, match=r"webhdfs://HOST:9870/PATH.*HDFS_NAMENODE"):
        fetch("hdfs://name-node:8020/models/iris")


def test_a_data_node_is_an_address_too(hdfs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hdfs.files["/m/a"] = b"a"
    hdfs.datanode = "http://169.254.169.254"
    with pytest.raises(ForbiddenUrl, match="link-local"):
        fetch(f"webhdfs://127.0.0.1:{hdfs.port}/m")
    with pytest.raises(ForbiddenUrl, match="private address"):
        fetch(f"webhdfs://127.0.0.1:{hdfs.port}/m", policy=UrlPolicy(allow_private=False))


def test_the_hugging_face_hub(hub: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files |= {
        "ann/iris@main/config.json": b"{}",
        "ann/iris@main/onnx/model.onnx": BIG,
        "ann/iris@v2/config.json": b"[]",
    }
    assert contents(fetch("hf://ann/iris")) == {"config.json": b"{}", "onnx/model.onnx": BIG}
    assert contents(fetch("hf://ann/iris:v2")) == {"config.json": b"[]"}
    assert fetch("hf://ann/iris:main/onnx/model.onnx").read_bytes() == BIG
    with pytest.raises(DeclarationError, match="hf://ann/none"):
        fetch("hf://ann/none")
    hub.token = "hf_secret"
    with pytest.raises(DeclarationError):
        fetch("hf://ann/iris:v2/config.json")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch("hf://ann/iris:v2/config.json").read_bytes() == b"[]"
