"""A replica sees the GPUs that it reserved, and no others.

Ray names them in ``CUDA_VISIBLE_DEVICES`` for an actor that reserved some. It leaves the variable
alone for one that reserved none, which would then see every GPU of the machine and take one
that others were promised.
"""

from __future__ import annotations

import os

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def hide_others() -> None:
    """Call it in a replica's constructor, before a library of CUDA's is imported."""
    from ray import get_runtime_context

    if not get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ.update(dict.fromkeys(VARIABLES, ""))
