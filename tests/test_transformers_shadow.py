"""An installed ``transformers`` (Hugging Face's) is never hidden by the folder of that name.

Ray puts the driver's working directory on every worker's ``sys.path``, in front of installed
packages. When that is the repository's root, ``import transformers`` sees the folder first; it
must pass over it, which Python does for a folder without an ``__init__.py`` only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_tree import ROOT

pytestmark = pytest.mark.ray

DRIVER = """
import json, logging, os, sys
import ray

ray.init(
    address="local",
    num_cpus=1,
    include_dashboard=False,
    object_store_memory=80_000_000,
    log_to_driver=False,
    logging_level=logging.ERROR,
    _temp_dir=sys.argv[1],
)


@ray.remote
def look():
    import transformers

    return {"file": transformers.__file__, "path": sys.path, "cwd": os.getcwd()}


print(json.dumps(ray.get(look.remote(), timeout=60)))
ray.shutdown()
"""


@pytest.fixture()
def short_folder() -> Iterator[Path]:
    """Ray's Unix sockets do not fit under pytest's ``tmp_path``."""
    folder = Path(tempfile.mkdtemp(prefix="umbel-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture()
def installed(short_folder: Path) -> Path:
    """A folder of installed packages that has a ``transformers``."""
    for packages in site.getsitepackages():
        if (Path(packages) / "transformers" / "__init__.py").exists():
            return Path(packages)
    package = short_folder / "site-packages" / "transformers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Stands for the installed one."""\n')
    return package.parent


def run_driver(installed: Path, folder: Path) -> dict[str, object]:
    """What a task sees whose driver was started in the root, as ``python -m`` and notebooks do."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all of Ray's ports on loopback
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder)],
        cwd=ROOT,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_ray_task_imports_the_installed_package(installed: Path, short_folder: Path) -> None:
    pytest.importorskip("ray")
    seen = run_driver(installed, short_folder)
    path = seen["path"]
    assert isinstance(path, list)
    assert path.index(str(ROOT)) < path.index(str(installed)), "the root must come first"
    assert Path(str(seen["file"])) == installed / "transformers" / "__init__.py"


def test_the_folder_alone_is_no_package() -> None:
    """Where nothing is installed, the folder must not pass for Hugging Face's package."""
    found = importlib.util.find_spec("transformers")
    assert (
        found is None
        or found.origin is None
        or ROOT / "transformers" not in (Path(found.origin).parents)
    )
