"""``umbel run FILE…``: serve in the foreground."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from typing import Any

import umbel
from umbel.cli import files
from umbel.cli.clusters import add_address, add_growing, cluster_of
from umbel.cli.grpc_options import add_grpc, grpc_of
from umbel.cli.pools import add_pools, pools_of
from umbel.cli.reporting import print_findings, report_error
from umbel.cli.services import add_services, services_of
from umbel.graph import passes
from umbel.graph.errors import UmbelError
from umbel.graph.placement import label_problem
from umbel.graph.plan import Plan
from umbel.serving.stop_signals import stop_signals

MIB = 1024 * 1024

ALLOW_PICKLE = "UMBEL_ALLOW_PICKLE"


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser("run", help="serve graphs until Ctrl-C, on embedded Ray or in process")
    verb.add_argument("files", nargs="+", metavar="FILE")
    where = verb.add_mutually_exclusive_group()
    where.add_argument("--local", action="store_true", help="in this process, without Ray")
    add_address(where, default=None)
    verb.add_argument("--host", default="127.0.0.1", help="address to listen on")
    verb.add_argument("--port", type=_port, default=8000, help="0 takes any free one")
    verb.add_argument("--num-cpus", type=int, default=None, help="CPUs that Ray counts with")
    verb.add_argument("--num-gpus", type=int, default=None, help="GPUs that Ray counts with")
    verb.add_argument(
        "--label",
        action="append",
        type=_label,
        default=[],
        metavar="KEY=VALUE",
        help="a label of this machine, as nodes select them; may be repeated",
    )
    add_services(verb)
    add_pools(verb)
    add_growing(verb)
    verb.add_argument(
        "--replicas",
        type=int,
        default=None,
        help="replicas of each graph on Ray; default: by the number of cores",
    )
    verb.add_argument(
        "--max-body-mb", type=float, default=64.0, help="largest request body, in MiB"
    )
    verb.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load models that are pickles; reading one runs its author's code",
    )
    add_grpc(verb)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, plan and serve. Prints ``ready <url>`` for each graph once it answers."""
    if arguments.allow_pickle:
        os.environ[ALLOW_PICKLE] = "1"  # inherited by every replica
    if arguments.address:
        return _on_cluster(arguments)
    return _in_process(arguments) if arguments.local else _on_ray(arguments)


def _in_process(arguments: argparse.Namespace) -> int:
    for number in stop_signals():  # a shell's background jobs ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        from umbel.serving.local_server import run_until_stopped, serve_local

        run_until_stopped(
            serve_local(
                _plan(arguments),
                host=arguments.host,
                port=arguments.port,
                version=umbel.__version__,
                ready=_print_ready,
                body_limit=_body_limit(arguments),
                grpc=grpc_of(arguments),
            )
        )
    except KeyboardInterrupt:  # while the graph file was being read
        return 0
    return 0


def _on_ray(arguments: argparse.Namespace) -> int:
    from umbel.serving.supervised_run import RunScope, supervise

    def serve(scope: RunScope) -> int:
        from umbel.serving.ray_server import serve_on_ray
        from umbel.serving.ray_settings import Counted

        try:
            serve_on_ray(
                _plan(arguments),
                scope,
                counted=Counted(arguments.num_cpus, arguments.num_gpus, dict(arguments.label)),
                replicas=arguments.replicas,
                version=umbel.__version__,
                ready=_print_ready,
                body_limit=_body_limit(arguments),
                grpc=grpc_of(arguments),
            )
        except UmbelError as error:
            report_error(error)
            return 1
        return 0

    return supervise(serve, host=arguments.host, port=arguments.port)


def _on_cluster(arguments: argparse.Namespace) -> int:
    from umbel.serving.existing_ray import serve_until

    stop = threading.Event()
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)
    try:
        serve_until(
            _plan(arguments),
            cluster_of(arguments),
            stop.wait,
            version=umbel.__version__,
            ready=_print_ready,
            body_limit=_body_limit(arguments),
            grpc=grpc_of(arguments),
            replicas=arguments.replicas or 1,
        )
    except KeyboardInterrupt:
        return 0
    return 0


def _plan(arguments: argparse.Namespace) -> Plan:
    loaded = files.load(arguments.files, services_of(arguments)).or_raise()
    print_findings(loaded.findings)
    return passes.plan(loaded.program, pools_of(arguments))


def _body_limit(arguments: argparse.Namespace) -> int:
    return int(arguments.max_body_mb * MIB)


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text}")


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or label_problem(key, value) or not value[0].isalnum() or "(" in value:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text}")
    return key, value


def _print_ready(url: str) -> None:
    print(f"ready {url}", flush=True)
