"""Ray Serve: a deployment for each node, composed by handles in an ingress deployment.

``default``: Ray as it comes. ``all``: HAProxy, every throughput setting and no access log, as
`umbel run` starts Ray, and no limit on the requests in flight. In both, ports are moved to
loopback, and a replica reserves a tenth of a CPU so that the chain of 8 finds room.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from umbel.serving.supervised_run import RunScope, supervise


def application(workload: str, every_setting: bool) -> Any:
    """The bound application of one workload."""
    from ray import serve

    from peers import ray_replicas
    from peers.pipelines import PIPELINES

    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.1}}
    if every_setting:
        options["max_ongoing_requests"] = 1000
    node, entry = (serve.deployment(**options)(c) for c in (ray_replicas.Node, ray_replicas.Entry))
    nodes = {
        name: node.options(name=name).bind(workload, name) for name in PIPELINES[workload].nodes
    }
    return entry.bind(workload, nodes)


def with_every_setting(workload: str, scope: RunScope) -> None:
    """Serve until a stop is asked for."""
    from umbel.serving.embedded_ray import EmbeddedRay
    from umbel.serving.ray_settings import RaySettings

    settings = RaySettings(host=scope.host, port=scope.port)
    with EmbeddedRay(settings, run_id=scope.run_id, folder=scope.folder):
        _serve(workload, True)
        scope.wait_for_stop()


def as_it_comes(workload: str, scope: RunScope) -> None:
    """Serve until a stop is asked for."""
    os.environ["UMBEL_RUN_ID"] = scope.run_id  # the guard finds Ray's processes by it
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's ports on loopback
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray import serve

    ray.init(address="local", num_cpus=16, _temp_dir=str(scope.folder), log_to_driver=False)
    try:
        serve.start(http_options={"host": scope.host, "port": scope.port})
        _serve(workload, False)
        scope.wait_for_stop()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _serve(workload: str, every_setting: bool) -> None:
    from ray import serve

    serve.run(application(workload, every_setting), name="pipeline", route_prefix="/")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("settings", choices=("default", "all"))
    parser.add_argument("workload")
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    run = with_every_setting if asked.settings == "all" else as_it_comes

    def serve(scope: RunScope) -> int:
        run(asked.workload, scope)
        return 0

    return supervise(serve, host="127.0.0.1", port=asked.port)


if __name__ == "__main__":
    sys.exit(main())
