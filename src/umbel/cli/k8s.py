"""``umbel k8s``: manifests and CRDs on stdout."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from umbel.cli import fetch, operator, seal_key
from umbel.cli.cluster_options import add_cluster_options, render_options
from umbel.cli.reporting import print_findings
from umbel.graph.errors import DeclarationError
from umbel.graph.findings import has_errors


def add(verbs: Any) -> None:
    """Declare the verb and its own verbs."""
    verb = verbs.add_parser("k8s", help="Kubernetes: manifests, CRDs, installation")
    inner = verb.add_subparsers(dest="k8s_verb", metavar="VERB", required=True)
    _add_render(inner)
    _add_crds(inner)
    _add_install(inner)
    _add_webhooks(inner)
    operator.add(inner)
    seal_key.add(inner)
    fetch.add(inner)


def _add_render(inner: Any) -> None:
    render = inner.add_parser("render", help="print what is applied for KServe's resources")
    render.add_argument("files", nargs="+", metavar="FILE", help="KServe YAML")
    render.add_argument("--target", choices=["kuberay"], default="kuberay")
    render.add_argument("--namespace", default="", help="of resources that name none")
    add_cluster_options(render)
    render.add_argument("--json", action="store_true", help="one JSON List instead of YAML")
    render.set_defaults(run=run_render)


def _add_crds(inner: Any) -> None:
    crds = inner.add_parser("crds", help="print the CRDs, compatible with KServe's")
    crds.add_argument(
        "--conversion",
        default="",
        metavar="NAMESPACE/SERVICE",
        help="serve v1alpha2, too, converted by the operator's webhook",
    )
    crds.add_argument("--json", action="store_true", help="one JSON List instead of YAML")
    crds.set_defaults(run=run_crds)


def _add_install(inner: Any) -> None:
    install = inner.add_parser("install", help="print all that installs the operator")
    install.add_argument("--namespace", default="umbel-system", help="of the operator")
    install.add_argument("--watch", default="", metavar="NAMESPACE", help="only this namespace")
    install.add_argument("--target", choices=["kuberay", "ray"], default="kuberay")
    install.add_argument("--dashboard-url", default="", help="of Ray's dashboard (target ray)")
    install.add_argument(
        "--pull-secret", default="", metavar="SECRET", help="in --namespace, for the image"
    )
    install.add_argument(
        "--serve-url",
        default="",
        help="where clients reach Serve (target ray); default: port 8000 of the dashboard's host",
    )
    install.add_argument(
        "--ray-token-secret",
        default="",
        metavar="SECRET",
        help="in --namespace, with the key 'auth_token' (target ray)",
    )
    install.add_argument(
        "--seal-secret",
        default="",
        metavar="SECRET",
        help="in --namespace: as `umbel k8s seal-key --secret` prints it (target ray)",
    )
    install.add_argument(
        "--config-namespace", default="", help="of inferenceservice-config; default: --namespace"
    )
    install.add_argument("--no-crds", action="store_true", help="the cluster has KServe's CRDs")
    install.add_argument("--no-webhooks", action="store_true")
    install.add_argument("--chart", default="", metavar="FOLDER", help="write a Helm chart there")
    add_cluster_options(install)
    install.set_defaults(run=run_install)


def _add_webhooks(inner: Any) -> None:
    webhooks = inner.add_parser("webhooks", help="serve validation, defaults and conversion")
    webhooks.add_argument("--namespace", default="umbel-system", help="of Service and Secret")
    webhooks.add_argument("--service", default="umbel-webhooks")
    webhooks.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104
    webhooks.add_argument("--port", type=int, default=9443)
    webhooks.add_argument("--watch", default="", metavar="NAMESPACE", help="only this one")
    webhooks.set_defaults(run=run_webhooks)


def run_render(arguments: argparse.Namespace) -> int:
    """Print the objects; 1 if a resource has errors."""
    from umbel.k8s.manifests import render_texts

    options = render_options(arguments, arguments.namespace)
    rendered = render_texts([(file, _read(file)) for file in arguments.files], options)
    print_findings(rendered.findings)
    if has_errors(rendered.findings):
        return 1
    _print(list(rendered.objects), as_json=arguments.json)
    return 0


def run_crds(arguments: argparse.Namespace) -> int:
    """Print the CRDs."""
    from umbel.k8s.crds import ConversionWebhook, crds

    namespace, _, service = arguments.conversion.rpartition("/")
    webhook = ConversionWebhook(service, namespace or "umbel-system") if service else None
    _print(crds(webhook), as_json=arguments.json)
    return 0


def run_install(arguments: argparse.Namespace) -> int:
    """Print the installation."""
    from umbel.k8s.install import InstallOptions, chart, installation

    if arguments.chart:
        for name, text in chart(importlib.metadata.version("umbel")).items():
            path = Path(arguments.chart, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    if arguments.target == "ray" and not arguments.dashboard_url:
        raise DeclarationError(
            "--target ray needs the Ray cluster's dashboard: add --dashboard-url http://HOST:8265"
        )
    options = InstallOptions(
        namespace=arguments.namespace,
        render=render_options(arguments),
        watch=arguments.watch,
        target=arguments.target,
        dashboard=arguments.dashboard_url,
        serve_url=arguments.serve_url,
        token_secret=arguments.ray_token_secret,
        seal_secret=arguments.seal_secret,
        pull_secret=arguments.pull_secret,
        config_namespace=arguments.config_namespace,
        crds=not arguments.no_crds,
        webhooks=not arguments.no_webhooks,
    )
    _print(installation(options), as_json=False)
    return 0


def run_webhooks(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from umbel.k8s.admission.hosting import HostingOptions, host_webhooks

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = HostingOptions(
        namespace=arguments.namespace,
        service=arguments.service,
        host=arguments.host,
        port=arguments.port,
        watch=(arguments.watch,) if arguments.watch else (),
    )

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await host_webhooks(options, stop)

    asyncio.run(serve())
    return 0


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{file}: cannot be read: {error}") from error


def _print(objects: list[dict[str, Any]], *, as_json: bool) -> None:
    from umbel.k8s.manifests import as_yaml

    if as_json:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2))
    else:
        print(as_yaml(objects), end="")
