"""A component that is a container → a graph whose requests go on to it."""

from __future__ import annotations

from urllib.parse import urlsplit

from umbel.graph.findings import Place
from umbel.graph.implementations import HttpServer, RemoteService
from umbel.graph.ir import Graph, Node, NodeKind
from umbel.graph.options import NodeOptions
from umbel.graph.router_steps import Predict
from umbel.graph.steps import Call, GraphName, Input, NodeName, StepId
from umbel.graph.value_types import Port, Signature, ValueType

MESSAGE = ValueType("message")
FORWARDED = Signature((Port("request", MESSAGE),), (Port("output", MESSAGE),))
PAYLOAD = Signature((Port("payload"),), (Port("output"),))


def forwarding_graph(
    name: GraphName,
    component: NodeKind,
    url: str,
    model: str,
    settings: dict[str, object],
    place: Place,
) -> Graph:
    """The graph that is the server at ``url``, whatever is asked."""
    code = HttpServer(url, model)
    return _one_call(name, component, code, model, settings, place)


def grpc_graphs(
    name: GraphName,
    component: NodeKind,
    url: str,
    model: str,
    settings: dict[str, object],
    place: Place,
) -> tuple[Graph, Graph]:
    """For a server that speaks the Open Inference Protocol over gRPC only: the graph that takes
    V2 documents, and the one that asks the server."""
    parts = urlsplit(url)
    target = f"grpc://{parts.hostname}:{parts.port or 80}/{model}"
    inner = _one_call(
        GraphName(f"{name}/{component}"), component, RemoteService(target), model, settings, place
    )
    payload = Input(id=StepId("payload"), port="payload", place=place)
    call = Predict(id=StepId(component), graph=inner.name, source=payload.id, place=place)
    outer = Graph(
        name=name,
        nodes={},
        steps=(payload, call),
        outputs=(("output", call.id),),
        signature=PAYLOAD,
        interface="payload",
        model_name=model,
        settings=settings,
        place=place,
    )
    return outer, inner


def _one_call(
    name: GraphName,
    component: NodeKind,
    code: HttpServer | RemoteService,
    model: str,
    settings: dict[str, object],
    place: Place,
) -> Graph:
    served = isinstance(code, HttpServer)
    port = "request" if served else "body"
    signature = FORWARDED if served else Signature((Port("body", MESSAGE),), FORWARDED.outputs)
    options = NodeOptions(deterministic=False)
    node = Node(NodeName(component), component, code, signature, options, place)
    given = Input(id=StepId("request"), port="request", type=MESSAGE, place=place)
    call = Call(
        id=StepId(component), node=node.name, args=((port, given.id),), type=MESSAGE, place=place
    )
    return Graph(
        name=name,
        nodes={node.name: node},
        steps=(given, call),
        outputs=(("output", call.id),),
        signature=FORWARDED,
        interface="http" if served else "message",
        model_name=model,
        settings=settings,
        place=place,
    )
