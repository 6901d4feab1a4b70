"""What a model's file tells of its inputs and outputs, joined with what the user declared."""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.value_types import Port, Signature


def completed(own: Signature, declared: Signature) -> Signature:
    """``own`` with the dtypes and shapes that only ``declared`` has, port by port.

    The file knows better where both tell. Ports that the file does not have are dropped.
    """
    return replace(
        own,
        inputs=_completed(own.inputs, declared.inputs),
        outputs=_completed(own.outputs, declared.outputs),
    )


def _completed(own: tuple[Port, ...], declared: tuple[Port, ...]) -> tuple[Port, ...]:
    known = {port.name: port.type for port in declared}
    return tuple(
        replace(
            port,
            type=replace(
                port.type,
                dtype=port.type.dtype or known[port.name].dtype,
                shape=known[port.name].shape if port.type.shape is None else port.type.shape,
            ),
        )
        if port.name in known
        else port
        for port in own
    )
