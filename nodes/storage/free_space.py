"""A disk too small for a model is found out before the download, where the size is known."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.progress import mebibytes


class DiskFull(DeclarationError):
    """There is no room. Not worth another attempt."""


def require(size: int, folder: Path, shown: str) -> None:
    """Raise DiskFull if ``folder``'s disk has less than ``size`` bytes left."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DiskFull(
            f"{shown} needs {mebibytes(size)}, and {folder} has {mebibytes(free)} left: make "
            "room, or set UMBEL_CACHE to a folder on a larger disk"
        )


def is_full(error: OSError) -> bool:
    """Whether writing failed for want of room, on the disk or within the process's limits."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full(folder: Path, shown: str) -> DiskFull:
    """The error for a disk that filled up on the way."""
    return DiskFull(
        f"the disk of {folder} is full, {shown} was not kept: make room, or set UMBEL_CACHE to "
        "a folder on a larger disk"
    )
