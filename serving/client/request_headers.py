"""The headers of a client's requests: its own, those of a call, and a token from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from umbel.graph.errors import DeclarationError


class RequestHeaders:
    """Names are in lower case, so that ``Host`` of a client and ``host`` of a call are one.

    ``token_file`` is read for every attempt: Kubernetes replaces a projected token while a
    program runs.
    """

    def __init__(
        self, headers: Mapping[str, str] | None = None, token_file: str | Path | None = None
    ) -> None:
        self._own = lowered(headers or {})
        self._token_file = None if token_file is None else Path(token_file)

    @property
    def host(self) -> str:
        """The name by which a gateway finds the service; empty for the URL's own."""
        return self._own.get("host", "")

    def of(self, call: Mapping[str, str]) -> dict[str, str]:
        """All headers of one attempt; the call's own win. Raises ``DeclarationError`` for a
        token that cannot be read."""
        sent = {**self._own, **lowered(call)}
        if self._token_file is not None and "authorization" not in sent:
            sent["authorization"] = f"Bearer {_token(self._token_file)}"
        return sent


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers, names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def _token(file: Path) -> str:
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"token_file {file}: cannot be read: {error}") from error
    if not token:
        raise DeclarationError(f"token_file {file}: expected a token, the file is empty")
    return token
