"""LitServe: the whole pipeline in its one worker. It has no graphs."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from peers.pipelines import PIPELINES


class Api(litserve.LitAPI):  # type: ignore[misc]
    """LitServe's four methods."""

    def __init__(self, workload: str, **options: Any) -> None:
        super().__init__(**options)
        self.workload = workload

    def setup(self, device: str) -> None:
        """Load the nodes, in the worker."""
        self._pipeline = PIPELINES[self.workload]
        self._run = self._pipeline.loaded()

    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """JSON to the pipeline's input. LitServe reads the annotations, and wants none here."""
        return self._pipeline.read(request["instances"])

    def predict(self, x: Any) -> Any:
        """All nodes."""
        return self._run(x)

    def encode_response(self, output: Any) -> Any:
        """To JSON."""
        return {"predictions": output.tolist()}


class BatchedApi(Api):
    """The same with LitServe's batching."""

    def batch(self, inputs: Any) -> Any:
        """Join requests along the batch axis; each has one row."""
        import numpy as np

        return np.concatenate(inputs)

    def unbatch(self, output: Any) -> Any:
        """Split them again."""
        return [row[None] for row in output]


def main() -> None:
    workload, port, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    api = BatchedApi(workload, max_batch_size=batch) if batch > 1 else Api(workload)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
