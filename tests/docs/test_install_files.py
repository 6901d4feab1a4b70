"""The files that install umbel into a cluster are current. ``make docs`` writes them."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from umbel.k8s.install import InstallOptions, chart, installation
from umbel.k8s.manifests import as_yaml

INSTALL = Path(__file__).parents[2] / "k8s" / "install"


def wanted() -> dict[str, str]:
    """File → text. The CRDs are a file of their own: the chart's ``crds/crds.yaml``."""
    version = importlib.metadata.version("umbel")
    files = {f"chart/{path}": text for path, text in chart(version).items()}
    return {"install.yaml": as_yaml(installation(InstallOptions(crds=False))), **files}


@pytest.mark.parametrize("name", wanted())
def test_the_committed_files_are_current(name: str) -> None:
    text = wanted()[name]
    if os.environ.get("UMBEL_WRITE_DOCS"):
        (INSTALL / name).parent.mkdir(parents=True, exist_ok=True)
        (INSTALL / name).write_text(text)
    assert (INSTALL / name).read_text() == text, "run `make docs`"
