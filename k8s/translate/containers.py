"""Which components of a service run as containers of their own, and where those are reached.

A component whose code umbel does not have runs in the container that its resource names: the
user's own image, or that of the serving runtime. A model format that umbel reads, in a runtime
whose image umbel stands in for, runs in umbel's replicas, as a class does that umbel can import.
``umbel.dev/run-as`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from umbel.k8s.resources import Loaded, Runtime, RuntimeChoice, available_runtimes, runtime_of
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.explainer import Explainer
from umbel.k8s.resources.predictor import Predictor
from umbel.k8s.translate.names import Service
from umbel.k8s.translate.python_classes import class_reference
from umbel.nodes.model_formats import FORMATS

RUN_AS = "umbel.dev/run-as"
"""Annotation of a service or of one component: ``container`` or ``native``."""

WAYS = ("container", "native")

STOOD_IN_FOR = frozenset(
    ("catboostserver", "huggingfaceserver", "lgbserver", "mlserver", "pmmlserver",
     "predictiveserver", "serving", "sklearnserver", "torchserve", "torchserve-kfs",
     "tritonserver", "vllm-openai", "vllmserver", "xgbserver")
)  # fmt: skip
"""Images by the last part of their names: servers whose models umbel serves itself."""


@dataclass(frozen=True)
class InContainer:
    """A component that runs as a container. ``runtime``: whose pod it is built on, ``None``
    where all of it is in the service."""

    component: str
    runtime: Runtime | None = None


@dataclass(frozen=True)
class ContainerAddresses:
    """Where containers answer. ``given``: URLs by ``NAMESPACE/HOST`` or ``HOST``, where ``HOST``
    is what KServe calls the component's Service, ``NAME-predictor``. ``template`` is for all
    others, with ``{name}`` and ``{namespace}``; empty where nothing starts containers."""

    given: Mapping[str, str] = field(default_factory=dict)
    template: str = ""

    def url(self, namespace: str, host: str) -> str:
        """The URL of a component; empty where there is none."""
        found = self.given.get(f"{namespace}/{host}") or self.given.get(host)
        return found or self.template.format(name=host, namespace=namespace)


NOWHERE = ContainerAddresses()
"""On a laptop nothing starts containers."""

IN_CLUSTER = ContainerAddresses(template="http://{name}.{namespace}.svc.cluster.local")
"""Each component behind a Service of its own."""


def host_of(service: str, component: str) -> str:
    """What KServe calls the component's Service."""
    return f"{service}-{component}"


def in_containers(service: Service, loaded: Loaded) -> dict[str, InContainer]:
    """The components that run as containers, by name, in the order in which they call each
    other: the predictor first."""
    found: dict[str, InContainer] = {}
    for name, component in service.spec.components:
        if isinstance(component, Predictor) and component.model_blocks:
            runtime = _runtime(service, component, loaded)
            if runtime is not None:
                found[name] = InContainer(name, runtime)
        elif _is_image(service, name, component):
            found[name] = InContainer(name)
    return found


def way_of(service: Service, component: Component) -> str:
    """What the resource asks for: ``container``, ``native``, or nothing of the two."""
    notes = {**service.annotations, **component.annotations}
    return str(notes.get(RUN_AS, "")).lower()


def _is_image(service: Service, name: str, component: Component) -> bool:
    """Whether a component's own containers are to run."""
    if isinstance(component, Explainer) and component.blocks:
        return False
    if not any(one.image for one in component.containers):
        return False
    asked = way_of(service, component)
    if asked in WAYS:
        return asked == "container"
    main = component.container("kserve-container") or component.containers[0]
    several = len(component.containers) > 1
    return several or not class_reference(service, name, main)


def _runtime(service: Service, predictor: Predictor, loaded: Loaded) -> Runtime | None:
    """The runtime whose container is to serve the model; None where umbel does."""
    asked = way_of(service, predictor)
    model = predictor.as_model()
    if asked == "native" or model is None or predictor.worker_spec is not None:
        return None
    choice = runtime_of(predictor, service.namespace, available_runtimes(loaded.runtimes))
    if not isinstance(choice, RuntimeChoice):
        return None
    image = model.image or choice.runtime.image
    if not image:
        return None
    helped = bool(predictor.containers) or len(predictor.storage_uris) > 1
    known = model.model_format.name in FORMATS and _stands_in_for(image)
    return choice.runtime if asked == "container" or helped or not known else None


def _stands_in_for(image: str) -> bool:
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name in STOOD_IN_FOR
