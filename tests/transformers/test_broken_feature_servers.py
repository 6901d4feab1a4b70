"""Feature servers that answer wrongly: a clear 503 in time, never followed elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from umbel.graph.errors import InvalidInput, NotReady
from umbel.transformers import feast_server
from umbel.transformers.feast_features import FeastFeatures, Wanted
from umbel.transformers.feature_policies import Policies
from umbel.transformers.feature_source import Field

Body = dict[str, Any]
Change = Callable[[Body], "Body | bytes | tuple[int, bytes]"]


def column(values: list[Any]) -> Body:
    stamps = ["2026-11-21T10:00:00Z"] * len(values)
    return {"values": values, "statuses": ["PRESENT"] * len(values), "event_timestamps": stamps}


def changed(name: str, value: Any) -> Change:
    def change(answer: Body) -> Body:
        answer["results"][1][name] = value
        return answer

    return change


class Fake:
    """A server whose next answers are made by ``change`` from the right one."""

    def __init__(self) -> None:
        self.change: Change = lambda answer: answer
        self.paths: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words: object) -> None:
                pass

            def do_POST(self) -> None:
                fake.paths.append(self.path)
                sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
                rows = sent["entities"]["driver"]
                right = {
                    "metadata": {"feature_names": ["driver", "rate"]},
                    "results": [column(rows), column([0.5] * len(rows))],
                }
                made = fake.change(right)
                status, content = made if isinstance(made, tuple) else (200, made)
                if not isinstance(content, bytes):
                    content = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("location", f"http://127.0.0.1:{fake.port}/elsewhere")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture()
def fake() -> Iterator[Fake]:
    made = Fake()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def step(fake: Fake, policies: Policies | None = None) -> FeastFeatures:
    wanted = Wanted(f"http://127.0.0.1:{fake.port}", ["view:rate"], (Field("driver", "int"),))
    limits: dict[str, Any] = {"timeout_s": 5.0, "max_rows": 100}
    made = FeastFeatures(
        wanted, columns=(), output="rows", policies=policies or Policies(), **limits
    )
    made.load()
    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda answer: (500, b"boom"), "answers 500: boom"),
        (lambda answer: (307, b""), "answers 307"),
        (lambda answer: (302, b""), "answers 302"),
        (lambda answer: b"<html>", "does not answer like a Feast feature server"),
        (lambda answer: b"[]", "does not answer like"),
        (lambda answer: {"metadata": {}}, "does not answer like"),
        (changed("values", [1.0]), "1 values of 'rate' for 2 rows"),
        (changed("values", None), "does not answer like"),
        (changed("event_timestamps", [5, 5]), "does not answer like"),
        (changed("event_timestamps", ["yesterday"] * 2), "does not answer like"),
        (lambda answer: b" " * 2000, "more than 1,000 bytes"),
    ],
)
async def test_a_wrong_answer_is_a_503_that_says_what(
    fake: Fake, change: Change, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feast_server, "_LARGEST", 1000)
    made = step(fake)
    assert await made.transform([[1], [2]]) == [{"driver": n, "rate": 0.5} for n in (1, 2)]
    fake.change = change
    with pytest.raises(NotReady, match=said):
        await made.transform([[1], [2]])
    assert "/elsewhere" not in fake.paths
    await made.close()


async def test_nan_is_a_missing_value(fake: Fake) -> None:
    made, kind = step(fake), step(fake, Policies("default", defaults={"rate": 0.25}))
    fake.change = changed("values", [float("nan"), 0.5])
    with pytest.raises(InvalidInput, match="no rate for driver=1$"):
        await made.transform([[1], [2]])
    found = await kind.transform([[1], [2]])
    assert [row["rate"] for row in found] == [0.25, 0.5]
    await made.close()
    await kind.close()


async def test_no_rows_are_the_clients_mistake(fake: Fake) -> None:
    made = step(fake)
    with pytest.raises(InvalidInput, match="at least one row"):
        await made.transform([])
    await made.close()
