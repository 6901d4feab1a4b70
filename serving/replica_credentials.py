"""Opens the credentials that an operator sealed, in the process of a replica.

Call it before anything that could build a storage client: libraries read their variables then.
"""

from __future__ import annotations

import os

from ray import serve

from umbel.nodes.storage.sealed_values import SEALED, open_into


def open_credentials() -> None:
    """Into this process's environment and nowhere else. Raises ``DeclarationError`` with what to
    do where the key is not there, which is then why the application failed."""
    if SEALED in os.environ:
        owner, _, _digest = serve.get_replica_context().app_name.rpartition(".")
        open_into(os.environ, owner)
