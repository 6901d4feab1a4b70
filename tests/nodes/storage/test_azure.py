"""Azure's blobs against Microsoft's emulator: keys, signatures, public containers, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("adlfs", reason="adlfs is not installed: pip install 'umbel[azure]'")

import azure_server
from azure_server import ACCOUNT, KEY, AzureServer
from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import object_store
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.locations import locate
from umbel.nodes.storage.store_options import store_options

BIG = bytes(range(256)) * 200
FILES = {"iris/model.ubj": BIG, "iris/v/a.txt": b"a", "other/x": b"x"}


@pytest.fixture(scope="module")
def azure() -> Iterator[AzureServer]:
    with azure_server.serving() as there:
        there.put("models", **FILES)
        there.put("open", public=True, **FILES)
        yield there


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(object_store, "_BLOCK", 20_000)


@pytest.fixture()
def account(azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> AzureServer:
    monkeypatch.setenv("AZURE_STORAGE_BLOB_ENDPOINT", azure.url)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    return azure


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_an_account_s_key(account: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCESS_KEY", KEY)
    folder = fetch("abfs://models/iris")
    assert contents(folder) == {"model.ubj": BIG, "v/a.txt": b"a"}
    assert fetch("abfs://models/iris") == folder
    assert fetch("az://models/iris/model.ubj").read_bytes() == BIG
    assert contents(fetch(f"https://{ACCOUNT}.blob.core.windows.net/models/other")) == {"x": b"x"}
    assert contents(fetch(f"abfs://models@{ACCOUNT}.dfs.core.windows.net/other")) == {"x": b"x"}
    account.put("models", **{"iris/v/a.txt": b"b"})
    assert contents(fetch("abfs://models/iris"))["v/a.txt"] == b"b"
    account.put("models", **FILES)
    for uri in ("abfs://models/none", "abfs://no-container/x"):
        with pytest.raises(DeclarationError, match=f"there is nothing at {uri}"):
            fetch(uri)


@pytest.mark.slow
def test_signatures(account: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = account.signature("models")
    address = f"https://{ACCOUNT}.blob.core.windows.net/models/iris"
    assert contents(fetch(f"{address}?{signature}")) == {"model.ubj": BIG, "v/a.txt": b"a"}
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", f"?{signature}")
    assert contents(fetch("abfs://models/other")) == {"x": b"x"}
    blob = account.signature("models", "iris/model.ubj")
    assert fetch(f"{account.url}/models/iris/model.ubj?{blob}").read_bytes() == BIG
    wrong = signature.replace("sig=", "sig=A")
    with pytest.raises(DeclarationError, match="may not be read") as refused:
        fetch(f"https://{ACCOUNT}.blob.core.windows.net/models/other?{wrong}")
    assert "sig=" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_connection_string(azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={azure.url};",
    )
    assert contents(fetch("abfs://models/other")) == {"x": b"x"}
    with pytest.raises(DeclarationError, match="account 'another', and AZURE_STORAGE_CONNECTION"):
        fetch("https://another.blob.core.windows.net/models/other")


@pytest.mark.slow
def test_without_credentials(account: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert contents(fetch("abfs://open/iris")) == {"model.ubj": BIG, "v/a.txt": b"a"}
    with pytest.raises(DeclarationError, match="abfs://models/iris may not be read"):
        fetch("abfs://models/iris")
    monkeypatch.setenv("AZURE_STORAGE_ACCESS_KEY", "d3Jvbmc=")
    with pytest.raises(DeclarationError, match="may not be read") as refused:
        fetch("abfs://models/other")
    assert "d3Jvbmc=" not in str(refused.value)


def test_what_kserve_s_secrets_mean() -> None:
    blob = locate("https://account.blob.core.windows.net/container/models/m")
    assert (blob.protocol, blob.address) == ("abfs", "abfs://container/models/m")
    key = store_options(blob, {"AZURE_STORAGE_ACCESS_KEY": "k"})["connection_string"]
    assert key == (
        "AccountName=account;BlobEndpoint=https://account.blob.core.windows.net;AccountKey=k"
    )
    principal = {"AZ_TENANT_ID": "t", "AZ_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    found = store_options(blob, {**principal, "AZURE_STORAGE_ACCESS_KEY": "k"})
    wanted = {"tenant_id": "t", "client_id": "c", "client_secret": "s", "account_name": "account"}
    assert wanted.items() <= found.items()
    assert "connection_string" not in found
    workload = store_options(blob, {"AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/t"})
    assert workload["anon"] is False
    zone = locate("https://account.z20.blob.storage.azure.net/container/m")
    assert store_options(zone, principal)["account_host"] == "account.z20.blob.storage.azure.net"
    with pytest.raises(DeclarationError, match="does not say which account"):
        store_options(locate("abfs://container/m"), {})
    signed = locate("https://account.blob.core.windows.net/c/m?sv=1&sr=c&sig=secret")
    assert "secret" not in repr(signed)
    one = locate("https://account.blob.core.windows.net/c/m?sv=1&sr=b&sig=secret")
    assert one.store == "web"
