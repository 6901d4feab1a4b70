"""Folders come out of an object store whole, and again only when they changed."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import numpy as np
import pytest
import xgboost
from moto.server import ThreadedMotoServer
from sklearn.datasets import load_digits

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.nodes.storage import object_store
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.locations import locate
from umbel.nodes.storage.store_options import store_options

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning")

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    there = ThreadedMotoServer("127.0.0.1", 0)
    there.start()
    yield "http://{}:{}".format(*there.get_host_and_port())
    there.stop()


@pytest.fixture()
def s3(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    yield client
    for found in client.list_objects_v2(Bucket="models").get("Contents", []):
        client.delete_object(Bucket="models", Key=found["Key"])
    client.delete_bucket(Bucket="models")
    client.close()


def put(client: Any, **files: bytes) -> None:
    for name, content in files.items():
        client.put_object(Bucket="models", Key=name, Body=content)


def test_a_folder_a_file_and_nothing(s3: Any) -> None:
    put(s3, **{"iris/1/model.json": b"{}", "iris/1/more/a.txt": b"a" * 10, "iris/2/x": b"x"})
    folder = fetch("s3://models/iris/1")
    assert folder.name == "1"
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert found == {"model.json": b"{}", "more/a.txt": b"a" * 10}
    file = fetch("s3://models/iris/1/model.json")
    assert (file.name, file.read_bytes()) == ("model.json", b"{}")
    for uri in ("s3://models/nothing", "s3://no-such-bucket/x"):
        with pytest.raises(DeclarationError, match="there is nothing at|cannot be read"):
            fetch(uri)


def test_what_did_not_change_is_not_read_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, **{"m/a": b"1", "m/b": b"2"})
    first = fetch("s3://models/m")
    with monkeypatch.context() as patch:
        patch.setattr(object_store, "download", None)
        assert fetch("s3://models/m/") == first
    put(s3, **{"m/a": b"3"})
    assert (fetch("s3://models/m") / "a").read_bytes() == b"3"
    assert (first / "a").read_bytes() == b"1"


def test_patterns_choose_files(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, **{"m/a.json": b"1", "m/b.bin": b"2", "m/c.bin": b"3"})
    monkeypatch.setenv("STORAGE_ALLOW_PATTERNS", '["*.bin"]')
    monkeypatch.setenv("STORAGE_IGNORE_PATTERNS", "c.*, x")
    assert [path.name for path in fetch("s3://models/m").iterdir()] == ["b.bin"]
    monkeypatch.setenv("STORAGE_ALLOW_PATTERNS", "*.none")
    with pytest.raises(DeclarationError, match="leave out all of its 3 files"):
        fetch("s3://models/m")


def test_a_download_that_breaks_off_goes_on_where_it_was(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 100
    put(s3, **{"m/model.bin": content})
    monkeypatch.setattr(object_store, "_BLOCK", 10_000)
    asked: list[int] = []
    plain = object_store._connected

    def breaking(*args: Any) -> Any:
        store = plain(*args)
        read = store.cat_file

        def cat_file(path: str, start: int, end: int) -> bytes:
            asked.append(start)
            if len(asked) == 2:
                raise OSError("the line is dead")
            return bytes(read(path, start=start, end=end))

        store.cat_file = cat_file
        return store

    monkeypatch.setattr(object_store, "_connected", breaking)
    with pytest.raises(DeclarationError, match="the line is dead"):
        fetch("s3://models/m")
    assert (fetch("s3://models/m") / "model.bin").read_bytes() == content
    assert asked == [0, 10_000, 10_000, 20_000]


def test_while_the_store_is_away_the_copy_serves(
    s3: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(s3, **{"m/a": b"1"})
    first = fetch("s3://models/m")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("S3_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    with caplog.at_level(logging.WARNING):
        assert fetch("s3://models/m") == first
    assert "the copy downloaded before is used" in caplog.text


def test_a_node_whose_model_lies_in_a_bucket(s3: Any, tmp_path: Path) -> None:
    digits = load_digits()
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=3, n_jobs=1)
    model.fit(digits.data, digits.target)
    model.save_model(tmp_path / "model.ubj")
    put(s3, **{"digits/model.ubj": (tmp_path / "model.ubj").read_bytes()})
    node = predictor("xgboost", uri="s3://models/digits", settings={"threads": 1})
    np.testing.assert_array_equal(node(digits.data[:50]), model.predict_proba(digits.data[:50]))


def test_every_store_of_fsspec_is_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    store.pipe({"/bucket/m/model.json": b"{}", "/bucket/m/v/weights": b"123"})
    try:
        folder = fetch("memory://bucket/m")
        assert (folder / "v" / "weights").read_bytes() == b"123"
    finally:
        store.rm("/bucket", recursive=True)


def test_what_kserve_s_variables_mean() -> None:
    s3 = locate("s3://models/m")
    config = json.dumps(
        {"type": "s3", "access_key_id": "a", "secret_access_key": "b", "endpoint_url": "http://s"}
    )
    options = store_options(
        s3, {"STORAGE_CONFIG": config, "S3_USER_VIRTUAL_BUCKET": "1", "S3_VERIFY_SSL": "0"}
    )
    assert (options["key"], options["secret"]) == ("a", "b")
    assert options["client_kwargs"] == {"endpoint_url": "http://s", "verify": False}
    assert options["config_kwargs"]["s3"] == {"addressing_style": "virtual"}
    assert store_options(s3, {"awsAnonymousCredential": "true"})["anon"] is True
    old = store_options(s3, {"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0"})
    assert old["client_kwargs"]["endpoint_url"] == "http://minio:9000"
    with pytest.raises(DeclarationError, match="STORAGE_CONFIG is no JSON object"):
        store_options(s3, {"STORAGE_CONFIG": "{"})
    assert locate("hf://owner/model:main").address == "hf://owner/model@main"


def test_a_store_whose_library_is_missing_names_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, "gs", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'umbel\[gcs\]'"):
        object_store.look(locate("gs://bucket/m"), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "config", "address"),
    [
        ("s3:///models/iris", {"bucket": "b"}, "s3://b/models/iris"),
        ("s3:///models/iris", {"type": "webhdfs"}, "webhdfs:///models/iris"),
        ("s3://own/models", {"bucket": "b"}, "s3://own/models"),
        ("s3:///models", {"type": "nonsense", "bucket": "b"}, "s3://b/models"),
    ],
)
def test_the_storage_secret_says_which_bucket(
    monkeypatch: pytest.MonkeyPatch, uri: str, config: dict[str, str], address: str
) -> None:
    monkeypatch.setenv("STORAGE_CONFIG", json.dumps(config))
    assert locate(uri).address == address


def test_a_google_key_without_a_file() -> None:
    place = locate("gs://b/m")
    assert store_options(place, {"UMBEL_GOOGLE_KEY": '{"a": 1}'}) == {"token": {"a": 1}}
    with pytest.raises(DeclarationError, match="UMBEL_GOOGLE_KEY is no JSON object"):
        store_options(place, {"UMBEL_GOOGLE_KEY": "{"})
