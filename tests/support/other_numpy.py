"""An interpreter like this one, with another numpy."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


def python_with_numpy(version: str, folder: Path) -> str:
    """The interpreter of a virtual environment in ``folder`` that has this numpy, and everything
    else from this environment. Skips the test where that numpy cannot be installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = folder / "lib" / python / "site-packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    made = subprocess.run(
        [*install, "--target", str(packages), f"numpy=={version}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"numpy {version} cannot be installed: {made.stderr.strip()[-200:]}")
    ours = sysconfig.get_path("purelib")
    (packages / "rest.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return str(folder / "bin" / "python")
