"""The client: InferenceServices, InferenceGraphs, TrainedModels, storage credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.k8s.client import readiness, storage_secrets
from umbel.k8s.client.absent_methods import AbsentMethods
from umbel.k8s.client.access import Access, sign_in
from umbel.k8s.client.api_server import GROUP, ApiServer, Raw, Served
from umbel.k8s.client.failures import Conflict
from umbel.k8s.client.given_resources import Given, plain, whole
from umbel.k8s.client.kubernetes_apis import KubernetesApis
from umbel.k8s.client.prior_check import checked, merged

MODEL = Served("TrainedModel", "trainedmodels", "v1alpha1", GROUP)

_CONFLICTS = 5
_TIMEOUT_S, _POLL_S = 600.0, 2.0


def _service(version: str) -> Served:
    return Served("InferenceService", "inferenceservices", version, GROUP)


def _graph(version: str) -> Served:
    return Served("InferenceGraph", "inferencegraphs", version, GROUP)


class UmbelClient(AbsentMethods, KubernetesApis):
    """Methods and arguments are those of KServe's ``KServeClient``; times are in seconds.

    ``config_file``, ``config_dict``, ``context``: a kubeconfig; without them the pod's
    ServiceAccount, or ``KUBECONFIG``. ``access`` takes the place of all three; a kubeconfig is
    never written, so ``persist_config`` changes nothing. ``check``: refuse
    what ``umbel check`` finds errors in before anything is sent (``CheckFailed``, with every
    finding); warnings are logged to ``umbel.client``.

    A resource is given as a mapping, as YAML text, as a file's path, as a typed spec with
    ``name=...``, or as an object of KServe's SDK; it comes back as a mapping. Errors are
    ``ApiFailure`` and its kinds. Threads may share a client.
    """

    def __init__(
        self,
        config_file: str | Path | None = None,
        config_dict: Mapping[str, Any] | None = None,
        context: str | None = None,
        client_configuration: None = None,
        persist_config: bool = True,
        *,
        access: Access | None = None,
        check: bool = True,
        timeout_s: float = 60.0,
    ) -> None:
        if client_configuration is not None:
            raise DeclarationError(
                "client_configuration is not used: give config_file=, config_dict= or access="
            )
        self.access = access or sign_in(config_file, config_dict, context)
        self._server, self._check = ApiServer(self.access, timeout_s), check

    def set_credentials(
        self,
        storage_type: str,
        namespace: str | None = None,
        credentials_file: str | Path | None = None,
        service_account: str = storage_secrets.DEFAULT_ACCOUNT,
        **options: str | bool | None,
    ) -> str:
        """Make a Secret of the credentials in a file and add it to a ServiceAccount, which a
        service then names in ``predictor.serviceAccountName``. Returns the Secret's name.

        ``storage_type``: ``S3``, ``GCS`` or ``Azure``. Options of S3: ``s3_profile``,
        ``s3_endpoint``, ``s3_region``, ``s3_use_https``, ``s3_verify_ssl``, ``s3_cabundle``.
        """
        content = storage_secrets.secret_content(storage_type, credentials_file, options)
        where = self._namespace(namespace)
        return storage_secrets.keep(self._server, where, content, service_account)

    def create(
        self,
        inferenceservice: Given,
        namespace: str | None = None,
        watch: bool = False,
        timeout_seconds: float = _TIMEOUT_S,
        *,
        name: str = "",
    ) -> Raw:
        """Create a service. ``watch``: return when it is ready, and log how it gets there."""
        made = self._create(_service("v1beta1"), inferenceservice, namespace, name)
        if not watch:
            return made
        found = made["metadata"]
        return self.wait_isvc_ready(found["name"], found["namespace"], True, timeout_seconds)

    def get(
        self,
        name: str | None = None,
        namespace: str | None = None,
        watch: bool = False,
        timeout_seconds: float = _TIMEOUT_S,
        version: str = "v1beta1",
    ) -> Raw:
        """One service, or without ``name`` the list of them (``["items"]``)."""
        if name and watch:
            return self.wait_isvc_ready(name, namespace, True, timeout_seconds, version=version)
        return self._server.get(_service(version), self._namespace(namespace), name or "")

    def patch(
        self,
        name: str,
        inferenceservice: Given,
        namespace: str | None = None,
        watch: bool = False,
        timeout_seconds: float = _TIMEOUT_S,
    ) -> Raw:
        """Change the fields that are given, and no others; None removes one. Lists are whole."""
        kind, where = _service("v1beta1"), self._namespace(namespace)
        change = plain(inferenceservice)
        if self._check:
            whole_one = merged(self._server.get(kind, where, name), change)
            checked(whole(whole_one, kind, name, where))
        made = self._server.patch(kind, where, name, change)
        return self.wait_isvc_ready(name, where, True, timeout_seconds) if watch else made

    def replace(
        self,
        name: str,
        inferenceservice: Given,
        namespace: str | None = None,
        watch: bool = False,
        timeout_seconds: float = _TIMEOUT_S,
    ) -> Raw:
        """Put the whole service in place of what is there. With a ``resourceVersion`` of its own
        it is a ``Conflict`` if someone was faster; without one the newest is replaced."""
        kind, where = _service("v1beta1"), self._namespace(namespace, inferenceservice)
        raw = whole(inferenceservice, kind, name, where)
        if self._check:
            checked(raw)
        made = self._replace(kind, where, name, raw)
        return self.wait_isvc_ready(name, where, True, timeout_seconds) if watch else made

    def delete(self, name: str, namespace: str | None = None, version: str = "v1beta1") -> Raw:
        """Delete a service and what it owns."""
        return self._server.delete(_service(version), self._namespace(namespace), name)

    def is_isvc_ready(
        self,
        name: str,
        namespace: str | None = None,
        version: str = "v1beta1",
        expected_generation: int | None = None,
    ) -> bool:
        """Is the service ready, as it is specified now?"""
        return readiness.is_ready(self.get(name, namespace, version=version), expected_generation)

    def wait_isvc_ready(
        self,
        name: str,
        namespace: str | None = None,
        watch: bool = False,
        timeout_seconds: float = _TIMEOUT_S,
        polling_interval: float = _POLL_S,
        version: str = "v1beta1",
        expected_generation: int | None = None,
    ) -> Raw:
        """The service once it is ready. Raises ``NotReadyInTime`` with its conditions."""
        kind, times = _service(version), (timeout_seconds, polling_interval)
        return self._wait(kind, name, namespace, *times, watch, expected_generation)

    def create_trained_model(
        self, trainedmodel: Given, namespace: str | None = None, *, name: str = ""
    ) -> Raw:
        """Create a model of a service that holds several."""
        return self._create(MODEL, trainedmodel, namespace, name)

    def delete_trained_model(
        self, name: str, namespace: str | None = None, version: str = MODEL.version
    ) -> Raw:
        """Delete a model; its service unloads it."""
        return self._server.delete(
            replace(MODEL, version=version), self._namespace(namespace), name
        )

    def wait_model_ready(
        self,
        service_name: str,
        model_name: str,
        isvc_namespace: str | None = None,
        isvc_version: str = "v1beta1",
        cluster_ip: str | None = None,
        protocol_version: str = "v1",
        timeout_seconds: float = _TIMEOUT_S,
        polling_interval: float = _POLL_S,
    ) -> Raw:
        """The model once its service has loaded it: its condition, where KServe's client asks
        the model's own endpoint. That is what ``isvc_version``, ``cluster_ip`` and
        ``protocol_version`` are for; here they change nothing. Raises ``NotReadyInTime``."""
        where = self._namespace(isvc_namespace)
        spec = self._server.get(MODEL, where, model_name).get("spec") or {}
        if spec.get("inferenceService") != service_name:
            raise DeclarationError(
                f"TrainedModel {model_name} is of InferenceService "
                f"{spec.get('inferenceService')!r}, not of {service_name!r}"
            )
        return self._wait(MODEL, model_name, where, timeout_seconds, polling_interval, False)

    def create_inference_graph(
        self, inferencegraph: Given, namespace: str | None = None, *, name: str = ""
    ) -> Raw:
        """Create a graph."""
        return self._create(_graph("v1alpha1"), inferencegraph, namespace, name)

    def get_inference_graph(
        self, name: str, namespace: str | None = None, version: str = "v1alpha1"
    ) -> Raw:
        """One graph."""
        return self._server.get(_graph(version), self._namespace(namespace), name)

    def delete_inference_graph(
        self, name: str, namespace: str | None = None, version: str = "v1alpha1"
    ) -> Raw:
        """Delete a graph; the services it calls stay."""
        return self._server.delete(_graph(version), self._namespace(namespace), name)

    def is_ig_ready(
        self, name: str, namespace: str | None = None, version: str = "v1alpha1"
    ) -> bool:
        """Is the graph ready, as it is specified now, and the services it calls?"""
        return readiness.is_ready(self.get_inference_graph(name, namespace, version))

    def wait_ig_ready(
        self,
        name: str,
        namespace: str | None = None,
        version: str = "v1alpha1",
        timeout_seconds: float = _TIMEOUT_S,
        polling_interval: float = _POLL_S,
    ) -> Raw:
        """The graph once it is ready. Raises ``NotReadyInTime`` with its conditions."""
        kind = _graph(version)
        return self._wait(kind, name, namespace, timeout_seconds, polling_interval, False)

    def _create(self, kind: Served, given: Given, namespace: str | None, name: str) -> Raw:
        where = self._namespace(namespace, given)
        raw = whole(given, kind, name, where)
        if self._check:
            checked(raw)
        return self._server.create(kind, where, raw)

    def _replace(self, kind: Served, namespace: str, name: str, raw: Raw) -> Raw:
        if raw["metadata"].get("resourceVersion"):
            return self._server.replace(kind, namespace, name, raw)
        for _ in range(_CONFLICTS - 1):
            try:
                return self._replace_newest(kind, namespace, name, raw)
            except Conflict:
                continue
        return self._replace_newest(kind, namespace, name, raw)

    def _replace_newest(self, kind: Served, namespace: str, name: str, raw: Raw) -> Raw:
        newest = self._server.get(kind, namespace, name)["metadata"]
        kept = {"resourceVersion": newest["resourceVersion"]}
        if newest.get("finalizers"):  # they are others' to take off
            kept["finalizers"] = newest["finalizers"]
        metadata = {**raw["metadata"], **kept}
        return self._server.replace(kind, namespace, name, {**raw, "metadata": metadata})

    def _wait(
        self,
        kind: Served,
        name: str,
        namespace: str | None,
        timeout_s: float,
        poll_s: float,
        told: bool,
        generation: int | None = None,
    ) -> Raw:
        where = self._namespace(namespace)
        return readiness.wait(
            lambda: self._server.get(kind, where, name),
            f"{kind.kind} {where}/{name}",
            timeout_s,
            poll_s,
            told,
            generation,
        )

    def _namespace(self, asked: str | None, given: Given | None = None) -> str:
        """The call's, else the resource's, else the kubeconfig's."""
        metadata = plain(given).get("metadata") if given is not None and not asked else None
        own = metadata.get("namespace") if isinstance(metadata, Mapping) else None
        return asked or (str(own) if own else self.access.namespace)
