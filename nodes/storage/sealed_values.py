"""Sealed values: credentials that a Ray cluster's dashboard may show, since nobody can read them.

Ray shows the variables of an application to everybody who may use its dashboard. So whoever
deploys one seals the values with a key, and the replica, which has the same key in a file, opens
them into its own process when it starts.

A value is sealed with AES-SIV (RFC 5297): the same value gives the same text, so that an
unchanged Secret changes no application. It is bound to its application and its variable: copied
to another one it does not open. Needs the ``cryptography`` package on both sides.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError

KEY_FILE = "UMBEL_SEAL_KEY_FILE"
"""Variable of the Ray pods: the file with the keys."""

DEFAULT_KEY_FILE = "/etc/umbel/seal/keys"
"""Where the keys are looked for without it."""

SEALED = "UMBEL_SEALED"
"""Variable of an application: a JSON object, variable → its sealed value."""

_MARK = "umbel-seal-key-v1:"
_KEY_BYTES = 64
_PAD = 32
"""Values are filled up to a multiple of so many bytes: a short one does not show its length."""

_FORM = f"lines of the form {_MARK}..., as `umbel k8s seal-key` prints them"


@dataclass(frozen=True)
class SealKey:
    """``id`` says which key it is and nothing about the key itself."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Eight hexadecimal digits of a digest."""
        return hashlib.sha256(b"umbel seal key id\0" + self.secret).hexdigest()[:8]

    @property
    def line(self) -> str:
        """The key as a line of a key file. It is the secret itself."""
        return _MARK + base64.urlsafe_b64encode(self.secret).decode().rstrip("=")

    @staticmethod
    def new() -> SealKey:
        """A key that nobody has had before."""
        return SealKey(secrets.token_bytes(_KEY_BYTES))


@dataclass(frozen=True)
class SealKeys:
    """The keys of a file, in its order: the first one seals, all of them open."""

    keys: tuple[SealKey, ...]

    @staticmethod
    def parse(text: str, source: str) -> SealKeys:
        """``source`` is what errors call the text; they never show a line of it."""
        found: list[SealKey] = []
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            try:
                given = stripped.removeprefix(_MARK)
                raw = base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if not stripped.startswith(_MARK) or len(raw) != _KEY_BYTES:
                raise DeclarationError(f"{source}: line {number} is no key; expected {_FORM}")
            found.append(SealKey(raw))
        if not found:
            raise DeclarationError(f"{source}: there is no key in it; expected {_FORM}")
        return SealKeys(tuple(found))

    @staticmethod
    def read(file: str | Path) -> SealKeys:
        """The keys in a file. Raises ``DeclarationError``."""
        try:
            text = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise DeclarationError(f"{file}: the keys cannot be read: {reason}") from None
        return SealKeys.parse(text, str(file))

    def seal(self, value: str, owner: str, name: str) -> str:
        """``KEY.TEXT``. ``owner``: the application, ``name``: the variable it is for."""
        plain = json.dumps(value).encode()
        plain += b" " * (-len(plain) % _PAD)  # JSON takes no notice of them
        key = self.keys[0]
        shut = _aes_siv(key).encrypt(plain, _bound(owner, name))
        return f"{key.id}.{base64.urlsafe_b64encode(shut).decode()}"

    def open(self, sealed: str, owner: str, name: str) -> str:
        """What was sealed. Raises ``DeclarationError``, which shows nothing of it."""
        wanted, _, text = sealed.partition(".")
        key = next((one for one in self.keys if one.id == wanted), None)
        if key is None:
            there = ", ".join(one.id for one in self.keys)
            raise _NoSuchKey(f"sealed with the key {wanted}; there are {there}")
        from cryptography.exceptions import InvalidTag

        try:
            shut = base64.b64decode(text, b"-_", validate=True)
            return str(json.loads(_aes_siv(key).decrypt(shut, _bound(owner, name))))
        except (InvalidTag, ValueError):
            raise _DoesNotOpen(
                f"the sealed value of {name} does not open for {owner}: it was changed, or sealed "
                "for another application or variable; fix: let the operator deploy it"
            ) from None


class _NoSuchKey(DeclarationError):
    """Of the keys that are there none is the one it was sealed with."""


class _DoesNotOpen(DeclarationError):
    """The key is there, and the text is not what it made for this place."""


def owner_of(namespace: str, name: str) -> str:
    """What a resource's values are bound to. A replica knows it by the name of its application,
    ``OWNER.DIGEST``, which Serve tells it and no resource can choose."""
    return f"{namespace}.{name}"


def sealed(values: Mapping[str, str], keys: SealKeys, owner: str) -> dict[str, str]:
    """One variable that holds all ``values`` sealed; none for no values."""
    if not values:
        return {}
    shut = {name: keys.seal(value, owner, name) for name, value in values.items()}
    return {SEALED: json.dumps(shut, sort_keys=True)}


def open_into(environ: MutableMapping[str, str], owner: str) -> None:
    """Open what `SEALED` holds into the variables it names. Does nothing without it. Raises
    ``DeclarationError`` with what to do where the key is not there or another one."""
    if not environ.get(SEALED):
        return
    shut = _listed(environ[SEALED])
    file = environ.get(KEY_FILE) or DEFAULT_KEY_FILE
    ids = ", ".join(sorted({str(one).partition(".")[0] for one in shut.values()}))
    fix = (
        f"give all Ray pods the operator's key file and name it in {KEY_FILE} "
        "(docs/kubernetes.md, 'Sealed credentials')"
    )
    try:
        keys = SealKeys.read(file)
        opened = {name: keys.open(str(one), owner, name) for name, one in shut.items()}
    except _NoSuchKey as error:
        raise DeclarationError(
            f"the credentials of {owner} are {error} in {file} on this Ray node; fix: {fix}"
        ) from None
    except _DoesNotOpen:
        raise
    except DeclarationError as error:
        raise DeclarationError(
            f"the credentials of {owner} are sealed with the key {ids}, and cannot be opened: "
            f"{error}; fix: {fix}"
        ) from None
    environ.update(opened)


def _listed(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DeclarationError(
            f"{SEALED} is no JSON object: it is the operator's to set, and may stand in no "
            "container's env"
        )
    return found


def _bound(owner: str, name: str) -> list[bytes]:
    return [b"umbel-sealed-v1", owner.encode(), name.encode()]


def _aes_siv(key: SealKey) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError:
        raise DeclarationError(
            "sealed credentials need a library: pip install cryptography"
        ) from None
    return AESSIV(key.secret)
