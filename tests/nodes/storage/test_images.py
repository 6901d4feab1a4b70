"""Models in a registry: a real one, images as KServe wants them, artifacts, hostile layers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import platform
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import image_registry
from image_registry import BASIC, IMAGE, INDEX, PASSWORD, USER, ImageRegistry, layer
from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError
from umbel.nodes.lean_skops import skops_io
from umbel.nodes.storage import images, web_download
from umbel.nodes.storage.fetching import fetch
from umbel.nodes.storage.image_layers import ImageTree
from umbel.nodes.storage.image_names import image_name
from umbel.nodes.storage.model_cache import ModelCache
from umbel.nodes.storage.registry_logins import Login, login
from umbel.nodes.storage.url_policy import UNTRUSTED, ForbiddenUrl

GZIP_FOLDER = "application/vnd.oci.image.layer.v1.tar+gzip"
RAW = "application/octet-stream"
TITLE = "org.opencontainers.image.title"
HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with image_registry.serving(tmp_path_factory.mktemp("registry")) as there:
        yield there


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCache:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(web_download, "PAUSES_S", (0.0,) * 4)
    for name in ("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return ModelCache()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def leftovers(cache: ModelCache) -> list[str]:
    return [path.name for path in (cache.root / "partial").iterdir()]


def test_a_modelcar_is_served_and_pulled_once(registry: ImageRegistry, cache: ModelCache) -> None:
    iris = load_iris()
    model = LogisticRegression(max_iter=500).fit(iris.data, iris.target)
    base = layer({"bin": None, "bin/sh": b"#!", "models": None})
    digest = registry.push_image(
        "team/iris", "v1", base, layer({"models/model.skops": skops_io.dumps(model)})
    )
    uri = f"oci://{registry.host}/team/iris:v1"
    node = predictor("sklearn", uri=uri)
    np.testing.assert_array_equal(node(iris.data[:9]), model.predict(iris.data[:9]))
    folder = fetch(uri)
    assert (folder.name, list(contents(folder))) == ("iris", ["model.skops"])
    blobs = registry.reads("/v2/team/iris/blobs/")
    assert blobs == 2
    assert fetch(f"oci+native://{registry.host}/team/iris:v1") == folder
    assert fetch(f"oci://{registry.host}/team/iris@{digest}") == folder
    asked = registry.reads("/v2/team/iris/")
    assert fetch(f"oci://{registry.host}/team/iris:v1@{digest}") == folder
    assert fetch(f"oci://{registry.host}/team/iris@{digest}") == folder
    assert registry.reads("/v2/team/iris/blobs/") <= 2 * blobs + 2
    assert registry.reads("/v2/team/iris/") > asked  # the new address once, the known one never
    assert leftovers(cache) == []


def test_a_tag_that_moved_is_pulled_again(registry: ImageRegistry) -> None:
    registry.push_image("moved", "latest", layer({"models/a": b"1"}))
    old = fetch(f"oci://{registry.host}/moved")
    registry.push_image("moved", "latest", layer({"models/a": b"2"}))
    new = fetch(f"oci://{registry.host}/moved:latest")
    assert (contents(old), contents(new)) == ({"a": b"1"}, {"a": b"2"})


def test_layers_add_up_as_in_a_container(registry: ImageRegistry) -> None:
    below = layer({"models/keep": b"1", "models/gone": b"1", "models/v/a": b"1", "models/v/b": b"1",
                   "models/was-folder/x": b"1", "models/now": "keep"})  # fmt: skip
    above = layer({"models/.wh.gone": b"", "models/v/c": b"2", "models/v/.wh..wh..opq": b"",
                   "models/was-folder": b"2", "models/link": "/models/v/c", "etc/x": "/dev/null",
                   "models/twin": "models/keep"}, **{"models/twin": tarfile.LNKTYPE})  # fmt: skip
    registry.push_image("layers", "1", below, above)
    folder = fetch(f"oci://{registry.host}/layers:1")
    assert contents(folder) == {
        "keep": b"1", "v/c": b"2", "was-folder": b"2", "link": b"2", "now": b"1", "twin": b"1",
    }  # fmt: skip


@pytest.mark.parametrize("packed", ["plain", "gzip", "zstd"])
def test_compressions(registry: ImageRegistry, packed: str) -> None:
    plain = layer({"./models/a": b"x" * 5000}, packed=False)
    body = {
        "plain": plain,
        "gzip": layer({"./models/a": b"x" * 5000}),
        "zstd": zstandard.ZstdCompressor().compress(plain),
    }[packed]
    kind = "application/vnd.oci.image.layer.v1.tar" + ("" if packed == "plain" else f"+{packed}")
    registry.push_image("packed", packed, body, kind=kind)
    assert contents(fetch(f"oci://{registry.host}/packed:{packed}")) == {"a": b"x" * 5000}


def index_of(registry: ImageRegistry, repository: str, *machines: str) -> str:
    entries = []
    for machine in machines:
        digest = registry.push_image(repository, "", layer({"models/for": machine.encode()}))
        size = registry.blob_file(digest).stat().st_size
        kind = {"architecture": machine, "os": "unknown" if machine == "unknown" else "linux"}
        entries.append({"mediaType": IMAGE, "digest": digest, "size": size, "platform": kind})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    registry.push_manifest(repository, "1", index)
    return f"oci://{registry.host}/{repository}:1"


def test_of_several_images_the_one_for_this_machine(registry: ImageRegistry) -> None:
    uri = index_of(registry, "many", "s390x", HERE, "unknown")
    assert contents(fetch(uri)) == {"for": HERE.encode()}
    assert contents(fetch(index_of(registry, "one", "s390x", "unknown"))) == {"for": b"s390x"}
    with pytest.raises(DeclarationError, match=f"no image for linux/{HERE}.*linux/s390x"):
        fetch(index_of(registry, "others", "s390x", "ppc64le"))


def test_artifacts(registry: ImageRegistry) -> None:
    registry.push_artifact("files", "1", [
        (b"weights", RAW, {TITLE: "model.onnx"}),
        (b"{}", "application/json", {TITLE: "more/config.json"}),
        (layer({"tokens/a": b"1"}), GZIP_FOLDER,
         {TITLE: "tokens", "io.deis.oras.content.unpack": "true"}),
        (b"?", "application/vnd.unknown", {}),
    ])  # fmt: skip
    found = contents(fetch(f"oci://{registry.host}/files:1"))
    assert found == {"model.onnx": b"weights", "more/config.json": b"{}", "tokens/a": b"1"}
    registry.push_artifact("pack", "1", [
        (layer({"w.bin": b"w"}, packed=False), "application/vnd.cncf.model.weight.v1.tar",
         {"org.cncf.model.filepath": "w.bin"}),
        (b"r", "application/vnd.cncf.model.doc.v1.raw", {"org.cncf.model.filepath": "README"}),
    ])  # fmt: skip
    assert contents(fetch(f"oci://{registry.host}/pack:1")) == {"w.bin": b"w", "README": b"r"}
    registry.push_artifact("archive", "1", [(layer({"m/a": b"1"}), RAW, {TITLE: "m.tar.gz"})])
    assert contents(fetch(f"oci://{registry.host}/archive:1")) == {"m/a": b"1"}
    registry.push_artifact("none", "1", [(b"?", "application/vnd.unknown", {})])
    with pytest.raises(DeclarationError, match=r"holds no files.*application/vnd\.unknown"):
        fetch(f"oci://{registry.host}/none:1")


def test_what_is_not_there(registry: ImageRegistry, cache: ModelCache) -> None:
    registry.push_image("base", "1", layer({"bin/sh": b"", "opt/models/x": b""}))
    with pytest.raises(DeclarationError, match="no folder /models.*bin, opt"):
        fetch(f"oci://{registry.host}/base:1")
    for name in ("base:2", "nothing", f"base@sha256:{'0' * 64}"):
        with pytest.raises(DeclarationError, match="there is no image .* name and tag right"):
            fetch(f"oci://{registry.host}/{name}")
    with pytest.raises(DeclarationError, match="could not be read.*refused.*UMBEL_OCI_PLAIN_HTTP"):
        fetch("oci://127.0.0.1:9/base:1")
    assert leftovers(cache) == []


def test_changed_and_cut_blobs_are_not_taken(registry: ImageRegistry, cache: ModelCache) -> None:
    body = layer({"models/a": bytes(range(256)) * 4000})
    digest = registry.push_blob("hurt", body)
    registry.push_image("hurt", "1", body)
    place = registry.blob_file(digest)
    place.write_bytes(b"\0" + body[1:])
    with pytest.raises(DeclarationError, match="is not what the manifest names: expected sha256:"):
        fetch(f"oci://{registry.host}/hurt:1")
    place.write_bytes(body[:-5])
    with pytest.raises(DeclarationError, match="is not what the manifest names"):
        fetch(f"oci://{registry.host}/hurt:1")
    place.write_bytes(body)
    assert contents(fetch(f"oci://{registry.host}/hurt:1")) == {"a": bytes(range(256)) * 4000}
    assert leftovers(cache) == []


def test_a_pull_that_broke_off_goes_on(
    registry: ImageRegistry, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process left is used: the layers that are whole, and a layer's first part."""
    whole, half = layer({"models/a": b"1" * 9000}), layer({"models/b": bytes(range(256)) * 40})
    registry.push_image("resumed", "1", whole, half)
    uri = f"oci://{registry.host}/resumed:1"

    class Killed(BaseException): ...

    def killed(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(images, "_put_together", killed)
        with pytest.raises(Killed):
            fetch(uri)
    blobs = sorted((cache.root / "partial").rglob("blob"), key=lambda path: path.stat().st_size)
    part = blobs[-1]
    etag = f'"sha256:{part.parent.name.partition("-")[2]}"'
    part.with_name("download.part").write_bytes(part.read_bytes()[:100])
    part.with_name("download.json").write_text(json.dumps({"validator": etag}))
    part.unlink()
    before = registry.reads("/blobs/")
    assert contents(fetch(uri)) == {"a": b"1" * 9000, "b": bytes(range(256)) * 40}
    assert registry.reads("/blobs/") == before + 1
    assert " 206 " in registry.log.read_text()


def test_while_the_registry_is_away_the_copy_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with image_registry.serving(tmp_path / "r") as registry:
        registry.push_image("m", "1", layer({"models/a": b"1"}))
        uri = f"oci://{registry.host}/m:1"
        folder = fetch(uri)
    assert fetch(uri) == folder
    assert "the copy downloaded before is used" in caplog.text


def write_config(path: Path, host: str, **entry: str) -> None:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {host: entry or {"auth": auth}}}))


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_logins(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry with a password, and one that sends its readers to a token server."""
    with contextlib.ExitStack() as held:
        tokens = held.enter_context(image_registry.token_server())
        lines = tokens.configuration(tmp_path) if kind == "token" else "basic"
        registry = held.enter_context(image_registry.serving(tmp_path / "r", lines))
        if kind == "token":
            registry.authorization = f"Bearer {tokens.token('own/m', ['pull', 'push'])}"
        registry.push_image("own/m", "1", layer({"models/a": b"1"}))
        uri = f"oci://{registry.host}/own/m:1"
        with pytest.raises(DeclarationError, match="401, and no login .*docker login 127.0.0.1"):
            fetch(uri)
        secret = tmp_path / "pull" / ".dockerconfigjson"
        write_config(secret, registry.host, username=USER, password="wrong")
        monkeypatch.setenv("UMBEL_REGISTRY_AUTH", str(secret))
        with pytest.raises(DeclarationError, match="is not accepted") as refused:
            fetch(uri)
        assert "wrong" not in str(refused.value)
        write_config(secret, registry.host)
        assert contents(fetch(uri)) == {"a": b"1"}
        if kind == "token":
            query, sent = tokens.asked[-1]
            assert query == {"service": "registry", "scope": "repository:own/m:pull"}
            assert sent == BASIC


def test_where_logins_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_name("oci://quay.io/team/model:1")
    hub = image_name("oci://team/model")

    def found(config: object, name: object = image) -> Login:
        return login(name, {"HOME": str(tmp_path), "DOCKER_AUTH_CONFIG": json.dumps(config)})  # type: ignore[arg-type]

    one, two = ({"username": name, "password": "p"} for name in ("one", "two"))
    assert found({"auths": {"https://quay.io/v1/": one}}).user == "one"
    assert found({"auths": {"quay.io": one, "quay.io/team": two}}).user == "two"
    assert found({"auths": {"*.io": one}}).user == "one"
    assert found({"auths": {"*": one, "quay.io/tea": one, "quay.io:443": one}}) == Login()
    assert found({"quay.io": one}).user == "one"
    assert found({"auths": {"https://index.docker.io/v1/": one}}, hub).user == "one"
    assert found({"auths": {"quay.io": {"identitytoken": "t"}}}) == Login(refresh="t")
    with pytest.raises(DeclarationError, match=r"auths\.quay\.io: 'auth' is no base64"):
        found({"auths": {"quay.io": {"auth": "?"}}})
    with pytest.raises(DeclarationError, match="DOCKER_AUTH_CONFIG is no JSON"):
        login(image, {"DOCKER_AUTH_CONFIG": "{"})
    with pytest.raises(DeclarationError, match="there is no file /none"):
        login(image, {"UMBEL_REGISTRY_AUTH": "/none"})
    with pytest.raises(DeclarationError, match="docker-credential-nothing"):
        found({"credsStore": "nothing"})
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread host; echo "{\\"Username\\": \\"$host\\", \\"Secret\\": 1}"')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert found({"credHelpers": {"quay.io": "test"}}) == Login("quay.io", "1")
    assert "Secret" not in repr(Login("u", "Secret"))


def test_names() -> None:
    for uri, expected in {
        "oci://quay.io/a/b": ("quay.io", "a/b", "latest"),
        "oci://localhost/b:1": ("localhost", "b", "1"),
        "oci://host:5000/b": ("host:5000", "b", "latest"),
        "oci://busybox": ("docker.io", "library/busybox", "latest"),
        "oci://kserve/model:v1": ("docker.io", "kserve/model", "v1"),
    }.items():
        name = image_name(uri)
        assert (name.host, name.repository, name.reference) == expected
    assert image_name("oci://a/b").url("blobs", "x") == (
        "https://registry-1.docker.io/v2/a/b/blobs/x"
    )
    assert image_name("oci://r:80/b").url("blobs", "x", {}).startswith("https://r:80/")
    assert image_name("oci://r:80/b").url("m", "x", {"UMBEL_OCI_PLAIN_HTTP": "a, r:80"})[:7] == (
        "http://"
    )
    for bad in ("", "quay.io/", "quay.io/A", "quay.io/a:!", "quay.io/a@sha256:1", "quay.io/a@",
                "q_.io/a", "h/../a"):  # fmt: skip
        with pytest.raises(DeclarationError, match=r"expected oci://HOST/REPOSITORY:TAG"):
            fetch(f"oci://{bad}")
    with pytest.raises(DeclarationError, match="pinned by its own digest"):
        fetch("oci://quay.io/a#sha256=00")


def test_addresses_of_requests_stay_public(registry: ImageRegistry) -> None:
    with pytest.raises(ForbiddenUrl, match="private address"):
        fetch(f"oci://{registry.host}/base:1", policy=UNTRUSTED)
    with pytest.raises(ForbiddenUrl, match="link-local"):
        fetch("oci://169.254.169.254/base:1")


HOSTILE = {
    "outside": (layer({"models/../../x": b"1"}), "lies outside"),
    "a link out": (layer({"models/x": "../../etc"}), "leads out"),
    "an absolute link": (layer({"models/x": "/etc/passwd"}), "leads out"),
    "a loop": (layer({"models/x": "y", "models/y": "x"}), "leads out"),
    "through a link": (layer({"models/x": "/tmp", "models/x/y": b"1"}), "inside of a link"),
    "a twin out": (
        layer({"models/x": "etc/shadow"}, **{"models/x": tarfile.LNKTYPE}),
        "leads out",
    ),
    "a device": (layer({"models/x": b""}, **{"models/x": tarfile.CHRTYPE}), "no file, folder"),
    "a whiteout of the parent": (layer({"models/.wh...": b""}), "is no name"),
    "twice": (layer({"models/x": b"1", "models/./x": b"2"}), "twice"),
    "no tar": (b"what is this?", "no tar file"),
    "a cut one": (layer({"models/x": b"1" * 100_000})[:-30], "no tar file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layers(
    name: str, registry: ImageRegistry, cache: ModelCache, tmp_path: Path
) -> None:
    body, message = HOSTILE[name]
    registry.push_image("hostile", "1", layer({"models/a": b"1"}), body)
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    with pytest.raises(DeclarationError, match=message):
        fetch(f"oci://{registry.host}/hostile:1")
    assert leftovers(cache) == []
    assert list((cache.root / "objects").iterdir()) == []
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before


def test_a_layer_that_grows_is_given_up(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(layer({"a": b"\0" * 3_000_000}))
    tree = ImageTree("bomb", tmp_path / "tree", limits=images.archives.Limits(1_000_000, 3))
    with pytest.raises(DeclarationError, match="unpacks to more than 1,000,000 bytes"):
        tree.add_layer(bomb)
    bomb.write_bytes(layer({str(number): b"" for number in range(9)}))
    with pytest.raises(DeclarationError, match="holds more than 3 files"):
        ImageTree("bomb", tmp_path / "other", limits=images.archives.Limits(99, 3)).add_layer(bomb)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.XHDTYPE, 7 << 30
        tar.addfile(header)
    bomb.write_bytes(buffer.getvalue())
    with pytest.raises(DeclarationError, match="a name or attribute of 7,516,192,768 bytes"):
        ImageTree("bomb", tmp_path / "third").add_layer(bomb)
