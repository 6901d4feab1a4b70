"""A Ray cluster with its dashboard, for `test_declared_on_ray`: started here, told over REST.

``python declared_on_ray.py HTTP_PORT DASHBOARD_PORT FOLDER`` prints ``ready`` once the REST API
answers, and ends when its standard input does. With HTTP_PORT 0 Serve is not started: the first
configuration does, as with KubeRay.
"""

from __future__ import annotations

import os
import shutil
import sys


def main(port: str, dashboard: str, folder: str) -> None:
    os.environ.update(
        {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback only
            "RAY_AUTH_MODE": "token",  # as in the manifests; the token comes from the test
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_LOG_TO_STDERR": "0",
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "2",
        }
    )
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=16,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=int(dashboard),
        object_store_memory=100_000_000,
        log_to_driver=False,
        _temp_dir=folder,
    )
    if int(port):
        options = {"host": "127.0.0.1", "port": int(port)}
        serve.start(http_options=options, proxy_location="HeadOnly")
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
