"""Archives are unpacked inside their folder or not at all."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.archives import Limits, is_archive, unpack


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, content


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tgz", "model.tar", "model.zip"])
def test_files_folders_and_inner_links_come_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/model.json", "{}")
            link = zipfile.ZipInfo("latest")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "a/model.json")
    else:
        tar(
            path,
            member("latest", tarfile.SYMTYPE, "a/model.json"),
            member("a", tarfile.DIRTYPE),
            member("a/model.json", content=b"{}"),
            member("twin", tarfile.LNKTYPE, "a/model.json"),
        )
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "model.json").read_bytes() == b"{}"
    assert (tmp_path / "out" / "latest").read_bytes() == b"{}"
    if not name.endswith(".zip"):
        assert (tmp_path / "out" / "twin").read_bytes() == b"{}"


HOSTILE = [
    [member("../evil", content=b"x")],
    [member("a/../../evil", content=b"x")],
    [member("/evil", content=b"x")],
    [member("C:/evil", content=b"x")],
    [member("..\\evil", content=b"x")],
    [member("out", tarfile.SYMTYPE, "../..")],
    [member("out", tarfile.SYMTYPE, "/etc")],
    [member("out", tarfile.SYMTYPE, ".."), member("out/evil", content=b"x")],
    [member("a", tarfile.SYMTYPE, "."), member("a/b", tarfile.SYMTYPE, "..")],
    [member("a", tarfile.SYMTYPE, "b/../.."), member("b", tarfile.SYMTYPE, ".")],
    [member("twin", tarfile.LNKTYPE, "../secret")],
    [member("twin", tarfile.LNKTYPE, "/etc/passwd")],
    [member("pipe", tarfile.FIFOTYPE)],
    [member("disk", tarfile.BLKTYPE)],
    [member("a", content=b"1"), member("a", content=b"2")],
    [member("a", content=b"1"), member("a/b", content=b"2")],
]


@pytest.mark.parametrize("members", HOSTILE, ids=range(len(HOSTILE)))
def test_what_leads_out_or_is_no_file_refuses_all_of_it(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    (tmp_path / "secret").write_text("secret")
    home = tmp_path / "home"
    home.mkdir()
    path = tar(tmp_path / "model.tar.gz", member("good", content=b"x"), *members)
    before = everything_in(tmp_path)
    with pytest.raises(DeclarationError, match="the archive model.tar.gz"):
        unpack(path, home / "out")
    assert everything_in(tmp_path) == before


@example([("b", tarfile.SYMTYPE, ".."), ("b/a/c", tarfile.SYMTYPE, "a")])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "a/b", "../c", "a/../b", "/d", "a//b", ".", "..", "b/a/c"]),
            st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE]),
            st.sampled_from(["a", "..", "../..", "b/..", ".", "/etc", "a/../..", "b"]),
        ),
        max_size=5,
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_archive_writes_or_links_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    base = tmp_path_factory.mktemp("any")
    path = tar(base / "m.tgz", *(member(n, k, t, b"" if k != tarfile.REGTYPE else b"x")
                                 for n, k, t in members))  # fmt: skip
    out = base / "deep" / "out"
    try:
        unpack(path, out)
    except DeclarationError:
        assert not out.exists()
    else:
        for found in out.rglob("*"):
            assert found.resolve().is_relative_to(out.resolve())
    assert set(os.listdir(base)) <= {"m.tgz", "deep"}
    assert not (base / "deep").exists() or set(os.listdir(base / "deep")) <= {"out"}


def test_an_archive_that_grows_beyond_the_limits_is_given_up(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(5_000_000))
    with pytest.raises(DeclarationError, match="unpacks to more than 1,000,000 bytes"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out", Limits(total_bytes=1_000_000))
    many = tar(tmp_path / "many.tgz", *(member(str(number)) for number in range(20)))
    with pytest.raises(DeclarationError, match="more than 10 members"):
        unpack(many, tmp_path / "out", Limits(members=10))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model.zip", "model.tar.gz", "model.tar"])
def test_half_an_archive_is_named(tmp_path: Path, name: str) -> None:
    whole = tmp_path / name
    noise = os.urandom(50_000)
    if name.endswith(".zip"):
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("a", noise)
    else:
        with tarfile.open(whole, "w:gz" if name.endswith("gz") else "w") as archive:
            info, _ = member("a")
            info.size = len(noise)
            archive.addfile(info, io.BytesIO(noise))
    content = whole.read_bytes()
    for part in (b"", content[: len(content) // 2], b"garbage" * 100):
        whole.write_bytes(part)
        with pytest.raises(DeclarationError, match="no complete archive"):
            unpack(whole, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_zip_files_of_model_formats_are_no_archives() -> None:
    assert is_archive(Path("m.tar.gz"))
    assert is_archive(Path("M.ZIP"))
    for name in ("m.pt2", "m.skops", "m.npz", "m.zip.onnx"):
        assert not is_archive(Path(name))
