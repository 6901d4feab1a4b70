"""Who to be at a registry: what ``docker login``, ``podman login`` or a pull secret left.

Read are, in this order: the files of ``UMBEL_REGISTRY_AUTH`` (with ``:`` between them; of a
folder, all that end in ``.json``) and of KServe's ``KSERVE_OCI_DOCKER_CONFIG``, the JSON in
``DOCKER_AUTH_CONFIG``, ``$DOCKER_CONFIG/config.json``, ``$REGISTRY_AUTH_FILE``,
``~/.docker/config.json`` and podman's ``auth.json``. The first that knows the registry counts.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.image_names import DOCKER_HUB, ImageName

FILES = "UMBEL_REGISTRY_AUTH"
CONTENT = "DOCKER_AUTH_CONFIG"

_HELPER_TIMEOUT_S = 30.0
_NAMED_BY_TOKEN = "<token>"  # noqa: S105 - what credential helpers answer in place of a user


@dataclass(frozen=True)
class Login:
    """A user's name and password, or a token to get tokens with. Never shown."""

    user: str = ""
    password: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header; empty without a user."""
        if not self.user:
            return ""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def login(image: ImageName, environ: Mapping[str, str] = os.environ) -> Login:
    """The login for the image's registry; an empty one where nothing names it. Raises
    DeclarationError if a file that was named cannot be read or a helper fails."""
    for where, config in _configurations(environ):
        found = _in(config, image, where)
        if found is not None:
            return found
    return Login()


def _configurations(environ: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    home = Path(environ.get("HOME") or Path.home())
    asked = [*environ.get(FILES, "").split(os.pathsep), environ.get("KSERVE_OCI_DOCKER_CONFIG", "")]
    for name in filter(None, asked):
        if not Path(name).exists():
            raise DeclarationError(f"there is no file {name}, which should hold registry logins")
        inside = sorted(Path(name).glob("*.json")) if Path(name).is_dir() else [Path(name)]
        for path in inside:
            yield str(path), _parsed(path.read_text(), str(path))
    if environ.get(CONTENT):
        yield f"the variable {CONTENT}", _parsed(environ[CONTENT], f"the variable {CONTENT}")
    usual = [
        Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        Path(environ.get("REGISTRY_AUTH_FILE") or "/nonexistent"),
        home / ".docker" / "config.json",
        Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / "containers" / "auth.json",
        home / ".config" / "containers" / "auth.json",
    ]
    for path in usual:
        try:
            text = path.read_text()
        except OSError:
            continue
        yield str(path), _parsed(text, str(path))


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DeclarationError(f"{where} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise DeclarationError(f"{where}: expected an object with 'auths'")
    # An old pull secret is the inner object alone.
    return found if {"auths", "credHelpers", "credsStore"} & set(found) else {"auths": found}


def _in(config: Mapping[str, Any], image: ImageName, where: str) -> Login | None:
    helpers = config.get("credHelpers")
    own = helpers.get(image.host) if isinstance(helpers, dict) else None
    if own:
        return _asked_of(str(own), image, where)
    auths = config.get("auths")
    for key in _matching(auths if isinstance(auths, dict) else {}, image):
        found = _entry(auths[key], f"{where}, auths.{key}")  # type: ignore[index]
        if found is not None:
            return found
    store = config.get("credsStore")
    return _asked_of(str(store), image, where) if store else None


def _matching(auths: Mapping[str, Any], image: ImageName) -> list[str]:
    """The keys for the image, the longest first: Kubernetes also knows paths and ``*``."""
    hosts = [image.host]
    if image.host == DOCKER_HUB:
        hosts += ["index.docker.io", "registry-1.docker.io"]
    found = []
    for key in auths:
        plain = key.partition("://")[2] or key
        host, _, path = plain.rstrip("/").partition("/")
        if path in ("v1", "v2"):
            path = ""
        same = any(_is_host(one, host) for one in hosts)
        if same and (not path or f"{image.repository}/".startswith(f"{path}/")):
            found.append(key)
    return sorted(found, key=lambda key: -len(key))


def _is_host(host: str, pattern: str) -> bool:
    parts, wanted = host.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _entry(entry: Any, where: str) -> Login | None:
    """None for an empty entry: Docker leaves one where a helper has the login."""
    if not isinstance(entry, dict):
        raise DeclarationError(f"{where}: expected an object with 'auth'")
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except ValueError:
            raise DeclarationError(f"{where}: 'auth' is no base64 of USER:PASSWORD") from None
        user, _, password = text.rstrip("\0").partition(":")
    refresh = str(entry.get("identitytoken") or "")
    return Login(user, password, refresh) if user or refresh else None


def _asked_of(helper: str, image: ImageName, where: str) -> Login | None:
    """What ``docker-credential-HELPER`` answers; None if it has nothing for the registry."""
    program = shutil.which(f"docker-credential-{helper}")
    if program is None:
        raise DeclarationError(
            f"{where} names the credential helper {helper!r}, and there is no program "
            f"docker-credential-{helper} here: install it, or log in without it"
        )
    server = "https://index.docker.io/v1/" if image.host == DOCKER_HUB else image.host
    try:
        done = subprocess.run(
            [program, "get"],
            input=server,
            capture_output=True,
            text=True,
            timeout=_HELPER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeclarationError(f"docker-credential-{helper} failed: {error}") from None
    if done.returncode:
        if "not found" in done.stdout + done.stderr:
            return None
        told = (done.stderr or done.stdout).strip()[-300:]
        raise DeclarationError(f"docker-credential-{helper} has no login for {server}: {told}")
    try:
        found = json.loads(done.stdout)
        user, secret = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError, TypeError):
        raise DeclarationError(f"docker-credential-{helper} did not answer with a login") from None
    return Login(refresh=secret) if user == _NAMED_BY_TOKEN else Login(user, secret)
