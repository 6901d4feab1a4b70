"""How a container gets its model: downloaded by umbel before it starts, or mounted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umbel.k8s.manifests.containers.runtime_pods import MAIN, TRANSFORMER
from umbel.k8s.manifests.pods import CONTAINER_SECURITY, USER
from umbel.k8s.manifests.workloads import Object

INITIALIZER = "storage-initializer"
MODELS = "/mnt/models"
READ_ONLY = "storage.kserve.io/readonly"
URI_VARIABLE = "STORAGE_URI"

_CLAIM = re.compile(r"pvc://(?P<claim>[^/\s]+)/?(?P<path>.*)")
_VOLUME = "kserve-provision-location"
_TMP = "umbel-tmp"

_SIZE: Mapping[str, Mapping[str, str]] = {
    "requests": {"cpu": "100m", "memory": "100Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
"""KServe's own for its initializer."""


@dataclass(frozen=True)
class Access:
    """What the download signs in with: see `storage_access`."""

    image: str
    pull_policy: str
    env: tuple[Object, ...] = ()
    volumes: tuple[Object, ...] = ()
    mounts: tuple[Object, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """One thing to have: ``uri`` at ``path``."""

    uri: str
    path: str = MODELS


def with_models(
    pod: Mapping[str, Any], wanted: Sequence[Wanted], access: Access, *, read_only: bool = True
) -> Object:
    """The pod with its models. Claims are mounted; the rest is downloaded to a volume that the
    serving containers read."""
    claims = [one for one in wanted if one.uri.startswith("pvc://")]
    fetched = [one for one in wanted if one not in claims]
    volumes, mounts = list(pod.get("volumes") or ()), list[Object]()
    for number, one in enumerate(claims):
        volume, mount = _claim(one, number, read_only=read_only)
        volumes, mounts = [*volumes, volume], [*mounts, mount]
    found: Object = {**pod}
    if fetched:
        root = MODELS if len(fetched) == 1 and fetched[0].path == MODELS else _common(fetched)
        mounts.append({"name": _VOLUME, "mountPath": root, "readOnly": read_only})
        volumes += [{"name": _VOLUME, "emptyDir": {}}, {"name": _TMP, "emptyDir": {}}]
        volumes += [one for one in access.volumes if not _is_claim(one)]
        first = [_initializer(fetched, root, access)]
        found["initContainers"] = [*(pod.get("initContainers") or ()), *first]
    if volumes:
        found["volumes"] = volumes
    found["containers"] = [_mounting(one, mounts) for one in pod["containers"]]
    return found


def _initializer(fetched: Sequence[Wanted], root: str, access: Access) -> Object:
    cache = os.path.join(root, ".umbel")  # on the volume, so that a model is moved, not copied
    own = {"HOME": f"/{_TMP}", "TMPDIR": f"/{_TMP}", "UMBEL_CACHE": cache}
    env = [*access.env, *({"name": name, "value": value} for name, value in own.items())]
    names = [one["name"] for one in access.volumes if _is_claim(one)]
    return {
        "name": INITIALIZER,
        "image": access.image,
        "imagePullPolicy": access.pull_policy,
        "command": ["umbel", "k8s", "fetch"],
        "args": [word for one in fetched for word in (one.uri, one.path)],
        "env": env,
        "resources": {key: dict(value) for key, value in _SIZE.items()},
        "securityContext": {**CONTAINER_SECURITY, "runAsNonRoot": True, "runAsUser": USER},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _VOLUME, "mountPath": root},
            {"name": _TMP, "mountPath": f"/{_TMP}"},
            *(one for one in access.mounts if one["name"] not in names),
        ],
    }


def _claim(one: Wanted, number: int, *, read_only: bool) -> tuple[Object, Object]:
    found = _CLAIM.fullmatch(one.uri)
    claim, path = (found["claim"], found["path"].strip("/")) if found else (one.uri[6:], "")
    name = f"kserve-pvc-source{f'-{number}' if number else ''}"
    source: Object = {"claimName": claim, **({"readOnly": True} if read_only else {})}
    mount: Object = {"name": name, "mountPath": one.path, "readOnly": read_only}
    return (
        {"name": name, "persistentVolumeClaim": source},
        {**mount, **({"subPath": path} if path else {})},
    )


def _is_claim(volume: Mapping[str, Any]) -> bool:
    return "persistentVolumeClaim" in volume


def _common(fetched: Sequence[Wanted]) -> str:
    found = os.path.commonpath([one.path for one in fetched])
    return found if found != "/" else MODELS


def _mounting(container: Mapping[str, Any], mounts: Sequence[Object]) -> Object:
    if container.get("name") not in (MAIN, TRANSFORMER):
        return dict(container)
    there = list(container.get("volumeMounts") or ())
    taken = {one.get("mountPath") for one in there}
    more = [one for one in mounts if one["mountPath"] not in taken]
    found: Object = {**container}
    if there or more:
        found["volumeMounts"] = [*there, *more]
    if "env" in container:  # KServe's servers look there
        found["env"] = [
            {**one, "value": MODELS} if one.get("name") == URI_VARIABLE and mounts else one
            for one in container["env"]
        ]
    return found
