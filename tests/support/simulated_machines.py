"""Several Ray nodes on this machine, for `simulated_cluster`.

``python simulated_machines.py MACHINES`` (JSON: the arguments of each node) prints the cluster's
address once all of them are up, and ends them when its standard input does. A process of its
own: Ray's native code aborts the process that it is loaded in when its cluster is gone.
"""

from __future__ import annotations

import json
import os
import sys

PREFIX = "address "


def main(machines: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster()
    try:
        for one in json.loads(machines):
            made.add_node(object_store_memory=80_000_000, include_dashboard=False, **one)
        print(f"{PREFIX}{made.address}", flush=True)
        sys.stdin.read()
    finally:
        made.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
