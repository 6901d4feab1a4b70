"""A client that goes away takes its work with it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from umbel.cli import files
from umbel.graph import passes
from umbel.serving.local_server import serve_local

GRAPH = """
import asyncio, pathlib
from umbel import inference_graph, transformer

@transformer
async def slow(x):
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        pathlib.Path(__file__).with_name("cancelled").touch()
        raise

@inference_graph
def waits(x):
    return slow(x)
"""


async def _serve_and_leave(file: Path) -> bool:
    plan = passes.plan(files.load([str(file)]).or_raise().program)
    urls: asyncio.Queue[str] = asyncio.Queue()
    server = asyncio.create_task(
        serve_local(plan, host="127.0.0.1", port=0, version="0", ready=urls.put_nowait)
    )
    url = await urls.get()
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as client:
        body = b'{"instances": [1]}'
        head = f"POST /waits HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        await asyncio.sleep(0.3)
    mark = file.with_name("cancelled")
    for _ in range(100):
        if mark.exists():
            break
        await asyncio.sleep(0.02)
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    return mark.exists()


def test_the_work_for_a_client_that_left_is_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "waits.py"
    file.write_text(GRAPH)
    assert asyncio.run(_serve_and_leave(file))


UPLOAD = """
import pathlib
from umbel import inference_graph, transformer

@transformer
def marks(x):
    pathlib.Path(__file__).with_name("ran").touch()
    return x

@inference_graph
def takes(x):
    return marks(x)
"""


async def _leave_in_the_middle_of_a_body(file: Path) -> None:
    plan = passes.plan(files.load([str(file)]).or_raise().program)
    urls: asyncio.Queue[str] = asyncio.Queue()
    server = asyncio.create_task(
        serve_local(plan, host="127.0.0.1", port=0, version="0", ready=urls.put_nowait)
    )
    port = int((await urls.get()).split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = "POST /takes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b'{"instances": [1]}'  # whole as JSON, but the last chunk never comes
        client.sendall(head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n")
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.2)
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)


def test_half_a_body_is_no_request(tmp_path: Path) -> None:
    file = tmp_path / "takes.py"
    file.write_text(UPLOAD)
    asyncio.run(_leave_in_the_middle_of_a_body(file))
    assert not file.with_name("ran").exists()
