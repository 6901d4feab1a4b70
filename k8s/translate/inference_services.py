"""InferenceService → a graph of its components, with V1 and V2 in front.

A model alone is a graph of typed tensors. A transformer or a model class of the user's works
on whole payloads, as in KServe, and calls the model's graph in the same process.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from umbel.graph.findings import Finding, Place
from umbel.graph.implementations import Implementation, ModelFile, PythonClass
from umbel.graph.ir import Graph, Interface, Node, NodeKind
from umbel.graph.options import Fuse, NodeOptions, Resources
from umbel.graph.placement import Placement
from umbel.graph.router_steps import Predict
from umbel.graph.steps import Call, GraphName, Input, NodeName, Step, StepId
from umbel.graph.value_types import Port, Signature
from umbel.k8s.resources import Loaded
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.inference_service import Transformer
from umbel.k8s.resources.predictor import Model, Predictor
from umbel.k8s.resources.service_rules import implementations
from umbel.k8s.translate.library_explainers import library_explainer
from umbel.k8s.translate.model_arguments import model_arguments
from umbel.k8s.translate.names import Names, Service, model_name
from umbel.k8s.translate.payload_logging import payload_logs
from umbel.k8s.translate.placing import limits_of, placed, together
from umbel.k8s.translate.python_classes import class_reference, constructor_arguments
from umbel.k8s.translate.scaling import batch_of, scale_of
from umbel.nodes.model_formats import FORMATS

ALLOW_PICKLE = "umbel.dev/allow-pickle"
FUSE = "umbel.dev/fuse"
TRUSTED_TYPES = "umbel.dev/trusted-types"
"""Types in a skops file that the user trusts, separated by commas or spaces."""

MODEL_DIGEST = "umbel.dev/model-sha256"

MODEL_SIGNATURE = Signature((Port("x"),), (Port("output"),))
PAYLOAD = Signature((Port("payload"),), (Port("output"),))


def translate_service(
    service: Service, names: Names, loaded: Loaded
) -> tuple[tuple[Graph, ...], list[Finding]]:
    """The served graph first, then the inner ones, and what umbel cannot do with it."""
    maker = _Maker(service, names.of(service))
    return maker.graphs(), maker.findings


class _Maker:
    """One InferenceService on its way to becoming graphs."""

    def __init__(self, service: Service, name: GraphName) -> None:
        self.service, self.name = service, name
        self.findings: list[Finding] = []
        self.model_name = model_name(service)

    def graphs(self) -> tuple[Graph, ...]:
        """The graphs, the served one first."""
        spec = self.service.spec
        inner: tuple[Graph, ...] = ()
        if spec.transformer is None:
            served = self._predictor(self.name)
        elif not implementations(spec.predictor):
            served = self._transformer_alone(spec.transformer)
        else:
            predictor = self._predictor(GraphName(f"{self.name}/predictor"))
            inner = (predictor,)
            served = self._transformed(predictor.name)
        sinks = payload_logs(self.service, self._warn)
        if sinks:
            served = replace(served, settings={**served.settings, "payload_logs": sinks})
        explainer = self._explainer(served, inner)
        if explainer is not None:
            served = replace(served, explainer=explainer.name)
            inner = (*inner, explainer)
        return (served, *inner)

    def _predictor(self, name: GraphName) -> Graph:
        predictor = self.service.spec.predictor
        model = predictor.as_model()
        if model is not None:
            return self._model(name, predictor, model)
        container = predictor.custom_container or Container()
        methods = ("preprocess", "predict", "postprocess")
        chain = self._class_steps("predictor", container, methods)
        return self._graph(name, chain, "payload", PAYLOAD, predictor)

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
            self._location(predictor, model) or asked.uri,
            model.model_format.version or "",
            {**asked.settings, **self._settings(kind, model)},
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
        container = transformer.containers[0] if transformer.containers else Container()
        chain = self._class_steps("transformer", container, ("preprocess", "postprocess"))
        return self._graph(self.name, chain, "payload", PAYLOAD, transformer)

    def _transformed(self, predictor: GraphName) -> Graph:
        transformer = self.service.spec.transformer or Transformer()
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
        chain = self._class_steps("explainer", explainer.containers[0], ("explain",))
        name = GraphName(f"{self.name}/explainer")
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
                f"umbel runs no images: it cannot start the {component} {container.image!r}",
                "name its Python class: annotate the service with "
                f"umbel.dev/{component}-class: 'module:Class'",
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

    def _placed(
        self, component: NodeKind, container: Container | None
    ) -> tuple[Resources, Placement]:
        def warn(code: str, path: tuple[str, ...], message: str, fix: str) -> None:
            where = ("metadata", *path) if path[0] == "annotations" else ("spec", component, *path)
            self._warn(code, where, message, fix)

        declared: Component = getattr(self.service.spec, component)
        return placed(declared, container, self.service.annotations, warn)

    def _fuse(self) -> Fuse:
        asked = str(self.service.annotations.get(FUSE, "auto"))
        choices: dict[str, Fuse] = {"auto": "auto", "always": "always", "never": "never"}
        if asked not in choices:
            self._warn(
                "UMB-K513",
                ("metadata", "annotations", FUSE),
                f"{FUSE} is {asked!r}, not auto, always or never",
                f"{FUSE}: auto",
            )
        return choices.get(asked, "auto")

    def _graph(
        self,
        name: GraphName,
        chain: tuple[tuple[Step, ...], tuple[Node, ...]],
        interface: Interface,
        signature: Signature,
        component: Component,
    ) -> Graph:
        steps, nodes = chain
        settings: dict[str, object] = {"kserve": True}
        if component.timeout:
            settings["timeout_s"] = float(component.timeout)
        scale = scale_of(component)
        if scale is not None:
            settings["scale"] = scale
        if component.container_concurrency:
            settings["max_concurrency"] = component.container_concurrency
        return Graph(
            name=name,
            nodes={node.name: node for node in nodes},
            steps=steps,
            outputs=(("output", steps[-1].id),),
            signature=signature,
            interface=interface,
            model_name=self.model_name,
            settings=settings,
            place=self._place(""),
        )

    def _location(self, predictor: Predictor, model: Model) -> str:
        uri = model.storage_uri or (predictor.storage_uris[0].uri if predictor.storage_uris else "")
        if not uri and model.storage is not None:
            parameters, path = model.storage.parameters, model.storage.path or ""
            kind, bucket = parameters.get("type", "s3"), parameters.get("bucket", "")
            uri = path if "://" in path else f"{kind}://{bucket}/{path}"
        if uri and "://" not in uri and not uri.startswith("/"):
            uri = str(Path(self._folder()) / uri)
        return uri

    def _settings(self, kind: str, model: Model) -> dict[str, object]:
        settings: dict[str, object] = {}
        annotations = self.service.annotations
        if str(annotations.get(ALLOW_PICKLE, "")).lower() == "true":
            settings["allow_pickle"] = True
        if annotations.get(MODEL_DIGEST):
            settings["sha256"] = str(annotations[MODEL_DIGEST])
        if annotations.get(TRUSTED_TYPES):
            words = str(annotations[TRUSTED_TYPES]).replace(",", " ").split()
            settings["trusted"] = words
        if kind == "sklearn" and (model.env_value("PREDICT_PROBA") or "").lower() == "true":
            settings["method"] = "predict_proba"
        return settings

    def _folder(self) -> str:
        return str(Path(self.service.place("spec").file).resolve().parent)

    def _place(self, component: str) -> Place:
        return self.service.place(*(("spec", component) if component else ("spec",)))

    def _warn(self, code: str, path: tuple[str, ...], message: str, fix: str) -> None:
        self.findings.append(self.service.finding("warning", code, path, message, fix))
