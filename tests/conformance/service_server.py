"""The services that graphs under test call: one HTTP server on loopback, scripted by data.

A URL is ``/CASE/SERVICE``; what the service does is a ``Behaviour``. Every call is recorded.
Plain sockets, so that it can also do what no framework lets a server do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Behaviour:
    """``then``: ``reply``, ``close`` (the connection, without a reply), ``cut`` (the body, half
    way), ``garbage`` (no HTTP). ``echo``: the reply's body is the request's. Seconds."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    then: str = "reply"
    echo: bool = False


@dataclass(frozen=True)
class Received:
    """One call as the service saw it; header names are in lower case."""

    service: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


def as_bytes(value: Any) -> bytes:
    """A body of the data files: text, JSON, ``{hex: …}`` or ``{text: …, times: n}``."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping) and set(value) == {"hex"}:
        return bytes.fromhex(value["hex"])
    if isinstance(value, Mapping) and set(value) == {"text", "times"}:
        return str(value["text"]).encode() * int(value["times"])
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def behaviour(data: Mapping[str, Any]) -> Behaviour:
    """A behaviour of the data files. The default body is an empty JSON object."""
    known = dict(data)
    if "body" in known:
        known["body"] = as_bytes(known["body"])
    known["headers"] = {"Content-Type": "application/json"} | known.get("headers", {})
    return Behaviour(**known)


class ServiceServer:
    """Runs in a thread of its own until ``close``."""

    def __init__(self) -> None:
        self._scripts: dict[str, dict[str, Behaviour]] = {}
        self._calls: dict[str, list[Received]] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        serving = asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def play(self, case: str, services: Mapping[str, Behaviour]) -> None:
        """Give a case its services."""
        self._scripts[case] = dict(services)

    def forget_calls(self, case: str) -> None:
        self._calls.pop(case, None)

    def calls(self, case: str) -> list[Received]:
        """The calls of a case so far, in the order in which they came in."""
        return list(self._calls.get(case, ()))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        pairs = (line.split(":", 1) for line in head[1:] if line)
        headers = tuple((name.lower(), value.strip()) for name, value in pairs)
        length = int(next((v for n, v in headers if n == "content-length"), "0"))
        body = await reader.readexactly(length) if length else b""
        _, case, service = path.split("?")[0].split("/", 2)
        script = self._scripts.get(case, {}).get(service, Behaviour(404, b'{"unknown":"service"}'))
        call = Received(service, method, headers, body)
        self._calls.setdefault(case, []).append(call)
        if script.delay_s:
            await asyncio.sleep(script.delay_s)
        return await self._reply(script, body, writer)

    async def _reply(self, script: Behaviour, request: bytes, writer: asyncio.StreamWriter) -> bool:
        if script.then == "close":
            return False
        if script.then == "garbage":
            writer.write(b"this is not HTTP\r\n\r\n")
            await writer.drain()
            return False
        body = request if script.echo else script.body
        lines = [f"HTTP/1.1 {script.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in script.headers.items()]
        if script.status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        cut = script.then == "cut"
        sent = b"" if script.status in (204, 304) else body[: len(body) // 2] if cut else body
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
        await writer.drain()
        return not cut
