"""The pod of a component that is a container of the user's own, as KServe completes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.k8s.manifests.containers.runtime_pods import MAIN
from umbel.k8s.manifests.workloads import Object
from umbel.k8s.resources.field_types import fields_of

HTTP_PORT = "8080"


def own_pod(name: str, component: Mapping[str, Any]) -> Object:
    """The pod as the resource has it. The container that serves is called kserve-container."""
    fields = fields_of("PodSpec")
    pod = {key: value for key, value in component.items() if key in fields}
    containers = [dict(one) for one in component.get("containers") or ()]
    alone = name != "predictor" or len(containers) == 1
    if containers and (alone or not containers[0].get("name")):
        containers[0]["name"] = MAIN
    return {**pod, "containers": containers}


def with_arguments(
    pod: Mapping[str, Any], service: str, predictor_host: str, concurrency: object
) -> Object:
    """A transformer's or explainer's pod with the arguments that KServe's servers expect: the
    model's name, where the predictor is, and which port to listen on."""
    first, *others = pod["containers"]
    args = list(first.get("args") or ())
    wanted = {
        "--model_name": service,
        "--predictor_host": predictor_host,
        "--http_port": HTTP_PORT,
        **({"--workers": str(concurrency)} if concurrency is not None else {}),
    }
    for flag, value in wanted.items():
        if not any(str(word).startswith(flag) for word in args):
            args += [flag, value]
    return {**pod, "containers": [{**first, "args": args}, *others]}


def with_host(pod: Mapping[str, Any], written: Sequence[str], host: str) -> Object:
    """The pod with ``host`` where its words name the predictor by one of the hosts ``written``."""

    def word(text: Any) -> Any:
        flag, equals, value = str(text).rpartition("=")
        return f"{flag}{equals}{host}" if value in written else text

    containers = [
        {
            **one,
            **{key: [word(text) for text in one[key]] for key in ("command", "args") if key in one},
        }
        for one in pod["containers"]
    ]
    return {**pod, "containers": containers}


def hosts_of(service: str, namespace: str) -> tuple[str, ...]:
    """How a file can write the predictor's host: KServe's Services, all their names in DNS."""
    names = [f"{service}-predictor", f"{service}-predictor-default"]
    ends = ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    return tuple(f"{name}{end}{port}" for name in names for end in ends for port in ("", ":80"))
