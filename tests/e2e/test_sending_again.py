"""The examples of docs/delivery.md are programs, and they repeat what must be repeated and nothing else."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tests.support.commands import ROOT
from tests.support.programs import require_program

PAGE = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
EVENTS = [{"id": "1"}, {"id": "2"}]
RESULTS = {"results": [{"index": 0}, {"index": 1}]}
CUT = 0
"""Instead of a status: the connection is closed without an answer."""


def block(language: str) -> str:
    """The page's one block of code in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


class Server:
    """Answers with the given statuses, one after the other, and keeps the bodies."""

    def __init__(self, statuses: list[int]) -> None:
        self.bodies: list[bytes] = []
        left = iter(statuses)
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status = next(left)
                if status == CUT:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status in (429, 503):
                    self.send_header("Retry-After", "2")
                self.end_headers()
                self.wfile.write(orjson.dumps(RESULTS))

            def log_message(self, format: str, *args: object) -> None:
                """Nobody reads it."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(request.param)
    yield made
    made.close()


class Waiting:
    """The example's `time`: it passes at once."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def monotonic(self) -> float:
        return sum(self.waited)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


def python_example(waiting: Waiting) -> Any:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - our own page
    names["time"] = waiting
    return SimpleNamespace(**names).send


@pytest.mark.parametrize("server", [[503, CUT, 429, 500, 202]], indirect=True)
def test_the_python_example_sends_the_same_bytes_until_they_are_taken(server: Server) -> None:
    waiting = Waiting()
    assert python_example(waiting)(EVENTS, server.url) == RESULTS["results"]
    assert [orjson.loads(body) for body in server.bodies] == [EVENTS] * 5
    assert len(set(server.bodies)) == 1
    assert len(waiting.waited) == 4
    assert min(waiting.waited[0], waiting.waited[2]) >= 2, "sooner than Retry-After says"
    assert 1 <= waiting.waited[1] <= 1.5


@pytest.mark.parametrize("server", [[422]], indirect=True)
def test_the_python_example_takes_refusals_for_an_answer(server: Server) -> None:
    waiting = Waiting()
    assert python_example(waiting)(EVENTS, server.url) == RESULTS["results"]
    assert waiting.waited == []


@pytest.mark.parametrize("server", [[400]], indirect=True)
def test_the_python_example_does_not_repeat_what_cannot_be_read(server: Server) -> None:
    with pytest.raises(OSError, match="400"):
        python_example(Waiting())(EVENTS, server.url)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("server", [[503] * 100], indirect=True)
def test_the_python_example_gives_up_in_the_end(server: Server) -> None:
    waiting = Waiting()
    with pytest.raises(OSError, match="503"):
        python_example(waiting)(EVENTS, server.url, patience_s=600)
    assert 600 < sum(waiting.waited) < 700


def run_curl_example(server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    require_program("curl")
    (folder / "send.sh").write_text(block("sh"))
    (folder / "events.json").write_bytes(orjson.dumps(EVENTS))
    argv = ["sh", "send.sh", "events.json", server.url]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("server", [[503, CUT, 202]], indirect=True)
def test_the_curl_example_sends_the_same_bytes_until_they_are_taken(server: Server, tmp_path: Path) -> None:
    ended = run_curl_example(server, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert server.bodies == [orjson.dumps(EVENTS)] * 3


@pytest.mark.parametrize("server", [[422], [400]], indirect=True)
def test_the_curl_example_shows_refusals_and_does_not_repeat_them(server: Server, tmp_path: Path) -> None:
    ended = run_curl_example(server, tmp_path)
    assert ended.returncode == 1
    assert "results" in ended.stderr
    assert len(server.bodies) == 1
