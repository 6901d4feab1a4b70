"""Azure's blob storage on loopback: Azurite, Microsoft's emulator, out of npm."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, which its manual prints."""

INSTALLED = Path(__file__).parents[2] / ".azurite" / "node_modules" / ".bin" / "azurite-blob"


@dataclass
class AzureServer:
    """``url`` is the account's endpoint."""

    url: str
    client: BlobServiceClient

    def put(self, container: str, *, public: bool = False, **files: bytes) -> None:
        """Files by name into a container, which is made if it is not there."""
        place = self.client.get_container_client(container)
        if not place.exists():
            place.create_container(public_access="container" if public else None)
        for name, content in files.items():
            place.upload_blob(name, content, overwrite=True)

    def signature(self, container: str, blob: str = "") -> str:
        """To read and list the container, or to read the one blob, for an hour."""
        about: dict[str, Any] = {
            "account_key": KEY,
            "expiry": dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1),
        }
        if blob:
            allowed = BlobSasPermissions(read=True)
            return generate_blob_sas(ACCOUNT, container, blob, permission=allowed, **about)
        listed = ContainerSasPermissions(read=True, list=True)
        return generate_container_sas(ACCOUNT, container, permission=listed, **about)


@contextlib.contextmanager
def serving() -> Iterator[AzureServer]:
    """An account until the block ends. Skips where the emulator is missing."""
    program = str(INSTALLED) if INSTALLED.exists() else shutil.which("azurite-blob")
    if program is None:
        pytest.skip("Azurite is not installed: npm install --prefix .azurite azurite@3.35.0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence",
         "--disableTelemetry", "--skipApiVersionCheck", "--silent"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        _wait(port, process)
        with BlobServiceClient(url, credential=KEY) as client:
            yield AzureServer(url, client)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("Azurite does not answer")
