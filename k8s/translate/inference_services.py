"""InferenceService → a graph of its components, with V1 and V2 in front.

A model alone is a graph of typed tensors. A transformer or a model class of the user's works
on whole payloads, as in KServe, and calls the model's graph in the same process.
"""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.findings import Finding
from umbel.graph.implementations import Implementation, ModelFile, PythonClass
from umbel.graph.ir import Graph, Interface, Node, NodeKind
from umbel.graph.options import NodeOptions
from umbel.graph.router_steps import Predict
from umbel.graph.steps import Call, GraphName, Input, NodeName, Step, StepId
from umbel.graph.value_types import Port, Signature
from umbel.k8s.resources import Loaded
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.inference_service import Transformer
from umbel.k8s.resources.predictor import Model, Predictor
from umbel.k8s.resources.service_rules import implementations
from umbel.k8s.translate.containers import (
    NOWHERE,
    RUN_AS,
    WAYS,
    ContainerAddresses,
    host_of,
    in_containers,
    way_of,
)
from umbel.k8s.translate.forwarding import PAYLOAD, forwarding_graph, grpc_graphs
from umbel.k8s.translate.library_explainers import library_explainer
from umbel.k8s.translate.model_arguments import model_arguments
from umbel.k8s.translate.model_files import model_location, model_settings
from umbel.k8s.translate.names import Names, Service, model_name
from umbel.k8s.translate.payload_logging import payload_logs
from umbel.k8s.translate.placing import limits_of, together
from umbel.k8s.translate.python_classes import class_reference, constructor_arguments
from umbel.k8s.translate.scaling import batch_of
from umbel.k8s.translate.service_declarations import ServiceDeclarations
from umbel.nodes.model_formats import FORMATS

MODEL_SIGNATURE = Signature((Port("x"),), (Port("output"),))


def translate_service(
    service: Service, names: Names, loaded: Loaded, addresses: ContainerAddresses = NOWHERE
) -> tuple[tuple[Graph, ...], list[Finding]]:
    """The served graph first, then the inner ones, and what umbel cannot do with it."""
    hosts = {name: host_of(service.name, name) for name in in_containers(service, loaded)}
    found = {name: addresses.url(service.namespace, host) for name, host in hosts.items()}
    maker = _Maker(service, names.of(service), {name: url for name, url in found.items() if url})
    return maker.graphs(), maker.findings


class _Maker(ServiceDeclarations):
    """One InferenceService on its way to becoming graphs."""

    def __init__(self, service: Service, name: GraphName, containers: dict[str, str]) -> None:
        """``containers``: the URLs of the components that are containers."""
        super().__init__(service, containers)
        self.name = name
        self.model_name = model_name(service)

    def graphs(self) -> tuple[Graph, ...]:
        """The graphs, the served one first."""
        spec = self.service.spec
        self._check_ways()
        inner: tuple[Graph, ...] = ()
        if spec.transformer is None:
            served, *rest = self._predictor(self.name)
            inner = tuple(rest)
            answering = served.name
        elif not implementations(spec.predictor):
            served = self._transformer_alone(spec.transformer)
            answering = served.name
        else:
            inner = self._predictor(GraphName(f"{self.name}/predictor"))
            answering = inner[0].name
            served = self._transformed(answering)
        served = self._called_by_containers(served, answering)
        sinks = payload_logs(self.service, self._warn)
        if sinks:
            served = replace(served, settings={**served.settings, "payload_logs": sinks})
        explainer = self._explainer(served, inner)
        if explainer is not None:
            served = replace(served, explainer=explainer.name)
            inner = (*inner, explainer)
        return (served, *inner)

    def _check_ways(self) -> None:
        for name, component in self.service.spec.components:
            asked = way_of(self.service, component)
            if asked not in ("", *WAYS):
                where: tuple[str, ...] = ("metadata", "annotations", RUN_AS)
                if RUN_AS in component.annotations:
                    where = ("spec", name, "annotations", RUN_AS)
                told = f"{RUN_AS} is {asked!r}, not container or native"
                self._warn("UMB-K530", where, told, f"{RUN_AS}: container")

    def _called_by_containers(self, served: Graph, predictor: GraphName) -> Graph:
        """``served`` with the predictor as a part that answers by itself, where a container
        calls it: at the host that KServe gives it."""
        if "predictor" in self.containers or not self.containers:
            return served
        return replace(served, components={host_of(self.service.name, "predictor"): predictor})

    def _predictor(self, name: GraphName) -> tuple[Graph, ...]:
        """The predictor's graph first, then what it is made of."""
        predictor = self.service.spec.predictor
        if "predictor" in self.containers:
            parts = (self.containers["predictor"], self.model_name, self._settings(predictor))
            if _speaks_grpc_only(predictor):
                return grpc_graphs(name, "predictor", *parts, self._place("predictor"))
            return (forwarding_graph(name, "predictor", *parts, self._place("predictor")),)
        model = predictor.as_model()
        if model is not None:
            return (self._model(name, predictor, model),)
        container = predictor.custom_container or Container()
        methods = ("preprocess", "predict", "postprocess")
        chain = self._class_steps("predictor", container, methods)
        return (self._graph(name, chain, "payload", PAYLOAD, predictor),)

    def _forwarded(self, component: NodeKind, name: GraphName, sized: Component) -> Graph:
        url, place = self.containers[component], self._place(component)
        return forwarding_graph(name, component, url, self.model_name, self._settings(sized), place)

    def _model(self, name: GraphName, predictor: Predictor, model: Model) -> Graph:
        where = ("spec", "predictor", predictor.model_blocks[0][0])
        kind = model.model_format.name
        if kind not in FORMATS:
            self._warn(
                "UMB-K510",
                where,
                f"umbel has no runtime for the model format {kind!r}: the file is good, but the "
                "service cannot start here",
                f"convert the model to one of {', '.join(sorted(FORMATS))}",
            )
        asked = model_arguments(model)
        if asked.without_effect:
            self._warn(
                "UMB-K516",
                (*where, "args"),
                f"{', '.join(asked.without_effect)} mean nothing here: umbel runs the model "
                "itself, not the server that has these arguments",
                "remove them",
            )
        code = ModelFile(
            kind,
            model_location(predictor, model, self._folder()) or asked.uri,
            model.model_format.version or "",
            {**asked.settings, **model_settings(self.service, kind, model)},
        )
        node = self._node("predictor", "predictor", code, MODEL_SIGNATURE, predictor)
        steps = (
            Input(id=StepId("x"), port="x", place=node.place),
            Call(
                id=StepId(node.name),
                node=node.name,
                args=(("x", StepId("x")),),
                place=node.place,
            ),
        )
        return self._graph(name, (steps, (node,)), "tensors", MODEL_SIGNATURE, predictor)

    def _transformer_alone(self, transformer: Transformer) -> Graph:
        """No predictor: what ``preprocess`` and ``postprocess`` make of the body is the answer."""
        if "transformer" in self.containers:
            return self._forwarded("transformer", self.name, transformer)
        container = transformer.containers[0] if transformer.containers else Container()
        chain = self._class_steps("transformer", container, ("preprocess", "postprocess"))
        return self._graph(self.name, chain, "payload", PAYLOAD, transformer)

    def _transformed(self, predictor: GraphName) -> Graph:
        transformer = self.service.spec.transformer or Transformer()
        if "transformer" in self.containers:
            return self._forwarded("transformer", self.name, self.service.spec.predictor)
        container = transformer.containers[0] if transformer.containers else Container()
        before, nodes = self._class_steps("transformer", container, ("preprocess", "postprocess"))
        first, pre, post = before
        call = Predict(
            id=StepId("predictor"), graph=predictor, source=pre.id, place=self._place("predictor")
        )
        after = Call(
            id=post.id, node=NodeName(post.id), args=(("payload", call.id),), place=post.place
        )
        steps = (first, pre, call, after)
        return self._graph(self.name, (steps, nodes), "payload", PAYLOAD, transformer)

    def _explainer(self, served: Graph, inner: tuple[Graph, ...]) -> Graph | None:
        explainer = self.service.spec.explainer
        if explainer is None or not (explainer.containers or explainer.blocks):
            return None
        if not explainer.containers:
            codes = [node.code for one in (served, *inner) for node in one.nodes.values()]
            model = next((code for code in codes if isinstance(code, ModelFile)), None)
            options = NodeOptions(resources=limits_of(explainer.blocks[0][1]), fuse=self._fuse())
            graph, findings = library_explainer(self.service, explainer, served, model, options)
            self.findings += findings
            return graph
        name = GraphName(f"{self.name}/explainer")
        if "explainer" in self.containers:
            return self._forwarded("explainer", name, explainer)
        chain = self._class_steps("explainer", explainer.containers[0], ("explain",))
        return self._graph(name, chain, "payload", PAYLOAD, explainer)

    def _class_steps(
        self, component: NodeKind, container: Container, methods: tuple[str, ...]
    ) -> tuple[tuple[Step, ...], tuple[Node, ...]]:
        """A chain of a class's methods on one payload."""
        reference = class_reference(self.service, component, container)
        if not reference:
            self._warn(
                "UMB-K512",
                ("spec", component, "containers"),
                f"the {component} {container.image!r} is a container: a cluster starts it, umbel "
                "alone cannot",
                f"where it runs: umbel run --service {host_of(self.service.name, component)}="
                f"http://HOST:PORT; or its Python class: umbel.dev/{component}-class: "
                "'module:Class'",
            )
        place = self._place(component)
        steps: list[Step] = [Input(id=StepId("payload"), port="payload", place=place)]
        nodes: list[Node] = []
        for method in methods:
            code = PythonClass(
                reference,
                method,
                self._folder(),
                constructor_arguments(container, self.model_name),
            )
            node = self._node(f"{component}.{method}", component, code, PAYLOAD, None)
            args = (("payload", steps[-1].id),)
            steps.append(Call(id=StepId(node.name), node=node.name, args=args, place=place))
            nodes.append(node)
        return tuple(steps), together(nodes, component, *self._placed(component, container))

    def _node(
        self,
        name: str,
        kind: NodeKind,
        code: Implementation,
        signature: Signature,
        component: Predictor | None,
    ) -> Node:
        options = NodeOptions(deterministic=False)
        if component is not None:
            blocks = component.model_blocks
            resources, placement = self._placed(kind, blocks[0][1] if blocks else None)
            options = replace(
                options,
                batch=batch_of(component),
                resources=resources,
                placement=placement,
                fuse=self._fuse(),
            )
        return Node(NodeName(name), kind, code, signature, options, self._place(kind))

    def _graph(
        self,
        name: GraphName,
        chain: tuple[tuple[Step, ...], tuple[Node, ...]],
        interface: Interface,
        signature: Signature,
        component: Component,
    ) -> Graph:
        steps, nodes = chain
        return Graph(
            name=name,
            nodes={node.name: node for node in nodes},
            steps=steps,
            outputs=(("output", steps[-1].id),),
            signature=signature,
            interface=interface,
            model_name=self.model_name,
            settings=self._settings(component),
            place=self._place(""),
        )


def _speaks_grpc_only(predictor: Predictor) -> bool:
    """Whether KServe takes the container's ports for gRPC, by their names."""
    container = predictor.container("transformer-container") or predictor.custom_container
    ports = container.ports if container is not None else ()
    return bool(ports) and all(one.name.startswith(("grpc", "h2c")) for one in ports)
