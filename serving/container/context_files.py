"""The texts of a build context."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

PORT = 8000
_SYSTEM_LIBRARIES = {"lightgbm": "libgomp1"}
"""Distribution → Debian package that its wheel does not bring along."""

IGNORED = "**/__pycache__\n**/*.pyc\nREADME.md\nDockerfile\n.dockerignore\n"


@dataclass(frozen=True)
class Image:
    """What the Dockerfile says. ``own``: umbel's wheel under ``wheels/``, or a requirement."""

    base: str
    own: str
    files: Sequence[str]
    graphs: Sequence[str]
    libraries: frozenset[str]
    local: bool = False
    allow_pickle: bool = False

    def command(self) -> list[str]:
        """What the container runs, in the folder ``app``."""
        words = ["umbel", "run", *self.files, "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104
        words += ["--local"] if self.local else []
        return words + (["--allow-pickle"] if self.allow_pickle else [])

    def dockerfile(self) -> str:
        """The whole file: root only installs, and what runs needs /tmp alone to be writable."""
        system = sorted({_SYSTEM_LIBRARIES[n] for n in self.libraries & _SYSTEM_LIBRARIES.keys()})
        lines = [f"FROM {self.base}"]
        if system:
            lines.append(
                "RUN apt-get update && apt-get install -y --no-install-recommends "
                f"{' '.join(system)} && rm -rf /var/lib/apt/lists/*"
            )
        lines.append("COPY requirements.txt /build/")
        lines.append("RUN pip install --no-cache-dir --no-deps -r /build/requirements.txt")
        if self.own.endswith(".whl"):
            lines.append(f"COPY wheels/{self.own} /build/")
            lines.append(f"RUN pip install --no-cache-dir --no-deps /build/{self.own}")
        else:
            lines.append(f"RUN pip install --no-cache-dir --no-deps {self.own}")
        lines += [
            "COPY app /app",
            "WORKDIR /app",
            "ENV HOME=/tmp/home UMBEL_CACHE=/tmp/models PYTHONDONTWRITEBYTECODE=1 "
            "PYTHONUNBUFFERED=1",
            "USER 10001:10001",
            f"EXPOSE {PORT} {PORT + 1}",
            "HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD "
            + json.dumps(self.health()),
            "STOPSIGNAL SIGTERM",
            "CMD " + json.dumps(self.command()),
        ]
        return "\n".join(lines) + "\n"

    def health(self) -> list[str]:
        """A command that fails unless every graph answers that it is ready."""
        urls = [f"http://127.0.0.1:{PORT}/{name}/v2/health/ready" for name in self.graphs]
        code = f"import urllib.request as u; [u.urlopen(x, timeout=4) for x in {urls!r}]"
        return ["python", "-c", code]

    def readme(self, addresses: Sequence[str]) -> str:
        """What it serves, and the two lines to type."""
        names = ", ".join(self.graphs)
        lines = [
            f"Serves {names}.",
            "",
            "```sh",
            "docker build -t graphs .",
            f"docker run --read-only --tmpfs /tmp --shm-size 1g -p {PORT}:{PORT} graphs",
            "```",
        ]
        if addresses:
            lines += ["", "Loaded when it starts:", "", *[f"- {address}" for address in addresses]]
        return "\n".join(lines) + "\n"
