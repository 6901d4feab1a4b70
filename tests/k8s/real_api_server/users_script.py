"""A program as KServe's users have it. Prints a JSON line for each thing it learns.

Run with KServe's client, or with the import changed:
    python users_script.py kserve|umbel KUBECONFIG NAMESPACE OLD NEW CREDENTIALS ask|look
``look`` sends nothing to the URLs: nobody serves them.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from typing import Any

import kserve
from kserve import (
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
    V1alpha1InferenceGraph,
    V1alpha1InferenceGraphSpec,
    V1alpha1InferenceRouter,
    V1alpha1InferenceStep,
    V1alpha1ModelSpec,
    V1alpha1TrainedModel,
    V1alpha1TrainedModelSpec,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1ModelFormat,
    V1beta1ModelSpec,
    V1beta1PredictorSpec,
    constants,
)
from kubernetes.client import V1ObjectMeta

if sys.argv[1] == "umbel":
    from umbel.k8s.client import UmbelClient as KServeClient
else:
    from kserve import KServeClient

KUBECONFIG, NAMESPACE, OLD, NEW, CREDENTIALS = sys.argv[2:7]
ASK = sys.argv[7] == "ask"
ROW = [6.8, 2.8, 4.8, 1.4]
PACE: dict[str, Any] = {"timeout_seconds": 300, "polling_interval": 1}


def tell(what: str, value: object) -> None:
    print(json.dumps({what: value}), flush=True)


def service(uri: str | None, name: str = "iris", **predictor: Any) -> V1beta1InferenceService:
    model = V1beta1ModelSpec(model_format=V1beta1ModelFormat(name="sklearn"), storage_uri=uri)
    spec = V1beta1PredictorSpec(model=model, min_replicas=1, **predictor)
    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(name=name, namespace=NAMESPACE),
        spec=V1beta1InferenceServiceSpec(predictor=spec),
    )


def graph() -> V1alpha1InferenceGraph:
    steps = [V1alpha1InferenceStep(service_name="iris", name="first")]
    routers = {"root": V1alpha1InferenceRouter(router_type="Sequence", steps=steps)}
    return V1alpha1InferenceGraph(
        api_version=constants.KSERVE_V1ALPHA1,
        kind=constants.KSERVE_KIND_INFERENCEGRAPH,
        metadata=V1ObjectMeta(name="chain", namespace=NAMESPACE),
        spec=V1alpha1InferenceGraphSpec(nodes=routers),
    )


def table(work: Any) -> list[list[str]]:
    """The rows that a call prints, without the header."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        work()
    rows = [line.split() for line in printed.getvalue().splitlines() if line.split()]
    return [row for row in rows if row[0] != "NAME"]


def failure(work: Any) -> str:
    try:
        work()
    except RuntimeError as error:  # what KServe's client raises
        status = [code for code in ("404", "409", "422", "400") if code in str(error)]
        return f"RuntimeError {status[:1]}"
    return "nothing"


async def ask(url: str, host: str = "") -> dict[str, Any]:
    headers = {"Host": host} if host else None
    found: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=3, timeout=60)) as v1:
        data = {"instances": [ROW]}
        found["v1"] = await v1.infer(url, data, model_name="iris", headers=headers)
        found["v1 ready"] = await v1.is_model_ready(url, "iris", headers=headers)
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=3, timeout=60)) as v2:
        one = InferInput("input-0", [1, 4], "FP64", [ROW])
        request = InferRequest("iris", [one])
        answer = await v2.infer(url, request, model_name="iris", headers=headers)
        found["v2"] = answer.outputs[0].data
        import numpy as np

        one.set_data_from_numpy(np.array([ROW]), binary_data=True)
        answer = await v2.infer(url, InferRequest("iris", [one]), model_name="iris")
        found["v2 binary"] = answer.outputs[0].as_numpy().tolist()
        found["v2 ready"] = [
            await v2.is_server_ready(url),
            await v2.is_server_live(url),
            await v2.is_model_ready(url, "iris"),
        ]
    return found


async def ask_graph(url: str) -> Any:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        return await client.infer(url, {"instances": [ROW]}, is_graph_endpoint=True)


def services(client: Any) -> str:
    client.set_credentials(
        "S3", NAMESPACE, CREDENTIALS, "models", s3_endpoint="minio:9000", s3_use_https="0"
    )
    account = client.core_api.read_namespaced_service_account("models", NAMESPACE)
    (name,) = [one.name for one in account.secrets if one.name.startswith("kserve-secret")]
    secret = client.core_api.read_namespaced_secret(name, NAMESPACE)
    tell("secret", [sorted(secret.data), secret.metadata.annotations])
    made = client.create(service(OLD, service_account_name="models"))
    tell("created", [made["metadata"]["name"], made["spec"]["predictor"]["minReplicas"]])
    tell("created twice", failure(lambda: client.create(service(OLD))))
    client.wait_isvc_ready("iris", namespace=NAMESPACE, **PACE)
    tell("ready", client.is_isvc_ready("iris", namespace=NAMESPACE))
    url: str = client.get("iris", namespace=NAMESPACE)["status"]["url"]
    tell("url", url)
    if ASK:
        tell("answers", asyncio.run(ask(url)))
    return url


def changes(client: Any, url: str) -> None:
    patched = client.patch("iris", service(NEW))
    generation = patched["metadata"]["generation"]
    client.wait_isvc_ready("iris", namespace=NAMESPACE, expected_generation=generation, **PACE)
    if ASK:
        tell("patched", asyncio.run(ask(url))["v1"])
    rows = table(lambda: client.get("iris", namespace=NAMESPACE, watch=True, timeout_seconds=60))
    tell("watched", rows[-1])
    canary = service(OLD, canary_traffic_percent=20)
    rows = table(lambda: client.replace("iris", canary, watch=True, timeout_seconds=240))
    tell("replaced", rows[-1])
    client.wait_isvc_ready("iris", namespace=NAMESPACE, **PACE)
    listed = client.get(namespace=NAMESPACE)
    tell("list", [one["metadata"]["name"] for one in listed["items"]])
    tell("nowhere", failure(lambda: client.get("nowhere", namespace=NAMESPACE)))


def graphs(client: Any) -> None:
    made = client.create_inference_graph(graph())
    tell("graph", made["metadata"]["name"])
    client.wait_ig_ready("chain", NAMESPACE, **PACE)
    tell("graph ready", client.is_ig_ready("chain", NAMESPACE))
    url = client.get_inference_graph("chain", NAMESPACE)["status"]["url"]
    tell("graph url", url)
    if ASK:
        tell("graph answers", sorted(asyncio.run(ask_graph(url))))
    client.delete_inference_graph("chain", NAMESPACE)


def trained_models(client: Any) -> None:
    client.create(service(None, "pool"), watch=True, timeout_seconds=240)
    spec = V1alpha1TrainedModelSpec(
        inference_service="pool",
        model=V1alpha1ModelSpec(framework="sklearn", memory="256Mi", storage_uri=OLD),
    )
    model = V1alpha1TrainedModel(
        api_version=constants.KSERVE_V1ALPHA1,
        kind=constants.KSERVE_KIND_TRAINEDMODEL,
        metadata=V1ObjectMeta(name="one", namespace=NAMESPACE),
        spec=spec,
    )
    client.create_trained_model(model, NAMESPACE)
    url: str = client.get("pool", namespace=NAMESPACE)["status"]["url"]
    address = url.removeprefix("http://")  # hosts with a path: what stands before /v1

    async def asked() -> Any:
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as v1:
            return await v1.infer(url, {"instances": [ROW]}, model_name="one")

    if ASK:
        where = {"isvc_namespace": NAMESPACE, "cluster_ip": address}
        client.wait_model_ready("pool", "one", **where, **PACE)
        tell("trained model", asyncio.run(asked()))
    client.delete_trained_model("one", NAMESPACE)
    client.delete("pool", namespace=NAMESPACE)


def main() -> None:
    client = KServeClient(config_file=KUBECONFIG)
    tell("kserve", kserve.__name__)
    url = services(client)
    changes(client, url)
    graphs(client)
    trained_models(client)
    client.delete("iris", namespace=NAMESPACE)
    tell("deleted", failure(lambda: client.delete("nowhere", namespace=NAMESPACE)))


main()
