"""With a key, nothing that the operator deploys holds a Secret's value."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from fake_cluster import graph, service
from umbel.k8s.operator.desired import desired
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World
from umbel.nodes.storage.sealed_values import KEY_FILE, SEALED, SealKey, SealKeys, open_into

RAY = OperatorSettings(target="ray")
KEYS = SealKeys((SealKey.new(),))
VALUES = {"AWS_ACCESS_KEY_ID": "AKIDHUSH", "AWS_SECRET_ACCESS_KEY": "hush-hush"}


def stored(values: dict[str, str]) -> dict[str, Any]:
    data = {k: base64.b64encode(v.encode()).decode() for k, v in values.items()}
    return {"metadata": {"name": "s3"}, "data": data}


def world(*raws: dict[str, Any], keys: SealKeys | None = KEYS, **secrets: Any) -> World:
    for number, raw in enumerate(raws):
        raw["metadata"] |= {"namespace": "team", "uid": str(number), "generation": 1}
    secrets = secrets or {"s3": VALUES}
    return World(
        services=tuple(one for one in raws if one["kind"] == "InferenceService"),
        graphs=tuple(one for one in raws if one["kind"] == "InferenceGraph"),
        accounts={
            ("team", f"reads-{name}"): {"metadata": {}, "secrets": [{"name": name}]}
            for name in secrets
        },
        secrets={("team", name): stored(values) for name, values in secrets.items()},
        seal_keys=keys,
    )


def reader(name: str = "iris", secret: str = "s3", **more: Any) -> dict[str, Any]:
    return service(name, "s3://bucket/model", serviceAccountName=f"reads-{secret}", **more)


def applications(there: World) -> dict[str, dict[str, Any]]:
    """By resource."""
    found = desired(there, RAY).applications
    return {one["args"]["owner"]["resource"][2]: one for one in found}


def warning(there: World) -> str:
    (outcome, *_) = desired(there, RAY).outcomes
    conditions = (outcome.status or {})["conditions"]
    return "".join(one["message"] for one in conditions if one["type"] == "Warnings")


def opened(tmp_path: Any, variables: dict[str, str], owner: str) -> dict[str, str]:
    (tmp_path / "keys").write_text(KEYS.keys[0].line)
    environ = {**variables, KEY_FILE: str(tmp_path / "keys")}
    open_into(environ, owner)
    return environ


def test_what_is_deployed_shows_no_value_and_the_replica_has_it(tmp_path: Any) -> None:
    there = world(reader())
    app = applications(there)["iris"]
    variables = app["runtime_env"]["env_vars"]
    assert list(variables) == [SEALED]
    for text in VALUES.values():
        assert text not in str(desired(there, RAY))
    owner, _, _digest = app["name"].rpartition(".")
    assert VALUES.items() <= opened(tmp_path, variables, owner).items()
    assert warning(there) == ""


def test_an_unchanged_secret_changes_no_application_and_a_changed_one_does() -> None:
    first = applications(world(reader()))["iris"]
    assert applications(world(reader()))["iris"] == first
    changed = world(reader(), s3={**VALUES, "AWS_SECRET_ACCESS_KEY": "other"})
    assert applications(changed)["iris"]["name"] != first["name"]
    more = dataclasses.replace(KEYS, keys=(*KEYS.keys, SealKey.new()))
    assert applications(world(reader(), keys=more))["iris"] == first


def test_without_a_key_it_is_as_before_and_told() -> None:
    there = world(reader(), keys=None)
    assert applications(there)["iris"]["runtime_env"]["env_vars"] == VALUES
    text = warning(there)
    assert "UMB-K712: the Secrets' values for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in text
    assert "umbel k8s seal-key" in text
    assert "--seal-key-file" in text
    assert "hush" not in text
    assert warning(world(service("open"), keys=None)) == ""


def test_a_containers_own_variable_wins_and_the_sealed_ones_are_the_operators() -> None:
    raw = reader()
    env = [{"name": "AWS_ACCESS_KEY_ID", "value": "mine"}]
    env += [{"name": SEALED, "value": "{}"}, {"name": KEY_FILE, "value": "/tmp/mine"}]
    raw["spec"]["predictor"]["sklearn"]["env"] = env
    there = world(raw)
    variables = applications(there)["iris"]["runtime_env"]["env_vars"]
    assert set(variables) == {"AWS_ACCESS_KEY_ID", SEALED}
    assert variables["AWS_ACCESS_KEY_ID"] == "mine"
    assert set(json.loads(variables[SEALED])) == {"AWS_SECRET_ACCESS_KEY"}
    assert f"sklearn.env[{SEALED}]" in warning(there)
    assert f"sklearn.env[{KEY_FILE}]" in warning(there)


def running(there: World, *names: str) -> World:
    """The same, once Serve runs the applications of these services."""
    found = {}
    for name in names:
        app = applications(there)[name]
        config = {k: v for k, v in app.items() if k not in ("name", "route_prefix")}
        owner = Owner(Key(*app["args"]["owner"]["resource"]), app["args"]["owner"]["revision"])
        route = f"/team/{name}"
        found[app["name"]] = ServeApplication(app["name"], route, "RUNNING", "", config, owner, 1)
    return dataclasses.replace(there, applications=found)


@pytest.mark.parametrize("keys", [KEYS, None], ids=["sealed", "shown"])
def test_a_graph_has_the_credentials_of_the_services_it_runs(
    keys: SealKeys | None, tmp_path: Any
) -> None:
    there = world(reader("a"), reader("b"), graph("chain", "a", "b"), keys=keys)
    chain = applications(running(there, "a", "b"))["chain"]
    variables = chain["runtime_env"]["env_vars"]
    if keys is not None:
        assert list(variables) == [SEALED]
        variables = opened(tmp_path, variables, "team.chain")
    assert VALUES.items() <= variables.items()


def test_services_with_other_credentials_are_called_at_their_urls() -> None:
    others = {"s3": VALUES, "spare": {**VALUES, "AWS_ACCESS_KEY_ID": "OTHER"}}
    raws = (reader("a"), reader("b", "spare"), service("c"))
    there = world(*raws, graph("chain", "a", "b", "c"), **others)
    chain = applications(running(there, "a", "b", "c"))["chain"]
    text = json.dumps(chain["args"])
    assert f"{RAY.serve_url}/team/a/" not in text
    for apart in ("b", "c"):
        assert f"{RAY.serve_url}/team/{apart}/" in text
