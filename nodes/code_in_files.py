"""May a file be loaded that can run its author's code, as a pickle can?

Only if someone said so: the graph's author with ``settings={"sha256": …}`` (these very bytes)
or ``settings={"allow_pickle": True}`` (whatever lies there), or who runs the server with
``UMBEL_ALLOW_PICKLE=1``. A digest that is given is compared for every file, code or not.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from umbel.graph.errors import DeclarationError
from umbel.nodes.model_settings import ModelSettings

ENVIRONMENT_FLAG = "UMBEL_ALLOW_PICKLE"


@dataclass(frozen=True)
class Permission:
    """What the settings and the environment allow for one file."""

    sha256: str = ""
    allow_pickle: bool = False

    def vouched(self, path: Path) -> bool:
        """True if the author named this file's digest. Raises where another one is there."""
        if not self.sha256:
            return False
        with path.open("rb") as file:
            self._compare(path, digest(file))
        return True

    def open(self, path: Path, kind: str) -> BinaryIO:
        """The file, opened for reading what may run code. Raises unless that is allowed.

        The digest is taken of the open file, so that a file swapped in between is not read.
        ``kind`` names the danger in the error: ``a joblib file (a pickle)``.
        """
        file = path.open("rb")
        try:
            if self.sha256:
                self._compare(path, digest(file))
            elif not self.allow_pickle and os.environ.get(ENVIRONMENT_FLAG) != "1":
                raise self.refusal(path, kind, digest(file))
            file.seek(0)
            return file
        except BaseException:
            file.close()
            raise

    def require_folder(self, folder: Path, kind: str) -> None:
        """Raise unless a folder with code in it is allowed. Its digest is taken over the names
        and contents of its files."""
        if self.sha256:
            self._compare(folder, folder_digest(folder))
        elif not self.allow_pickle and os.environ.get(ENVIRONMENT_FLAG) != "1":
            raise self.refusal(folder, kind, folder_digest(folder))

    def refusal(self, path: Path, kind: str, found: str) -> DeclarationError:
        """The error that says what to type to allow the file."""
        return DeclarationError(
            f"{path} is {kind}: it can run any code while it is loaded. If you trust this "
            f'file, write settings={{"sha256": "{found}"}}; if you trust all that is ever '
            f'written there, settings={{"allow_pickle": True}}, or start the server with '
            f"--allow-pickle ({ENVIRONMENT_FLAG}=1). In KServe YAML these are the annotations "
            f"umbel.dev/model-sha256 and umbel.dev/allow-pickle"
        )

    def _compare(self, path: Path, found: str) -> None:
        if found != self.sha256:
            raise DeclarationError(
                f"{path} is not the file that was allowed: expected sha256 {self.sha256}, "
                f'found {found}; if the new file is meant, write settings={{"sha256": "{found}"}}'
            )


def permission(settings: ModelSettings) -> Permission:
    """What ``sha256`` and ``allow_pickle`` of a model's settings say."""
    sha256 = settings.text("sha256").lower().removeprefix("sha256:")
    if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise DeclarationError(
            f"setting 'sha256' is 64 hexadecimal digits, not {sha256!r}; sha256sum FILE prints it"
        )
    return Permission(sha256, settings.flag("allow_pickle"))


def digest(file: BinaryIO) -> str:
    """The SHA-256 of what is left to read, in hex."""
    return (
        hashlib.file_digest(file, "sha256").hexdigest()
        if hasattr(hashlib, "file_digest")
        else _digest(file)
    )


def _digest(file: BinaryIO) -> str:
    """``hashlib.file_digest`` for Python 3.10."""
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


def folder_digest(folder: Path) -> str:
    """The SHA-256 over the names and contents of all files under ``folder``, in hex."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            whole.update(f"{path.relative_to(folder).as_posix()}\0{digest(file)}\n".encode())
    return whole.hexdigest()
