"""``--grpc-port`` and what goes with it, for the verbs that serve."""

from __future__ import annotations

import argparse

from umbel.serving.grpc_protocol.settings import DEFAULT_MESSAGE_LIMIT, GrpcSettings

MIB = 1024 * 1024


def add_grpc(verb: argparse.ArgumentParser) -> None:
    """Declare the options."""
    verb.add_argument(
        "--grpc-port", type=int, default=None, help="default: the port after HTTP's, if it is free"
    )
    verb.add_argument("--no-grpc", action="store_true", help="serve HTTP only")
    verb.add_argument(
        "--max-grpc-message-mb",
        type=float,
        default=DEFAULT_MESSAGE_LIMIT / MIB,
        help="largest gRPC request or response, in MiB",
    )


def grpc_of(arguments: argparse.Namespace) -> GrpcSettings | None:
    """What the command line asks for; ``None``: no gRPC."""
    if arguments.no_grpc:
        return None
    return GrpcSettings(arguments.grpc_port, int(arguments.max_grpc_message_mb * MIB))
