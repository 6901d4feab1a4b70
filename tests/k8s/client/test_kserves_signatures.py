"""``UmbelClient`` has the methods of KServe's client, with its parameters in its order."""

from __future__ import annotations

import inspect

import pytest

from umbel.k8s.client import UmbelClient

NAMED = "name namespace version"
METHODS = {
    "create": "inferenceservice namespace watch timeout_seconds",
    "get": "name namespace watch timeout_seconds version",
    "patch": "name inferenceservice namespace watch timeout_seconds",
    "replace": "name inferenceservice namespace watch timeout_seconds",
    "delete": NAMED,
    "is_isvc_ready": f"{NAMED} expected_generation",
    "wait_isvc_ready": "name namespace watch timeout_seconds polling_interval version "
    "expected_generation",
    "create_trained_model": "trainedmodel namespace",
    "delete_trained_model": NAMED,
    "wait_model_ready": "service_name model_name isvc_namespace isvc_version cluster_ip "
    "protocol_version timeout_seconds polling_interval",
    "create_inference_graph": "inferencegraph namespace",
    "get_inference_graph": NAMED,
    "delete_inference_graph": NAMED,
    "is_ig_ready": NAMED,
    "wait_ig_ready": f"{NAMED} timeout_seconds polling_interval",
    "set_credentials": "storage_type namespace credentials_file service_account",
}
"""Method → its parameters, of kserve 0.20's ``KServeClient``. Those of model caches on nodes,
which umbel has not, are left out."""

SAME_DEFAULTS = ("namespace", "watch", "timeout_seconds", "version", "service_account")


def parameters(method: object) -> dict[str, inspect.Parameter]:
    assert callable(method)
    found = dict(inspect.signature(method).parameters)
    found.pop("self", None)
    return {
        name: one
        for name, one in found.items()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL, one.KEYWORD_ONLY)
    }


@pytest.mark.parametrize("method", METHODS)
def test_the_parameters_by_name_and_place(method: str) -> None:
    assert list(parameters(getattr(UmbelClient, method))) == METHODS[method].split()


def test_the_table_is_kserves_own() -> None:
    kserve = pytest.importorskip("kserve")
    theirs = {
        name: parameters(method)
        for name, method in inspect.getmembers(kserve.KServeClient, inspect.isfunction)
        if not name.startswith("_") and "local_model" not in name
    }
    assert {name: " ".join(found) for name, found in theirs.items()} == METHODS
    for name, found in theirs.items():
        ours = parameters(getattr(UmbelClient, name))
        for parameter in SAME_DEFAULTS:
            if parameter in found and found[parameter].default is not inspect.Parameter.empty:
                assert ours[parameter].default == found[parameter].default, (name, parameter)
