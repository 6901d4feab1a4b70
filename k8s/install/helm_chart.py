"""The Helm chart, written from the same objects as the plain manifests.

The objects are made once with marks where a value belongs, and the marks become Helm's
expressions: so nothing can stand in one form of the installation and not in the other.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from umbel.k8s.crds import crds
from umbel.k8s.install.installation import installation
from umbel.k8s.install.options import InstallOptions
from umbel.k8s.install.template_merge import Choice, merged
from umbel.k8s.manifests.documents import as_yaml
from umbel.k8s.manifests.options import IMAGE, ClusterOptions, RenderOptions

Object = dict[str, Any]

_VALUES_OF = {
    "namespace": ".Release.Namespace",
    "image": ".Values.image",
    "config_namespace": ".Values.configNamespace | default .Release.Namespace",
    "watch": ".Values.watch",
    "dashboard": ".Values.dashboardUrl",
    "serve_url": ".Values.serveUrl",
    "token_secret": ".Values.rayTokenSecret",
    "seal_secret": ".Values.sealSecret",
    "pull_secret": ".Values.pullSecret",
}
"""An option → the expression that stands where its value would."""

_CONDITIONS = {
    "ray": '(eq .Values.target "ray")',
    "watch": ".Values.watch",
    "serve_url": ".Values.serveUrl",
    "token_secret": ".Values.rayTokenSecret",
    "seal_secret": ".Values.sealSecret",
    "pull_secret": ".Values.pullSecret",
}
"""What objects or lines depend on."""

_REPLICAS = 7919

_VALUES = f"""\
# Image of the operator and its webhooks, and of Ray's pods where a resource names no other.
image: {IMAGE}
# A Secret of this namespace that opens the image's registry.
pullSecret: ""
# Of the operator: one works, the others wait. Of the webhooks: all work.
replicas: 2
# The one namespace to look after, with Roles in place of most cluster-wide rights; empty for all.
watch: ""
# Where KServe's ConfigMap inferenceservice-config lies (kserve, where KServe is installed);
# empty for the release's own namespace.
configNamespace: ""
# Validation, defaults, and conversion of old versions.
webhooks: true

# kuberay: a RayService for each resource. ray: a Ray cluster that runs already.
target: kuberay
# Target ray: the dashboard of the cluster, as http://ray-head.ray:8265.
dashboardUrl: ""
# Target ray: where clients reach its Serve, as http://ray-serve.ray:8000.
serveUrl: ""
# Target ray: a Secret of this namespace whose key auth_token has the cluster's token.
rayTokenSecret: ""
# Target ray: a Secret of this namespace that seals credentials: umbel k8s seal-key --secret NAME.
sealSecret: ""
# More options of `umbel k8s operator`, as [--domain=models.example.com, --route=ingress].
arguments: []
"""

_NOTES = """\
umbel {{ .Chart.AppVersion }} looks after \
{{ if .Values.watch }}namespace {{ .Values.watch }}{{ else }}all namespaces{{ end }}.

  kubectl wait -n {{ .Release.Namespace }} --for=condition=Available deploy \
-l app.kubernetes.io/name=umbel
  kubectl get isvc,ig -A

Helm installs the CRDs once and never changes them. After an upgrade, with this umbel:

  umbel k8s crds | kubectl apply --server-side --force-conflicts -f -
"""


def chart(version: str) -> dict[str, str]:
    """The chart's files by their path in it. ``crds/`` are Helm's: installed once, never
    upgraded; ``umbel k8s crds | kubectl apply --server-side -f -`` does that."""
    condition = "{{- if .Values.webhooks }}\n"
    return {
        "Chart.yaml": _chart(version),
        "values.yaml": _VALUES,
        "values.schema.json": json.dumps(_values_schema(), indent=2) + "\n",
        "crds/crds.yaml": _compact(crds()),
        "templates/NOTES.txt": _NOTES,
        "templates/operator.yaml": merged(_operator, _CONDITIONS),
        "templates/webhooks.yaml": condition + merged(_webhooks, _CONDITIONS) + "{{- end }}\n",
    }


def _operator(choice: Choice) -> dict[str, str]:
    """A form's objects that it has without webhooks, too."""
    own = {_key(one) for one in installation(_marked(choice, webhooks=False))}
    return {key: text for key, text in _form(choice).items() if key in own}


def _webhooks(choice: Choice) -> dict[str, str]:
    own = _operator(choice)
    return {key: text for key, text in _form(choice).items() if key not in own}


@functools.cache
def _form(choice: Choice) -> dict[str, str]:
    """An object's key → its text. The release's namespace is Helm's to make."""
    objects = installation(_marked(choice, webhooks=True))
    return {_key(one): _expressed(as_yaml([one])) for one in objects if one["kind"] != "Namespace"}


def _key(one: Object) -> str:
    metadata = one["metadata"]
    return f"{one['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def _marked(choice: Choice, *, webhooks: bool) -> InstallOptions:
    """With a mark for each value; an option that a condition asks for is empty without it."""
    marks = {name: _mark(name) for name in _VALUES_OF if name not in _CONDITIONS or name in choice}
    image = ClusterOptions(image=marks.pop("image"))
    return InstallOptions(
        **marks,
        render=RenderOptions(cluster=image),
        target="ray" if "ray" in choice else "kuberay",
        arguments=(_mark("arguments"),),
        replicas=_REPLICAS,
        crds=False,
        webhooks=webhooks,
    )


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


def _expressed(text: str) -> str:
    if "{{" in text:
        raise AssertionError(f"an object holds what Helm would take for its own: {text}")
    for name, expression in _VALUES_OF.items():
        mark = re.escape(_mark(name))
        # In quotes: the name of a namespace may be a number.
        text = re.sub(rf"^( *(?:- )?(?:[\w./-]+: )?)(.*{mark}.*)$", r'\1"\2"', text, flags=re.M)
        text = re.sub(mark, f"{{{{ {expression} }}}}", text)
    more = re.compile(rf"^( *)- {_mark('arguments')}\n", re.M)
    text = more.sub(r"\1{{- range .Values.arguments }}\n\1- {{ . | quote }}\n\1{{- end }}\n", text)
    return text.replace(f"replicas: {_REPLICAS}", "replicas: {{ .Values.replicas }}")


def _mark(option: str) -> str:
    return f"umbel-mark-of-{option}-"


def _values_schema() -> Object:
    """Of ``values.yaml``: a misspelt value is refused, not left out in silence."""
    words = {"type": "string"}
    fields: Object = {name: words for name, value in _defaults().items() if isinstance(value, str)}
    fields["image"] = {"type": "string", "minLength": 1}
    fields["target"] = {"enum": ["kuberay", "ray"]}
    fields["arguments"] = {"type": "array", "items": {"type": "string"}}
    fields["replicas"] = {"type": "integer", "minimum": 0}
    fields["webhooks"] = {"type": "boolean"}
    fields["global"] = {"type": "object"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        "if": {"properties": {"target": {"const": "ray"}}},
        "then": {"properties": {"dashboardUrl": {"minLength": 1}}},
    }


def _defaults() -> Object:
    found: Object = yaml.safe_load(_VALUES)
    return found
