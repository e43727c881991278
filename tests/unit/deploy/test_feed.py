"""Sending events over HTTP and waiting for what comes of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import deploy.feed
from deploy.feed import BATCH_EVENTS, FeedRefused, Settled, batches, feed, is_ready, page_count, summary
from deploy.ports import free_port


class StandIn:
    """An HTTP server that gives scripted answers and remembers what it was sent."""

    def __init__(self) -> None:
        self.post_statuses: list[int] = []
        self.pages: dict[str, tuple[int, Any]] = {}
        self.received: list[Any] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = stand_in.post_statuses.pop(0) if stand_in.post_statuses else 202
                if status == 202:
                    stand_in.received.append(body)
                self._answer(status, {"results": [{"status": "accepted"} for _ in body]})

            def do_GET(self) -> None:
                self._answer(*stand_in.pages.get(self.path, (404, {})))

            def _answer(self, status: int, body: Any) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """One event more than two full batches, with an empty line."""
    file = tmp_path / "events.jsonl"
    lines = [json.dumps({"id": str(number)}) for number in range(2 * BATCH_EVENTS + 1)]
    file.write_text("\n\n".join(lines) + "\n")
    return file


def test_a_file_is_cut_into_batches_in_order(events: Path) -> None:
    cut = list(batches(events))
    assert [len(batch) for batch in cut] == [BATCH_EVENTS, BATCH_EVENTS, 1]
    assert [event["id"] for batch in cut for event in batch] == [str(n) for n in range(2 * BATCH_EVENTS + 1)]


def test_every_event_is_sent_and_its_outcome_counted(service: StandIn, events: Path) -> None:
    fed = feed(service.url, events)
    assert fed.events == 2 * BATCH_EVENTS + 1
    assert fed.by_status == {"accepted": 2 * BATCH_EVENTS + 1}
    assert [len(batch) for batch in service.received] == [BATCH_EVENTS, BATCH_EVENTS, 1]


def test_a_busy_service_is_asked_again(service: StandIn, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy.feed, "BUSY_WAIT_S", 0)
    service.post_statuses = [503, 429]
    assert feed(service.url, events).events == 2 * BATCH_EVENTS + 1
    assert len(service.received) == 3


def test_a_service_that_stays_busy_is_given_up(service: StandIn, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy.feed, "BUSY_WAIT_S", 0)
    service.post_statuses = [503] * 100
    with pytest.raises(FeedRefused, match="ingest answered 503"):
        feed(service.url, events)
    assert len(service.post_statuses) == 100 - deploy.feed.BUSY_TRIES


def test_a_refusal_is_not_repeated(service: StandIn, events: Path) -> None:
    service.post_statuses = [400, 202]
    with pytest.raises(FeedRefused, match="ingest answered 400"):
        feed(service.url, events)
    assert service.received == []


def test_readiness_is_what_readyz_says(service: StandIn) -> None:
    assert not is_ready(service.url)
    service.pages["/readyz"] = (503, {})
    assert not is_ready(service.url)
    service.pages["/readyz"] = (200, {})
    assert is_ready(service.url)
    assert not is_ready(f"http://127.0.0.1:{free_port()}")


def test_pages_are_counted_by_the_notifiers_summary(service: StandIn) -> None:
    assert page_count(service.url) == 0
    assert page_count(f"http://127.0.0.1:{free_port()}") == 0
    service.pages["/api/summary"] = (200, {"cases_open": 2, "pages": 5, "warnings": 3, "more": "x"})
    assert page_count(service.url) == 5
    service.pages["/api/summary"] = (200, {"cases_open": 2, "pages": 5, "warnings": 3, "settling": 1})
    assert page_count(service.url) == 0, "more may come of what settles"
    assert summary(service.url) == {"cases_open": 2, "pages": 5, "warnings": 3}


def test_a_count_has_settled_when_it_is_above_0_and_quiet() -> None:
    counts = iter([0, 4, 7, 7, 7])
    instants = iter([0.0, 50.0, 51.0, 52.0, 54.9, 55.0])
    settled = Settled(lambda: next(counts), quiet_s=3, monotonic_s=lambda: next(instants))
    assert [settled() for _ in range(5)] == [False, False, False, False, True]
