"""How a resource is reached from outside: host and path as KServe gives them.

gRPC has the same host. Its calls are told from HTTP by their path: a GRPCRoute beside the
HTTPRoute would be refused, as two kinds of routes must not share a host.
"""

from __future__ import annotations

from umbel.k8s.manifests.grpc_access import CALLS, SERVICE_PORT, grpc_name
from umbel.k8s.manifests.options import RouteOptions
from umbel.k8s.manifests.ray_services import metadata
from umbel.k8s.manifests.workloads import Object, Workload

PORT = 80
VISIBILITY = "networking.kserve.io/visibility"
"""KServe's label: ``cluster-local`` means no way in from outside."""

DEFAULT_TIMEOUT_S = 60


def host_of(workload: Workload, options: RouteOptions) -> str:
    """``NAME-NAMESPACE.DOMAIN``: KServe's default ``domainTemplate``."""
    return f"{workload.name}-{workload.namespace}.{options.domain}"


def routes(workload: Workload, options: RouteOptions) -> list[Object]:
    """HTTPRoutes or an Ingress; none where the resource is for the cluster only."""
    if options.kind == "none" or workload.labels.get(VISIBILITY) == "cluster-local":
        return []
    if options.kind == "ingress":
        return _ingresses(workload, options)
    found = [
        _http_route(workload, workload.name, host_of(workload, options), _prefix("/"), options)
    ]
    found[0]["spec"]["rules"].insert(0, _grpc_rule(workload))
    if options.path_template:
        path = options.path_template.format(namespace=workload.namespace, name=workload.name)
        name = f"{workload.name}-path"
        found.append(_http_route(workload, name, options.domain, _prefix(path), options))
    return found


def _http_route(
    workload: Workload, route: str, host: str, match: Object, options: RouteOptions
) -> Object:
    namespace, _, name = options.gateway.rpartition("/")
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}
    rule = _rule(workload, match, workload.name, PORT)
    if match["path"]["value"] != "/":
        rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(workload, route),
        "spec": {
            "parentRefs": [{**parent, "namespace": namespace or workload.namespace}],
            "hostnames": [host],
            "rules": [rule],
        },
    }


def _grpc_rule(workload: Workload) -> Object:
    return _rule(workload, _prefix(CALLS), grpc_name(workload.name), SERVICE_PORT)


def _rule(workload: Workload, match: Object, service: str, port: int) -> Object:
    seconds = workload.pod.get("timeout") or DEFAULT_TIMEOUT_S
    return {
        "matches": [match],
        "backendRefs": [
            {"group": "", "kind": "Service", "name": service, "port": port, "weight": 1}
        ],
        "timeouts": {"request": f"{seconds}s"},
    }


def _prefix(path: str) -> Object:
    return {"path": {"type": "PathPrefix", "value": path}}


def _ingresses(workload: Workload, options: RouteOptions) -> list[Object]:
    """One for HTTP and one for gRPC: ingress-nginx goes by an annotation of the whole object,
    others by the Service's ``appProtocol``."""
    calls = _ingress(workload, options, grpc_name(workload.name), CALLS, SERVICE_PORT)
    calls["metadata"] = metadata(workload, grpc_name(workload.name))
    calls["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    return [_ingress(workload, options, workload.name, "/", PORT), calls]


def _ingress(
    workload: Workload, options: RouteOptions, service: str, prefix: str, port: int
) -> Object:
    host = host_of(workload, options)
    backend = {"service": {"name": service, "port": {"number": port}}}
    path = {"path": prefix, "pathType": "Prefix", "backend": backend}
    spec: Object = {
        "ingressClassName": options.ingress_class,
        "rules": [{"host": host, "http": {"paths": [path]}}],
    }
    if options.tls_secret:
        spec["tls"] = [{"hosts": [host], "secretName": options.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(workload, workload.name),
        "spec": spec,
    }
