"""``umbel.dev/inputs``, ``umbel.dev/output`` and ``umbel.dev/intermediate-outputs``."""

from __future__ import annotations

import base64
from typing import Any

ABC = {
    "a": lambda body: {"predictions": [0.25, 12345678901234567890], "of": body},
    "b": lambda body: {"label": "dog"},
    "c": lambda body: body,
}
STEPS = [{"call": name, "name": name} for name in "abc"]


async def test_a_body_of_several_replies(serve: Any, services: Any) -> None:
    services.answers |= ABC
    inputs = {
        "root.c": {
            "score": "$a.predictions.0",
            "big": "$a.predictions.1",
            "label": "$b.label",
            "text": "$request.text",
            "all": "$b",
            "missing": "$b.nothing.here",
            "fixed": {"n": 1, "list": ["$request.text", None, "$b.nothing"], "plain": "$$5"},
        }
    }
    graph = await serve({"root": ("Sequence", STEPS)}, {"inputs": inputs})
    status, body = await graph({"text": "hé"})
    assert status == 200
    assert body == {
        "score": 0.25,
        "big": 12345678901234567890,
        "label": "dog",
        "text": "hé",
        "all": {"label": "dog"},
        "fixed": {"n": 1, "list": ["hé", None, None], "plain": "$5"},
    }


async def test_in_an_ensemble_the_request_can_be_taken_apart(serve: Any, services: Any) -> None:
    services.answers |= ABC
    inputs = {"root.c": {"instances": ["$request.x"]}}
    steps = [{"call": "c", "name": "c"}, {"call": "b", "name": "b"}]
    graph = await serve({"root": ("Ensemble", steps)}, {"inputs": inputs})
    assert await graph({"x": 7}) == (200, {"b": {"label": "dog"}, "c": {"instances": [7]}})


async def test_a_reply_of_several_steps(serve: Any, services: Any) -> None:
    services.answers |= ABC
    output = {"score": "$a.predictions.0", "label": "$b.label", "asked": "$request"}
    graph = await serve({"root": ("Sequence", STEPS)}, {"output": output})
    assert await graph({"x": 1}) == (200, {"score": 0.25, "label": "dog", "asked": {"x": 1}})


async def test_what_did_not_run_is_left_out_of_the_reply(serve: Any, services: Any) -> None:
    services.answers |= ABC
    steps = [{"call": "a", "name": "a"}, {"call": "b", "name": "b", "condition": "nothing"}]
    output = {"score": "$a.predictions.0", "label": "$b.label"}
    graph = await serve({"root": ("Sequence", steps)}, {"output": output})
    assert await graph({}) == (200, {"score": 0.25})
    assert services.count("b") == 0


async def test_an_error_is_passed_on_as_it_is(serve: Any, services: Any) -> None:
    services.answers["a"] = lambda body: (404, {"error": "not here"})
    graph = await serve({"root": ("Sequence", STEPS[:1])}, {"output": {"score": "$a.score"}})
    assert await graph({}) == (404, {"error": "not here"})


async def test_the_reply_of_another_node(serve: Any, services: Any) -> None:
    services.answers |= ABC
    nodes = {
        "root": ("Sequence", [{"name": "both", "nodeName": "pair"}]),
        "pair": ("Ensemble", STEPS[:2]),
    }
    graph = await serve(nodes, {"output.pair": {"l": "$b.label"}})
    assert await graph({}) == (200, {"l": "dog"})


async def test_a_reply_that_is_no_json(serve: Any, services: Any) -> None:
    services.answers["a"] = lambda body: b"\xffraw"
    graph = await serve(
        {"root": ("Sequence", STEPS[:1])}, {"output": {"all": "$a", "part": "$a.x"}}
    )
    assert await graph({}) == (200, {"all": {"b64": base64.b64encode(b"\xffraw").decode()}})


NESTED = {
    "root": ("Sequence", [{"call": "a", "name": "a"}, {"name": "both", "nodeName": "pair"}]),
    "pair": ("Ensemble", STEPS[1:]),
}


async def test_intermediate_outputs(serve: Any, services: Any) -> None:
    services.answers |= {
        "a": lambda body: (404, {"error": "x"}),
        "b": lambda body: {"b": 1},
        "c": lambda body: body,
    }
    graph = await serve(NESTED, {"intermediate-outputs": "true"})
    both = {"b": {"b": 1}, "c": {"x": 1}}
    assert await graph({"x": 1}) == (
        200,
        {
            "output": both,
            "steps": {
                "a": {"status": 404, "body": {"error": "x"}},
                "pair.b": {"status": 200, "body": {"b": 1}},
                "pair.c": {"status": 200, "body": {"x": 1}},
                "both": {"status": 200, "body": both},
            },
        },
    )


async def test_intermediate_outputs_on_request(serve: Any, services: Any) -> None:
    services.answers |= ABC
    graph = await serve({"root": ("Sequence", STEPS[1:2])}, {"intermediate-outputs": "on-request"})
    plain = {"label": "dog"}
    assert await graph({}) == (200, plain)
    assert await graph({}, headers={"umbel-steps": "0"}) == (200, plain)
    steps = {"b": {"status": 200, "body": plain}}
    assert await graph({}, headers={"umbel-steps": "1"}) == (
        200,
        {"output": plain, "steps": steps},
    )


async def test_the_status_of_an_answer_stays(serve: Any, services: Any) -> None:
    services.answers["b"] = lambda body: (418, b"tea")
    graph = await serve({"root": ("Sequence", STEPS[1:2])}, {"intermediate-outputs": "true"})
    tea = {"b64": base64.b64encode(b"tea").decode()}
    assert await graph({}) == (
        418,
        {"output": tea, "steps": {"b": {"status": 418, "body": tea}}},
    )


async def test_header_rules_of_one_graph(serve: Any, services: Any) -> None:
    services.answers |= ABC
    rules = ["^X-Tenant$", "Authorization"]
    graph = await serve({"root": ("Sequence", STEPS[:1])}, {"propagate-headers": rules})
    config = """
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data: {router: '{"headers": {"propagate": ["X-Other"]}}'}
"""
    both = await serve({"root": ("Sequence", STEPS[:1])}, {"propagate-headers": rules}, config)
    plain = await serve({"root": ("Sequence", STEPS[:1])}, {}, config)
    none = await serve({"root": ("Sequence", STEPS[:1])}, {"propagate-headers": []}, config)
    sent = {"x-tenant": "t", "authorization": "secret", "x-other": "o", "x-tenant-2": "u"}
    for one, expected in (
        (graph, {"x-tenant", "authorization"}),
        (both, {"x-tenant", "authorization"}),
        (plain, {"x-other"}),
        (none, set()),
    ):
        services.calls.clear()
        await one({}, headers=sent)
        (_, _, got) = services.calls[0]
        assert {name for name in sent if name in got} == expected
