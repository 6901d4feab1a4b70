"""One API server, asked with kubectl or with a request."""

from __future__ import annotations

import abc
import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import yaml

ADMIN_TOKEN = "a-token-of-the-tests-administrator"
USER_TOKEN = "a-token-of-somebody-without-rights"


class KubectlFailed(AssertionError):
    """kubectl ended with an error; the message is what it said."""


class KubeAccess(abc.ABC):
    """What every server can be asked. ``folder`` is for files of the test."""

    folder: Path

    @property
    @abc.abstractmethod
    def url(self) -> str: ...

    @property
    @abc.abstractmethod
    def authority(self) -> Path:
        """PEM that signed the server's certificate."""

    @property
    @abc.abstractmethod
    def program(self) -> Path:
        """kubectl."""

    def kubectl(
        self, *words: str, stdin: object = None, token: str = ADMIN_TOKEN, timeout: float = 60
    ) -> str:
        """What kubectl prints, its warnings included. ``stdin``: text, or objects as YAML.
        Raises ``KubectlFailed``."""
        text = stdin if isinstance(stdin, str) else as_yaml(stdin) if stdin is not None else None
        done = subprocess.run(
            [str(self.program), f"--kubeconfig={self.kubeconfig(token)}", *words],
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env={**os.environ, "KUBECACHEDIR": str(self.folder / "cache")},
            check=False,
        )
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(words)}: {done.stdout}")
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        text = self.kubectl("get", *words, "-o", "json")
        found: dict[str, Any] = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]
        return found

    def version(self) -> tuple[int, int]:
        """Of the server: major and minor."""
        found = self.ask("GET", "/version")
        return int(found["major"]), int(found["minor"].rstrip("+"))

    def crd_version(self) -> tuple[int, int]:
        """Of the server that keeps CRDs and custom resources."""
        return self.version()

    def token(self, account: str, namespace: str) -> str:
        """A token of a ServiceAccount, signed by the API server as kubelets get them."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        body = {**asked, "spec": {"expirationSeconds": 7200}}
        return str(self.ask("POST", path, body)["status"]["token"])

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One request as the administrator. Raises ``OSError``."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {ADMIN_TOKEN}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, context=self.context(), timeout=20) as reply:
            answer: dict[str, Any] = json.load(reply)
        return answer

    def kubeconfig(self, token: str, namespace: str = "default") -> Path:
        """A file for KUBECONFIG."""
        file = self.folder / f"kubeconfig-{abs(hash((self.url, token, namespace)))}"
        if not file.exists():
            cluster = {"server": self.url, "certificate-authority": str(self.authority)}
            context = {"cluster": "it", "user": "me", "namespace": namespace}
            content = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "it", "cluster": cluster}],
                "users": [{"name": "me", "user": {"token": token}}],
                "contexts": [{"name": "it", "context": context}],
                "current-context": "it",
            }
            file.write_text(yaml.safe_dump(content))
        return file

    def context(self) -> ssl.SSLContext:
        """That trusts the server."""
        return ssl.create_default_context(cafile=str(self.authority))


def as_yaml(objects: object) -> str:
    """One document, or several."""
    documents = objects if isinstance(objects, list) else [objects]
    return yaml.dump_all(documents, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
