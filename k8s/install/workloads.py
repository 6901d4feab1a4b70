"""The pods of an installation: the operator, and the webhooks beside it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from umbel.k8s.install.operator_flags import operator_flags
from umbel.k8s.install.options import InstallOptions
from umbel.k8s.manifests.pods import CONTAINER_SECURITY, POD_SECURITY

Object = dict[str, Any]

OPERATOR, WEBHOOKS = "umbel-operator", "umbel-webhooks"
WEBHOOK_PORT = 9443
HEALTH_PORT = 8081
STARTING = {"periodSeconds": 2, "failureThreshold": 150}
"""Five minutes: on a busy node it takes one to load everything."""

TOKEN_FOLDER, TOKEN_KEY = "/var/run/secrets/ray", "auth_token"
"""The key is KubeRay's."""

SEAL_FOLDER, SEAL_KEY = "/var/run/secrets/umbel-seal", "keys"
"""As ``umbel k8s seal-key`` writes the Secret."""


def labels_of(component: str) -> dict[str, str]:
    """What all objects of a component carry; KServe's NetworkPolicies know umbel by the first."""
    return {"app.kubernetes.io/name": "umbel", "app.kubernetes.io/component": component}


def operator(options: InstallOptions) -> list[Object]:
    """The operator. Two replicas: one works, the other waits for its Lease."""
    words = [
        "umbel", "k8s", "operator", f"--target={options.target}", "--leader-elect",
        f"--lease-namespace={options.namespace}",
        f"--config-namespace={options.config_namespace or options.namespace}",
        f"--liveness=http://0.0.0.0:{HEALTH_PORT}/healthz",
        *_target_words(options),
    ]  # fmt: skip
    if options.watch:
        words.append(f"--namespace={options.watch}")
    words += options.arguments
    health = {"httpGet": {"path": "/healthz", "port": HEALTH_PORT}, "periodSeconds": 10}
    container = {
        "ports": [{"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"}],
        "startupProbe": {**health, **STARTING},
        "livenessProbe": {**health, "failureThreshold": 6},
    }
    mounted = {"ray-token": (TOKEN_FOLDER, options.token_secret)}
    mounted["seal-keys"] = (SEAL_FOLDER, options.seal_secret)
    secrets = mounted if options.target == "ray" else {}
    return [_deployment(OPERATOR, options, words, container, secrets)]


def _target_words(options: InstallOptions) -> list[str]:
    """Serve listens for the whole cluster: on loopback it would answer its own pod only."""
    if options.target != "ray":
        return operator_flags(options.render)
    words = [f"--dashboard-url={options.dashboard}", "--serve-host=0.0.0.0"]
    if options.serve_url:
        words.append(f"--serve-url={options.serve_url}")
    if options.token_secret:
        words.append(f"--ray-token-file={TOKEN_FOLDER}/{TOKEN_KEY}")
    if options.seal_secret:
        words.append(f"--seal-key-file={SEAL_FOLDER}/{SEAL_KEY}")
    return words


def webhooks(options: InstallOptions) -> list[Object]:
    """The webhooks, which serve on every replica, and their Service."""
    words = [
        "umbel", "k8s", "webhooks", f"--namespace={options.namespace}",
        f"--service={WEBHOOKS}", f"--port={WEBHOOK_PORT}",
    ]  # fmt: skip
    if options.watch:
        words.append(f"--watch={options.watch}")
    health = {
        "httpGet": {"path": "/healthz", "port": WEBHOOK_PORT, "scheme": "HTTPS"},
        "periodSeconds": 10,
    }
    container = {
        "ports": [{"name": "webhooks", "containerPort": WEBHOOK_PORT, "protocol": "TCP"}],
        "startupProbe": {**health, **STARTING},
        "livenessProbe": {**health, "failureThreshold": 6},
        "readinessProbe": {**health, "failureThreshold": 2},
    }
    port = {"name": "https", "port": 443, "targetPort": WEBHOOK_PORT, "protocol": "TCP"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(WEBHOOKS, options),
        "spec": {"selector": labels_of(WEBHOOKS), "ports": [port]},
    }
    return [_deployment(WEBHOOKS, options, words, container), service]


def _metadata(name: str, options: InstallOptions) -> Object:
    return {"name": name, "namespace": options.namespace, "labels": labels_of(name)}


def _volumes(secrets: Mapping[str, tuple[str, str]]) -> tuple[list[Object], list[Object]]:
    """Mounts and volumes: a folder of the pod's own, and the Secrets that there are."""
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - its own
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    for volume, (folder, secret) in secrets.items():
        if secret:
            mounts.append({"name": volume, "mountPath": folder, "readOnly": True})
            volumes.append({"name": volume, "secret": {"secretName": secret}})
    return mounts, volumes


def _deployment(
    name: str,
    options: InstallOptions,
    command: list[str],
    container: Object,
    secrets: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> Object:
    """``secrets``: volume → folder and Secret; none is mounted where the Secret is empty."""
    mounts, volumes = _volumes(secrets)
    pod: Object = {
        "serviceAccountName": name,
        "securityContext": POD_SECURITY,
        "containers": [
            {
                "name": name,
                "image": options.image,
                "command": command,
                **container,
                "resources": {
                    "requests": {"cpu": "100m", "memory": "256Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": CONTAINER_SECURITY,
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    if options.pull_secret:
        pod["imagePullSecrets"] = [{"name": options.pull_secret}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name, options),
        "spec": {
            "replicas": options.replicas,
            "selector": {"matchLabels": labels_of(name)},
            "template": {"metadata": {"labels": labels_of(name)}, "spec": pod},
        },
    }
