"""What the operator and the webhooks may do: the verbs they use, and no others."""

from __future__ import annotations

from typing import Any

from umbel.k8s.crds import KINDS
from umbel.k8s.resources.legacy import GROUP

Object = dict[str, Any]

OPERATOR_RULES: tuple[Object, ...] = (
    {
        "apiGroups": [GROUP],
        "resources": ["inferenceservices", "inferencegraphs"],
        "verbs": ["list", "watch", "patch"],
    },
    {"apiGroups": [GROUP], "resources": ["trainedmodels"], "verbs": ["list", "watch"]},
    {
        "apiGroups": [GROUP],
        "resources": [
            "inferenceservices/status",
            "inferencegraphs/status",
            "trainedmodels/status",
        ],
        "verbs": ["patch"],
    },
    {
        "apiGroups": [GROUP],
        "resources": ["inferenceservices/finalizers", "inferencegraphs/finalizers"],
        "verbs": ["update"],
    },
    {"apiGroups": [GROUP], "resources": ["servingruntimes"], "verbs": ["list", "watch"]},
    {
        "apiGroups": ["apps"],
        "resources": ["controllerrevisions"],
        "verbs": ["list", "create", "delete"],
    },
    # Only those that a resource's ServiceAccount lists are asked for, by name: no list.
    {"apiGroups": [""], "resources": ["secrets", "serviceaccounts"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    # Components that run in containers of their own.
    {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {
        "apiGroups": [""],
        "resources": ["services"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["autoscaling"],
        "resources": ["horizontalpodautoscalers"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["networking.k8s.io"],
        "resources": ["networkpolicies"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["policy"],
        "resources": ["poddisruptionbudgets"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    # Why pods do not come up: images, nodes.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
)
"""In each namespace that is looked after."""

CONFIG_RULES: tuple[Object, ...] = (
    {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["inferenceservice-config"],
        "verbs": ["get", "list", "watch"],
    },
)
"""In KServe's own namespace: its settings."""

KUBERAY_RULES: tuple[Object, ...] = (
    {
        "apiGroups": ["ray.io"],
        "resources": ["rayservices"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {
        "apiGroups": [""],
        "resources": ["serviceaccounts"],
        "verbs": ["list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["networking.k8s.io"],
        "resources": ["ingresses"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["monitoring.coreos.com"],
        "resources": ["servicemonitors"],
        "verbs": ["get", "list", "create", "patch", "delete"],
    },
)
"""The objects of the target ``kuberay``, in each namespace that is looked after."""

CLUSTER_RULES: tuple[Object, ...] = (
    {
        "apiGroups": [GROUP],
        "resources": ["clusterservingruntimes"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": ["customresourcedefinitions"],
        "verbs": ["list", "watch"],
    },
)
"""What stands in no namespace: runtimes for all, and which kinds the cluster knows."""

NAMESPACE_RULES: tuple[Object, ...] = (
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
)
"""To look after all namespaces."""

LEASE_RULES: tuple[Object, ...] = (
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["umbel-operator"],
        "verbs": ["get", "update"],
    },
    # A name cannot limit what does not exist yet.
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
)
"""In the operator's own namespace."""


def webhook_rules(name: str) -> tuple[Object, ...]:
    """Of the webhooks, in the whole cluster: to read what resources refer to, and to tell the
    API server which certificate to trust."""
    return (
        {
            "apiGroups": [GROUP],
            "resources": [
                "inferenceservices",
                "inferencegraphs",
                "servingruntimes",
                "clusterservingruntimes",
            ],
            "verbs": ["list"],
        },
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
            "resourceNames": [name],
            "verbs": ["get", "patch"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [f"{one.plural}.{GROUP}" for one in KINDS if one.old],
            "verbs": ["get", "patch"],
        },
    )


def secret_rules(name: str) -> tuple[Object, ...]:
    """Of the webhooks, in the operator's namespace: the Secret with their certificate."""
    return (
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [name],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    )


def allows(rules: tuple[Object, ...], verb: str, group: str, resource: str) -> bool:
    """True where the rules grant it, for at least one name."""
    return any(
        verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"]
        for rule in rules
    )
