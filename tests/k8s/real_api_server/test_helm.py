"""The chart, installed, upgraded, rolled back and removed by a real Helm in a real API server."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import yaml

from chart_choices import NAMESPACE, PLAIN, keyed, wanted
from fake_cluster import service
from helm import Helm, HelmFailed
from kube_installation import LOADER, await_established, for_server, ray_service_crd
from kube_life import ready
from real_kube import ADMIN_TOKEN, KubectlFailed, RealKube
from real_operator import RealOperator, StandIn, until
from umbel.k8s.install import InstallOptions
from umbel.k8s.manifests import ClusterOptions, RenderOptions

pytestmark = pytest.mark.slow

IMAGE = "registry.example.com/umbel:2"


@pytest.fixture(scope="module")
def helm(empty_kube: RealKube, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    try:
        found = Helm(tmp_path_factory.mktemp("helm"), empty_kube.kubeconfig(ADMIN_TOKEN))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    _for_server(empty_kube, found)
    return found


def _for_server(kube: RealKube, helm: Helm) -> None:
    """An older server than the chart is for: it is told so, and gets CRDs that it can read."""
    if kube.version() >= (1, 27):
        return
    with pytest.raises(HelmFailed, match=r"kubeVersion: >=1\.27\.0-0"):
        helm("install", "umbel", str(helm.chart), "-n", NAMESPACE, "--dry-run=server")
    about = helm.chart / "Chart.yaml"
    about.write_text(about.read_text().replace(">=1.27.0-0", ">=1.20.0-0"))
    crds = helm.chart / "crds" / "crds.yaml"
    plain = [for_server(kube, one) for one in yaml.load_all(crds.read_text(), Loader=LOADER)]
    crds.write_text("".join(f"---\n{json.dumps(one)}\n" for one in plain))


@pytest.fixture(scope="module")
def installed(empty_kube: RealKube, helm: Helm) -> RealKube:
    words = ("install", "umbel", str(helm.chart), "-n", NAMESPACE, "--create-namespace")
    helm(*words, "--dry-run=server")
    assert "No resources found" in empty_kube.kubectl("get", "crd")
    told = helm(*words)
    assert "kubectl wait -n umbel-system" in told
    words = ("create", "--validate=false", "-f", "-")
    empty_kube.kubectl(*words, stdin=for_server(empty_kube, ray_service_crd()))
    await_established(empty_kube)
    return empty_kube


def holds(kube: RealKube, options: InstallOptions) -> None:
    """Everything of these options is there as they say; what the server adds does not count."""
    for (kind, namespace, name), one in wanted(options).items():
        words = ("-n", namespace) if namespace else ()
        assert differences(kube.get(kind, name, *words), one) == []


def differences(found: Any, asked: Any, where: str = "") -> list[str]:
    if isinstance(asked, dict) and isinstance(found, dict):
        return [
            one
            for key in asked
            for one in differences(found.get(key), asked[key], f"{where}.{key}")
        ]
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        items = enumerate(zip(found, asked, strict=True))
        return [one for n, (a, b) in items for one in differences(a, b, f"{where}[{n}]")]
    return [] if found == asked else [f"{where}: {found!r}, not {asked!r}"]


def test_it_is_what_the_plain_manifests_are(installed: RealKube, helm: Helm) -> None:
    holds(installed, PLAIN)
    manifest = helm("get", "manifest", "umbel", "-n", NAMESPACE)
    assert keyed(yaml.load_all(manifest, Loader=LOADER)) == wanted(PLAIN)
    assert "STATUS: deployed" in helm("status", "umbel", "-n", NAMESPACE)


def test_its_operator_may_do_its_work(installed: RealKube) -> None:
    installed.kubectl("create", "namespace", "models")
    operator = RealOperator(installed)
    try:
        with StandIn(installed):
            operator.start()
            installed.kubectl("apply", "-f", "-", stdin=service("iris", namespace="models"))
            ready(installed, "models", "isvc/iris")
        assert operator.refused() == []
    finally:
        operator.close()


def test_an_upgrade_and_back(installed: RealKube, helm: Helm) -> None:
    """What others wrote since stays: the webhooks' certificate is theirs."""
    bundle = '[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"QUJD"}]'
    words = ("validatingwebhookconfiguration", "umbel-webhooks")
    installed.kubectl("patch", *words, "--type=json", "-p", bundle)
    values = {"image": IMAGE, "replicas": 1, "watch": "models"}
    upgrade = ("upgrade", "umbel", str(helm.chart), "-n", NAMESPACE)
    helm(*upgrade, *helm.values(values), "--dry-run=server")
    holds(installed, PLAIN)
    helm(*upgrade, *helm.values(values))
    other = dataclasses.replace(
        PLAIN,
        render=RenderOptions(cluster=ClusterOptions(image=IMAGE)),
        replicas=1,
        watch="models",
    )
    holds(installed, other)
    (webhook,) = installed.get(*words)["webhooks"]
    assert webhook["clientConfig"]["caBundle"] == "QUJD"
    helm(*upgrade, *helm.values({"webhooks": False}))
    holds(installed, dataclasses.replace(PLAIN, webhooks=False))
    with pytest.raises(KubectlFailed, match="not found"):
        installed.get(*words)
    with pytest.raises(KubectlFailed, match="not found"):
        installed.get("role", "umbel-operator", "-n", "models")
    helm("rollback", "umbel", "1", "-n", NAMESPACE)
    holds(installed, PLAIN)
    assert "Rollback to 1" in helm("history", "umbel", "-n", NAMESPACE)


def test_what_is_refused_changes_nothing(installed: RealKube, helm: Helm) -> None:
    upgrade = ("upgrade", "umbel", str(helm.chart), "-n", NAMESPACE)
    with pytest.raises(HelmFailed, match="target"):
        helm(*upgrade, *helm.values({"target": "knative"}))
    holds(installed, PLAIN)


def test_gone_but_for_crds_and_resources(installed: RealKube, helm: Helm) -> None:
    """Its last test. An operator takes its finalizers off before it goes for good."""
    helm("uninstall", "umbel", "-n", NAMESPACE)

    def gone() -> bool:
        for kind, namespace, name in wanted(PLAIN):
            words = ("-n", namespace) if namespace else ()
            try:
                installed.get(kind, name, *words)
            except KubectlFailed:
                continue
            return False
        return True

    until(gone, "everything of the release is gone")
    assert installed.get("isvc", "iris", "-n", "models")["spec"]
    assert installed.get("crd", "inferenceservices.serving.kserve.io")
