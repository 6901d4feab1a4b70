"""A run for the life-cycle tests: one plain ASGI application on an embedded Ray.

``python served_hello.py PORT`` prints ``ready RUN_ID`` once it answers. ``/hello`` answers
with the run's id, ``/hello/slow`` after two seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from umbel.serving import supervised_run


class Hello:
    """The smallest application Serve takes: it answers lifespan events and HTTP."""

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        if scope["path"].endswith("slow"):
            await asyncio.sleep(2)
        body = json.dumps({"run": os.environ["UMBEL_RUN_ID"]}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def serve_hello(scope: supervised_run.RunScope) -> int:
    from umbel.serving import embedded_ray, ray_settings

    settings = ray_settings.RaySettings(host=scope.host, port=scope.port, drain_s=10)
    with embedded_ray.EmbeddedRay(settings, run_id=scope.run_id, folder=scope.folder):
        from ray import cloudpickle, serve

        cloudpickle.register_pickle_by_value(sys.modules[__name__])

        def build() -> Hello:
            from umbel.serving import replica_loopback

            replica_loopback.listen_on_loopback()
            return Hello()

        @serve.deployment(ray_actor_options={"num_cpus": 0})
        @serve.ingress(build)
        class Greeter:
            pass

        serve.run(Greeter.bind(), name="hello", route_prefix="/hello")
        sys.stdout.write(f"ready {scope.run_id}\n")
        sys.stdout.flush()
        scope.wait_for_stop()
    return 0


if __name__ == "__main__":
    sys.exit(supervised_run.supervise(serve_hello, host="127.0.0.1", port=int(sys.argv[1])))
