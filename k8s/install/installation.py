"""Every object that installs umbel into a cluster, in the order to apply them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.k8s.crds import KINDS, ConversionWebhook, crds
from umbel.k8s.install import rights
from umbel.k8s.install.options import InstallOptions
from umbel.k8s.install.workloads import OPERATOR, WEBHOOKS, labels_of, operator, webhooks
from umbel.k8s.resources.legacy import GROUP

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def installation(options: InstallOptions) -> list[Object]:
    """Namespace, CRDs, accounts and rights, operator, webhooks."""
    found: list[Object] = [namespace(options)]
    if options.crds:
        conversion = ConversionWebhook(WEBHOOKS, options.namespace) if options.webhooks else None
        found += crds(conversion)
    found += [*_operator_rights(options), *operator(options)]
    if options.webhooks:
        found += [*_webhook_rights(options), *webhooks(options), *configurations(options)]
    return found


def namespace(options: InstallOptions) -> Object:
    """The operator's own namespace, closed for pods that may do more than it."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": options.namespace, "labels": {**labels_of("system"), **enforced}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def configurations(options: InstallOptions) -> list[Object]:
    """The two webhook configurations."""
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": sorted({one.version for one in KINDS}),
        "operations": ["CREATE", "UPDATE"],
        "resources": [one.plural for one in KINDS],
        "scope": "*",
    }
    services = {**rule, "resources": ["inferenceservices"], "apiVersions": ["v1beta1"]}
    return [
        _configuration("ValidatingWebhookConfiguration", "validate", rule, options),
        _configuration("MutatingWebhookConfiguration", "default", services, options),
    ]


def _configuration(kind: str, verb: str, rule: Object, options: InstallOptions) -> Object:
    """Where no webhook answers, objects are let in: the operator reads them with the same
    checks."""
    service = {"name": WEBHOOKS, "namespace": options.namespace, "path": f"/{verb}", "port": 443}
    webhook = {
        "name": f"{verb}.umbel.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": 10,
        **_scope(options),
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": WEBHOOKS, "labels": labels_of(WEBHOOKS)},
        "webhooks": [webhook],
    }


def _scope(options: InstallOptions) -> Object:
    if not options.watch:
        return {}
    labels = {"kubernetes.io/metadata.name": options.watch}
    return {"namespaceSelector": {"matchLabels": labels}}


def _operator_rights(options: InstallOptions) -> list[Object]:
    rules = [*rights.OPERATOR_RULES]
    if options.target == "kuberay":
        rules += rights.KUBERAY_RULES
    found = [_account(OPERATOR, options)]
    if options.watch:
        found += _role(OPERATOR, options.watch, rules, options)
        cluster: list[Object] = [*rights.CLUSTER_RULES]
    else:
        cluster = [*rules, *rights.CLUSTER_RULES, *rights.NAMESPACE_RULES]
    found += _cluster_role(OPERATOR, cluster, options)
    found += _role(f"{OPERATOR}-lease", options.namespace, rights.LEASE_RULES, options, OPERATOR)
    config = options.config_namespace or options.namespace
    return found + _role(f"{OPERATOR}-config", config, rights.CONFIG_RULES, options, OPERATOR)


def _webhook_rights(options: InstallOptions) -> list[Object]:
    return [
        _account(WEBHOOKS, options),
        *_cluster_role(WEBHOOKS, rights.webhook_rules(WEBHOOKS), options),
        *_role(WEBHOOKS, options.namespace, rights.secret_rules(WEBHOOKS), options),
    ]


def _account(name: str, options: InstallOptions) -> Object:
    metadata = {"name": name, "namespace": options.namespace, "labels": labels_of(name)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _cluster_role(name: str, rules: Sequence[Object], options: InstallOptions) -> list[Object]:
    metadata = {"name": name, "labels": labels_of(name)}
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": list(rules),
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [_subject(name, options)],
        },
    ]


def _role(
    name: str, where: str, rules: Sequence[Object], options: InstallOptions, account: str = ""
) -> list[Object]:
    metadata = {"name": name, "namespace": where, "labels": labels_of(account or name)}
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": list(rules),
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [_subject(account or name, options)],
        },
    ]


def _subject(name: str, options: InstallOptions) -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": options.namespace}
