"""What an InferenceService declares of its components' replicas: sizes, places, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from umbel.graph.findings import Finding, Place
from umbel.graph.ir import NodeKind
from umbel.graph.options import Fuse, Resources, Scale
from umbel.graph.placement import Placement
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.deployment_mode import deployment_mode
from umbel.k8s.translate.names import Service
from umbel.k8s.translate.placing import placed
from umbel.k8s.translate.scaling import scale_of

FUSE = "umbel.dev/fuse"


class ServiceDeclarations:
    """One InferenceService's, and the findings about what cannot be honoured."""

    def __init__(self, service: Service, containers: Mapping[str, str]) -> None:
        """``containers``: the URLs of the components that are containers."""
        self.service, self.containers = service, containers
        self.findings: list[Finding] = []

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

    def _settings(self, component: Component) -> dict[str, object]:
        """What the component asks of its replicas. One that is a container has them itself: the
        graph in front of it grows with them and keeps one."""
        settings: dict[str, object] = {"kserve": True}
        if component.timeout:
            settings["timeout_s"] = float(component.timeout)
        outside = any(getattr(self.service.spec, name) is component for name in self.containers)
        scale = scale_of(component, self._annotations(component))
        if scale is not None:
            settings["scale"] = Scale(1, max(1, scale.ceiling)) if outside else scale
        if component.container_concurrency and not outside:
            settings["max_concurrency"] = component.container_concurrency
        return settings

    def _annotations(self, component: Component) -> Mapping[str, str]:
        """What Knative would be told. In the mode Standard there is none, in KServe either."""
        if deployment_mode(self.service) == "Standard":
            return {}
        return {**self.service.annotations, **component.annotations}

    def _folder(self) -> str:
        return str(Path(self.service.place("spec").file).resolve().parent)

    def _place(self, component: str) -> Place:
        return self.service.place(*(("spec", component) if component else ("spec",)))

    def _warn(self, code: str, path: tuple[str, ...], message: str, fix: str) -> None:
        self.findings.append(self.service.finding("warning", code, path, message, fix))
