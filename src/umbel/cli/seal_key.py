"""``umbel k8s seal-key``: the keys that seal credentials on a shared Ray cluster."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from umbel.nodes.storage.sealed_values import SealKey, SealKeys

HEAD = "# Keys of umbel's sealed credentials: the first one seals, all of them open. Keep secret.\n"
ENTRY = "keys"
"""The key of the Secret, and so the file's name where it is mounted."""


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "seal-key", help="print a key that seals credentials on a shared Ray cluster"
    )
    change = verb.add_mutually_exclusive_group()
    change.add_argument(
        "--add-to", metavar="FILE", help="add a new key at the end: it opens, and does not seal yet"
    )
    change.add_argument(
        "--promote", metavar="FILE", help="put the last key of FILE first: it seals from now on"
    )
    change.add_argument("--retire", metavar="FILE", help="keep the first key of FILE only")
    change.add_argument("--ids", metavar="FILE", help="print which keys FILE holds, not the keys")
    verb.add_argument(
        "--secret", default="", metavar="NAME", help="print a Secret's manifest with the key"
    )
    verb.add_argument("--namespace", default="", help="of that Secret")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a key file or a Secret, or change a file. Never prints a key that was there."""
    if arguments.ids:
        for one in SealKeys.read(arguments.ids).keys:
            print(one.id)
        return 0
    if file := arguments.add_to or arguments.promote or arguments.retire:
        keys = SealKeys.read(file).keys
        if arguments.add_to:
            keys = (*keys, SealKey.new())
        elif arguments.promote:
            keys = (keys[-1], *keys[:-1])
        else:
            keys = keys[:1]
        _replace(Path(file), _text(keys))
        print(f"{file}: seals with {keys[0].id}, opens {', '.join(one.id for one in keys)}")
        return 0
    text = _text((SealKey.new(),))
    print(
        _secret(text, arguments.secret, arguments.namespace) if arguments.secret else text, end=""
    )
    return 0


def _text(keys: tuple[SealKey, ...]) -> str:
    return HEAD + "".join(f"{one.line}\n" for one in keys)


def _replace(file: Path, text: str) -> None:
    """At once, and for its owner's eyes only."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        os.replace(temporary, file)
    except OSError:
        os.unlink(temporary)
        raise


def _secret(text: str, name: str, namespace: str) -> str:
    from umbel.k8s.manifests import as_yaml

    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {ENTRY: text}}
    return as_yaml([made])
