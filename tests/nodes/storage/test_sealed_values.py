"""Values that only the holder of a key opens, in the one place they were sealed for."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.sealed_values import (
    KEY_FILE,
    SEALED,
    SealKey,
    SealKeys,
    open_into,
    owner_of,
    sealed,
)

OWNER = owner_of("team", "iris")
HUSH = {"AWS_SECRET_ACCESS_KEY": "hush-hush", "models.example-headers": "a: b\nc: d"}


@pytest.fixture()
def keys() -> SealKeys:
    return SealKeys((SealKey.new(),))


def key_file(folder: Path, *keys: SealKey) -> str:
    file = folder / "keys"
    file.write_text("# a comment\n\n" + "".join(f"{one.line}\n" for one in keys))
    return str(file)


def opened(shut: dict[str, str], file: str, owner: str = OWNER) -> dict[str, str]:
    environ = {**shut, KEY_FILE: file, "AWS_SECRET_ACCESS_KEY": "the node's own"}
    open_into(environ, owner)
    return environ


@settings(max_examples=60)
@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=4))
def test_what_is_sealed_opens_and_is_the_same_each_time(values: dict[str, str]) -> None:
    keys = SealKeys((SealKey.new(),))
    for name, value in values.items():
        shut = keys.seal(value, OWNER, name)
        assert shut == keys.seal(value, OWNER, name)
        assert keys.open(shut, OWNER, name) == value
        assert shut.startswith(keys.keys[0].id)


def test_the_environment_gets_the_values_and_the_text_shows_none(
    keys: SealKeys, tmp_path: Path
) -> None:
    shut = sealed(HUSH, keys, OWNER)
    assert list(shut) == [SEALED]
    assert not [value for value in HUSH.values() if value in str(shut)]
    found = opened(shut, key_file(tmp_path, *keys.keys))
    assert {name: found[name] for name in HUSH} == HUSH
    assert sealed({}, keys, OWNER) == {}
    untouched = {"A": "b"}
    open_into(untouched, OWNER)
    assert untouched == {"A": "b"}


def test_lengths_are_not_told(keys: SealKeys) -> None:
    assert len({len(keys.seal("x" * n, OWNER, "A")) for n in range(30)}) == 1


def test_a_copy_opens_nowhere_else(keys: SealKeys, tmp_path: Path) -> None:
    file, shut = key_file(tmp_path, *keys.keys), sealed(HUSH, keys, OWNER)
    for other in ("team.other", "other.iris", "tea.miris", ""):
        with pytest.raises(DeclarationError, match="another application"):
            opened(shut, file, other)
    moved = {SEALED: json.dumps({"HF_TOKEN": json.loads(shut[SEALED])["AWS_SECRET_ACCESS_KEY"]})}
    with pytest.raises(DeclarationError, match="another application or variable"):
        opened(moved, file)


@given(st.data())
@settings(max_examples=40)
def test_a_changed_text_does_not_open(data: st.DataObject) -> None:
    keys = SealKeys((SealKey.new(),))
    shut = keys.seal("hush", OWNER, "A")
    place = data.draw(st.integers(0, len(shut) - 1))
    letter = data.draw(st.sampled_from("AZaz09-_=. ~"))
    changed = shut[:place] + letter + shut[place + 1 :]
    if changed != shut:
        with pytest.raises(DeclarationError) as caught:
            keys.open(changed, OWNER, "A")
        assert "hush" not in str(caught.value)


def test_a_key_is_replaced_without_a_gap(tmp_path: Path) -> None:
    old, new = SealKey.new(), SealKey.new()
    with_old, with_new = (sealed(HUSH, SealKeys((one,)), OWNER) for one in (old, new))
    both = key_file(tmp_path, old, new)
    for shut in (with_old, with_new):
        assert opened(shut, both)["AWS_SECRET_ACCESS_KEY"] == "hush-hush"
    assert sealed(HUSH, SealKeys.read(both), OWNER) == with_old  # the first one seals
    last = key_file(tmp_path, new)
    assert opened(with_new, last)["AWS_SECRET_ACCESS_KEY"] == "hush-hush"
    with pytest.raises(DeclarationError) as caught:
        opened(with_old, last)
    assert old.id in str(caught.value)
    assert new.id in str(caught.value)


def test_errors_name_key_file_and_fix_and_show_nothing(keys: SealKeys, tmp_path: Path) -> None:
    shut, other = sealed(HUSH, keys, OWNER), SealKey.new()
    broken = tmp_path / "broken"
    broken.write_text(f"{keys.keys[0].line[:-4]}\n")
    empty = tmp_path / "empty"
    empty.write_text("# nothing\n")
    for file in (str(tmp_path / "none"), str(broken), str(empty), key_file(tmp_path, other)):
        with pytest.raises(DeclarationError) as caught:
            opened(shut, file)
        text = str(pickle.loads(pickle.dumps(caught.value)))
        assert keys.keys[0].id in text
        assert file in text
        assert f"name it in {KEY_FILE}" in text
        secrets = (*HUSH.values(), keys.keys[0].line[-30:], other.line[-30:])
        assert not [one for one in secrets if one in text]
    with pytest.raises(DeclarationError, match="the operator's to set"):
        opened({SEALED: "[]"}, str(tmp_path))


def test_a_key_does_not_show_itself(keys: SealKeys) -> None:
    (key,) = keys.keys
    for text in (repr(key), repr(keys), str(key)):
        assert key.line.removeprefix("umbel-seal-key-v1:")[:20] not in text
        assert repr(key.secret)[2:20] not in text
