"""The Helm chart, written from the same objects as the plain manifests.

The objects are made once with marks where a value belongs, and the marks become Helm's
expressions: so nothing can stand in one form of the installation and not in the other.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from umbel.k8s.crds import crds
from umbel.k8s.install.installation import installation
from umbel.k8s.install.options import InstallOptions
from umbel.k8s.install.workloads import WEBHOOKS
from umbel.k8s.manifests.documents import as_yaml
from umbel.k8s.manifests.options import IMAGE

Object = dict[str, Any]

_MARKS = {
    "umbel-mark-namespace": "{{ .Release.Namespace }}",
    "umbel-mark-image": "{{ .Values.image }}",
    "umbel-mark-config": "{{ .Values.configNamespace | default .Release.Namespace }}",
    "replicas: 7919": "replicas: {{ .Values.replicas }}",
}

_MARKED = InstallOptions(
    namespace="umbel-mark-namespace",
    image="umbel-mark-image",
    config_namespace="umbel-mark-config",
    replicas=7919,
    crds=False,
)

_VALUES = f"""\
# Image of the operator and its webhooks; Ray's pods take theirs from the resources.
image: {IMAGE}
# Of the operator: one works, the others wait. Of the webhooks: all work.
replicas: 2
# Where KServe's ConfigMap inferenceservice-config lies (kserve, where KServe is installed);
# empty for the release's own namespace.
configNamespace: ""
# Validation, defaults, and conversion of old versions.
webhooks: true
"""


def chart(version: str) -> dict[str, str]:
    """The chart's files by their path in it. ``crds/`` are Helm's: installed once, never
    upgraded; ``umbel k8s crds | kubectl apply --server-side -f -`` does that."""
    everything = [one for one in installation(_MARKED) if one["kind"] != "Namespace"]
    without = {_key(one) for one in installation(dataclasses.replace(_MARKED, webhooks=False))}
    operator = [one for one in everything if _key(one) in without]
    webhooks = [one for one in everything if _key(one) not in without]
    condition = "{{- if .Values.webhooks }}\n"
    return {
        "Chart.yaml": _chart(version),
        "values.yaml": _VALUES,
        "crds/crds.yaml": _compact(crds()),
        "templates/operator.yaml": _expressed(operator),
        "templates/webhooks.yaml": condition + _expressed(webhooks) + "{{- end }}\n",
    }


def _compact(objects: Iterable[Object]) -> str:
    """JSON, which is YAML too: a quarter of the size."""
    return "".join(f"---\n{json.dumps(one, separators=(',', ':'))}\n" for one in objects)


def _chart(version: str) -> str:
    return as_yaml(
        [
            {
                "apiVersion": "v2",
                "name": "umbel",
                "description": "KServe's resources served on Ray: operator, webhooks and CRDs",
                "type": "application",
                "version": version,
                "appVersion": version,
                "kubeVersion": ">=1.27.0-0",
            }
        ]
    ).removeprefix("---\n")


def _expressed(objects: Iterable[Object]) -> str:
    text = as_yaml(objects)
    if "{{" in text:
        raise AssertionError(f"{WEBHOOKS}: an object holds what Helm would take for its own")
    for mark, expression in _MARKS.items():
        text = text.replace(mark, expression)
    return text


def _key(one: Object) -> tuple[str, str]:
    return str(one["kind"]), str(one["metadata"]["name"])
