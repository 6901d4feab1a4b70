"""The installation grants what the code uses and no more, and both of its forms are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from umbel.k8s.admission.hosting import HostingOptions, with_bundle
from umbel.k8s.crds import ConversionWebhook, crds
from umbel.k8s.install import InstallOptions, installation, rights
from umbel.k8s.manifests import ClusterOptions, RenderOptions, RouteOptions
from umbel.k8s.operator import kinds

ROOT = Path(__file__).parents[3]
INSTALL = ROOT / "k8s" / "install"
OPERATOR = ROOT / "k8s" / "operator"

PLAIN = InstallOptions()
ALL = [
    PLAIN,
    InstallOptions(watch="team"),
    InstallOptions(target="ray", dashboard="http://ray:8265", token_secret="ray-token"),
]
ALL_RULES = (
    *rights.OPERATOR_RULES,
    *rights.KUBERAY_RULES,
    *rights.CLUSTER_RULES,
    *rights.NAMESPACE_RULES,
    *rights.CONFIG_RULES,
    *rights.LEASE_RULES,
)

VERBS = {
    "create": ("create",),
    "patch": ("patch",),
    "replace": ("update",),
    "delete": ("delete",),
    "apply": ("create", "patch"),
    "listing": ("list",),
    "list_": ("list",),
    "get": ("get",),
}
"""A method of `Cluster` → the verbs of RBAC that it needs."""


def calls() -> set[tuple[str, str]]:
    """(method, kind) of every call of the API in the operator's source that names its kind."""
    found = set()
    for file in OPERATOR.glob("*.py"):
        text = file.read_text()
        found |= set(re.findall(r"(?:_cluster\.|\b)(\w+)\(\s*kinds\.([A-Z_]+)", text))
    return {(method, kind) for method, kind in found if method in VERBS}


def test_the_operator_may_do_what_it_does() -> None:
    found = calls()
    assert {("create", "REVISION"), ("replace", "LEASE"), ("list_", "SERVICE")} <= found
    for method, name in found:
        kind: kinds.Kind = getattr(kinds, name)
        for verb in VERBS[method]:
            assert rights.allows(ALL_RULES, verb, kind.group, kind.plural), (verb, kind)
    for kind in (kinds.SERVICE, kinds.GRAPH):  # their finalizers
        assert rights.allows(ALL_RULES, "patch", kind.group, kind.plural)
    for kind in kinds.BY_NAME.values():
        assert rights.allows(ALL_RULES, "patch", kind.group, f"{kind.plural}/status")
    for kind in kinds.WATCHED:
        assert rights.allows(ALL_RULES, "watch", kind.group, kind.plural)


@pytest.mark.parametrize("options", ALL, ids=["cluster", "namespace", "ray"])
def test_nobody_may_do_everything(options: InstallOptions) -> None:
    roles = [one for one in installation(options) if one["kind"] in ("Role", "ClusterRole")]
    assert roles
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in (*rule["verbs"], *rule["apiGroups"], *rule["resources"])
            if "secrets" in rule["resources"]:
                assert not {"list", "watch"} & set(rule["verbs"])
                assert rule["verbs"] in (["get"], ["create"]) or "resourceNames" in rule


def test_looking_after_one_namespace_needs_no_secret_of_another() -> None:
    objects = installation(InstallOptions(watch="team"))
    for role in (one for one in objects if one["kind"] == "ClusterRole"):
        for rule in role["rules"]:
            assert "secrets" not in rule["resources"]
    (own,) = (o for o in objects if o["kind"] == "Role" and o["metadata"]["namespace"] == "team")
    assert rights.allows(tuple(own["rules"]), "get", "", "secrets")


@pytest.mark.parametrize("options", ALL, ids=["cluster", "namespace", "ray"])
def test_everything_fits_together(options: InstallOptions) -> None:
    objects = installation(options)
    names = {
        (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects
    }
    assert len(names) == len(objects)
    for binding in (o for o in objects if o["kind"].endswith("Binding")):
        namespace = binding["metadata"].get("namespace", "")
        assert (binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]) in names
        for subject in binding["subjects"]:
            assert ("ServiceAccount", subject["namespace"], subject["name"]) in names
    for one in (o for o in objects if o["kind"] == "Deployment"):
        pod = one["spec"]["template"]["spec"]
        account = ("ServiceAccount", options.namespace, pod["serviceAccountName"])
        assert account in names
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("options", ALL, ids=["cluster", "namespace", "ray"])
def test_an_empty_cluster_takes_it(options: InstallOptions) -> None:
    """No object stands in a namespace that is not there: its own, or the one it looks after."""
    there = {options.namespace, options.watch, "", "default"}
    objects = installation(options)
    assert objects[0]["kind"] == "Namespace"
    assert {o["metadata"].get("namespace", "") for o in objects} <= there


def test_the_commands_exist() -> None:
    from umbel.cli import parser

    for options in ALL:
        for one in installation(options):
            if one["kind"] == "Deployment":
                (container,) = one["spec"]["template"]["spec"]["containers"]
                program, *words = container["command"]
                assert program == "umbel"
                parser().parse_args(words)


RENDERED = RenderOptions(
    cluster=ClusterOptions(
        image="me/umbel:1",
        token_auth=False,
        tls=True,
        redis_address="redis:6379",
        redis_secret="redis",
        gateway_class="istio",
    ),
    route=RouteOptions(
        kind="ingress",
        domain="models.example.org",
        path_template="/serving/{namespace}/{name}",
        gateway="istio-system/gateway",
        ingress_class="traefik",
        tls_secret="models-tls",
    ),
    policies=False,
    monitor=False,
)


@pytest.mark.parametrize("options", [RenderOptions(), RENDERED], ids=["usual", "all"])
def test_the_operator_renders_as_installed(options: RenderOptions) -> None:
    """Whatever ``umbel k8s render`` can be told, the operator of an installation is told."""
    from umbel.cli import parser
    from umbel.cli.cluster_options import render_options

    (operator, *_) = (
        o for o in installation(InstallOptions(render=options)) if o["kind"] == "Deployment"
    )
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    assert container["image"] == options.cluster.image
    assert render_options(parser().parse_args(container["command"][1:])) == options


def test_a_token_of_ray_is_mounted_where_it_is_read() -> None:
    options = InstallOptions(target="ray", dashboard="http://ray:8265", token_secret="ray-token")
    (operator, webhooks) = (o for o in installation(options) if o["kind"] == "Deployment")
    pod = operator["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "ray-token")
    assert f"--ray-token-file={mount['mountPath']}/auth_token" in container["command"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "ray-token")
    assert volume["secret"] == {"secretName": "ray-token"}
    assert "ray-token" not in str(webhooks)


def test_keys_that_seal_are_mounted_where_they_are_read() -> None:
    options = InstallOptions(target="ray", dashboard="http://ray:8265", seal_secret="umbel-seal")
    (operator, webhooks) = (o for o in installation(options) if o["kind"] == "Deployment")
    pod = operator["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "seal-keys")
    assert f"--seal-key-file={mount['mountPath']}/keys" in container["command"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "seal-keys")
    assert volume["secret"] == {"secretName": "umbel-seal"}
    assert "umbel-seal" not in str(webhooks)


def test_the_webhooks_find_their_own_names() -> None:
    hosting, objects = HostingOptions(), installation(PLAIN)
    known = {(o["kind"], o["metadata"]["name"]) for o in objects}
    for kind in ("Service", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        assert (kind, hosting.service) in known
    rules = rights.webhook_rules(hosting.service)
    assert set(rules[2]["resourceNames"]) == set(hosting.converts)


def test_bundles_are_told_once() -> None:
    (configuration,) = (
        o for o in installation(PLAIN) if o["kind"] == "ValidatingWebhookConfiguration"
    )
    change = with_bundle(configuration, "QUJD")
    assert change is not None
    assert change["webhooks"][0]["clientConfig"]["caBundle"] == "QUJD"
    assert with_bundle({**configuration, **change}, "QUJD") is None
    old = crds(ConversionWebhook("a", "b"))
    assert with_bundle(old[0], "QUJD") is not None
    assert with_bundle(old[1], "QUJD") is None
