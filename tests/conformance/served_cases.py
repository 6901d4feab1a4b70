"""``python served_cases.py FILE… PORT``: all cases in one application on an embedded Ray.

``umbel run`` gives each graph replicas of its own; hundreds of graphs would be hundreds of
processes. Here one replica hosts them all.
"""

from __future__ import annotations

import sys

from umbel.serving import supervised_run


def serve_cases(scope: supervised_run.RunScope) -> int:
    from umbel.serving import embedded_ray, ray_settings

    settings = ray_settings.RaySettings(host=scope.host, port=scope.port, drain_s=5)
    with embedded_ray.EmbeddedRay(settings, run_id=scope.run_id, folder=scope.folder):
        from backends import plan_of
        from ray import serve

        from umbel.serving import shipping
        from umbel.serving.ray_replicas import GraphReplica

        payload = shipping.pack(plan_of(sys.argv[1:-1]))
        hosts = serve.deployment(
            name="cases", max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1}
        )(serve.ingress()(GraphReplica))
        serve.run(hosts.bind(payload, "test", 2**26, {}), name="cases", route_prefix="/")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        scope.wait_for_stop()
    return 0


if __name__ == "__main__":
    sys.exit(supervised_run.supervise(serve_cases, host="127.0.0.1", port=int(sys.argv[-1])))
