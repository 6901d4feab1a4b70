"""docs/kubernetes.md, from an empty cluster to the last answer, with umbel's own pods."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import joblib
import pytest
import yaml
from kuberay_clusters import is_ready
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from kube_installation import LOADER, await_established, for_server, umbel
from real_kube import KubectlFailed
from real_operator import until

pytestmark = pytest.mark.slow

IMAGE = "registry.example.com/umbel:0.1.0"
BODY = {"instances": [[6.8, 2.8, 4.8, 1.4]]}


@pytest.fixture(scope="module")
def installed(node: Any) -> Any:
    """Operator and webhooks run, and a pod serves two models over HTTP."""
    printed = umbel("k8s", "install", "--image", IMAGE)
    objects = [for_server(node.kube, one) for one in yaml.load_all(printed, Loader=LOADER)]
    node.kube.kubectl("apply", "--server-side", "-f", "-", stdin=objects)
    await_established(node.kube)
    models = node.folder / "models"
    x, y = load_iris(return_X_y=True)
    for name, shift in (("one", 0), ("two", 10)):
        (models / name).mkdir(parents=True, exist_ok=True)
        joblib.dump(SVC(gamma="scale").fit(x, y + shift), models / name / "model.joblib")
    node.kube.kubectl("apply", "-f", "-", stdin=[_server(str(models)), _service_of_models()])
    words = ("--for=condition=Available", "deploy", "--all", "--timeout=300s")
    node.kube.kubectl("wait", "-n", "umbel-system", *words, timeout=320)
    return node


def test_the_pods_are_what_the_guide_says(installed: Any) -> None:
    _apply(installed, "one")
    _ready(installed)
    assert _ask(installed) == {"predictions": [1]}
    name = _pods(installed, "worker")[0]["metadata"]["name"]
    inside = ("exec", name, "-c", "ray-worker", "--")
    assert "uid=1000" in installed.kube.kubectl(*inside, "id")
    with pytest.raises(KubectlFailed, match="Read-only"):
        installed.kube.kubectl(*inside, "touch", "/anything")
    with pytest.raises(KubectlFailed, match="No such file"):
        installed.kube.kubectl(*inside, "ls", "/var/run/secrets/kubernetes.io")
    asked = urllib.request.Request(f"http://{_head(installed)}:8265/api/serve/applications/")
    with pytest.raises(urllib.error.HTTPError, match=r"401|403"):
        urllib.request.urlopen(asked, timeout=10)


def test_a_webhook_refuses_what_cannot_work(installed: Any) -> None:
    bad = _isvc("one")
    bad["metadata"]["name"] = "bad"
    bad["spec"]["predictor"]["model"]["modelFormat"]["name"] = "nonsense"
    until(lambda: _refused(installed, bad), "the webhook")


def test_a_change_drops_no_request(installed: Any) -> None:
    before = _cluster(installed)
    with Load(_address(installed)) as load:
        _apply(installed, "two")
        until(lambda: {"predictions": [11]} in load.answers, "the other model", 240)
    assert load.failures == []
    assert _cluster(installed) == before


def test_other_pods_take_over_without_a_gap(installed: Any) -> None:
    """Another ServiceAccount: its Secret reaches the workers, and nothing else does."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}}
    secret["stringData"] = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "never-shown"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}
    installed.kube.kubectl(
        "apply", "-f", "-", stdin=[secret, {**account, "secrets": [{"name": "creds"}]}]
    )
    before = _cluster(installed)
    with Load(_address(installed)) as load:
        _apply(installed, "two", serviceAccountName="reader")
        until(lambda: _cluster(installed) not in ("", before), "the other cluster", 400)
        until(lambda: len(_pods(installed, "head")) == 1, "the old cluster's end", 200)
        time.sleep(5)
    assert load.failures == []
    assert len(load.answers) > 50
    name = _pods(installed, "worker")[0]["metadata"]["name"]
    words = ("exec", name, "-c", "ray-worker", "--", "printenv", "AWS_SECRET_ACCESS_KEY")
    assert installed.kube.kubectl(*words).strip().endswith("never-shown")
    assert "never-shown" not in json.dumps(installed.kube.get("rayservice", "iris"))


@pytest.mark.parametrize("kind", ["worker", "head"])
def test_what_dies_comes_back(installed: Any, kind: str) -> None:
    (pod, *_) = _pods(installed, kind)
    gone = pod["metadata"]["name"]
    installed.kube.kubectl("delete", "pod", gone, "--grace-period=0", "--force", timeout=120)
    until(lambda: _is_back(installed, kind, gone), f"another {kind}, and its answers", 400)


def test_nothing_is_left_of_what_is_deleted(installed: Any) -> None:
    installed.kube.kubectl("delete", "isvc", "iris", timeout=120)
    kinds = "rayservices,rayclusters,pods,services,networkpolicies,serviceaccounts,secrets"
    label = ("-l", "umbel.dev/name=iris")
    until(lambda: "No resources" in installed.kube.kubectl("get", kinds, *label), "the end", 200)
    assert not [
        s for s in installed.kube.get("services")["items"] if "iris" in s["metadata"]["name"]
    ]


class Load:
    """Requests one after the other, from a thread."""

    def __init__(self, url: str) -> None:
        self.answers: list[Any] = []
        self.failures: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.answers.append(_post(self._url))
            except OSError as error:
                self.failures.append(f"{time.strftime('%X')} {error}")


def _post(url: str) -> Any:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(BODY).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def _address(node: Any) -> str:
    """By the Service: kube-proxy leads there from the node, too."""
    ip = node.kube.get("service", "iris")["spec"]["clusterIP"]
    return f"http://{ip}/v1/models/iris:predict"


def _ask(node: Any) -> Any:
    """By name, from a pod, with the address that the status says."""
    url = node.kube.get("isvc", "iris")["status"]["address"]["url"] + "/v1/models/iris:predict"
    code = f"import urllib.request as u; r = u.Request({url!r}, {json.dumps(BODY).encode()!r})"
    code += (
        "; r.add_header('content-type', 'application/json'); print(u.urlopen(r).read().decode())"
    )
    return json.loads(node.kube.kubectl("exec", "models", "--", "python", "-c", code))


def _answers(node: Any) -> bool:
    try:
        return bool(_post(_address(node)) == {"predictions": [11]})
    except OSError:
        return False


def _is_back(node: Any, kind: str, gone: str) -> bool:
    """Another pod is ready, and its cluster runs the application: what is left of the one before
    may still answer."""
    others = [one for one in _pods(node, kind) if one["metadata"]["name"] != gone]
    status = node.kube.get("rayservice", "iris").get("status") or {}
    known = (status.get("activeServiceStatus") or {}).get("applicationStatuses") or {}
    runs = known and all(one["status"] == "RUNNING" for one in known.values())
    return bool(any(map(is_ready, others)) and runs and _answers(node))


def _apply(node: Any, model: str, **predictor: Any) -> None:
    node.kube.kubectl("apply", "-f", "-", stdin=_isvc(model, **predictor))


def _ready(node: Any) -> None:
    words = ("--for=condition=Ready", "isvc/iris", "--timeout=600s")
    node.kube.kubectl("wait", *words, timeout=620)


def _refused(node: Any, bad: Any) -> bool:
    try:
        node.kube.kubectl("apply", "--dry-run=server", "-f", "-", stdin=bad)
    except KubectlFailed as error:
        return "UMB-K219" in str(error)
    return False


def _cluster(node: Any) -> str:
    status = node.kube.get("rayservice", "iris").get("status") or {}
    return str((status.get("activeServiceStatus") or {}).get("rayClusterName") or "")


def _pods(node: Any, kind: str) -> list[Any]:
    found = node.kube.get("pods", "-l", f"ray.io/node-type={kind}")["items"]
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def _head(node: Any) -> str:
    return str(_pods(node, "head")[0]["status"]["podIP"])


def _isvc(model: str, **predictor: Any) -> dict[str, Any]:
    uri = f"http://models.default.svc.cluster.local/{model}/model.joblib"
    block = {"modelFormat": {"name": "sklearn"}, "storageUri": uri}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": "default",
            "annotations": {"umbel.dev/allow-pickle": "true"},
        },
        "spec": {"predictor": {"model": block, **predictor}},
    }


def _server(folder: str) -> dict[str, Any]:
    container = {
        "name": "models",
        "image": IMAGE,
        "command": ["python", "-m", "http.server", "8080", "-d", "/models"],
        "volumeMounts": [{"name": "models", "mountPath": "/models"}],
    }
    volume = {"name": "models", "hostPath": {"path": folder}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "models", "labels": {"app": "models"}},
        "spec": {"containers": [container], "volumes": [volume]},
    }


def _service_of_models() -> dict[str, Any]:
    spec = {"selector": {"app": "models"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "models"}, "spec": spec}
