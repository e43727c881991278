"""Streams of events over a real connection, in front of a real Kafka."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import psutil
import pytest

from deploy.kafka import Broker
from schemas.topics import Topics, topic_specs
from services.common.kafka_admin import ensure_topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.waiting import wait_until
from tests.unit.ingest.scripted import event_line

NDJSON = {"Content-Type": "application/x-ndjson"}
MEBIBYTE = 1024 * 1024


@pytest.fixture
def service(commands: Commands, kafka: Kafka, topics: Topics) -> IngestService:
    started = IngestService(commands, kafka.bootstrap, topics)
    started.wait_ready()
    return started


def lines(first: int, after: int) -> bytes:
    return b"".join(event_line(number) for number in range(first, after))


def ids_on(bootstrap: str, topics: Topics) -> list[str]:
    """Of the events on the topic; all are of one customer, and so in one order."""
    return [orjson.loads(record.value)["id"] for record in read_topic(bootstrap, topics.events)]


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in answer.text.splitlines()]


def memory_mib(service: IngestService) -> float:
    return float(psutil.Process(service.child.pid).memory_info().rss / MEBIBYTE)


def test_a_stream_is_on_the_topic_in_its_order(service: IngestService, kafka: Kafka, topics: Topics) -> None:
    def body() -> Iterator[bytes]:
        for start in range(0, 5_000, 500):
            yield lines(start, start + 500)

    answer = httpx.post(f"{service.url}/v1/events", content=body(), headers=NDJSON, timeout=60)
    assert answer.status_code == 200
    *results, last = told(answer)
    assert [result["line"] for result in results] == list(range(1, 5_001))
    counts = {"lines": 5_000, "accepted": 5_000, "waiting": 0, "rejected": 0, "next_line": 5_001}
    assert last["summary"] == {"complete": True, "code": "ok", **counts}
    assert ids_on(kafka.bootstrap, topics) == [f"e-{number}" for number in range(5_000)]


def test_memory_does_not_grow_with_what_is_streamed(service: IngestService) -> None:
    def body() -> Iterator[bytes]:
        # A line of half a gigabyte, and many short ones: out of its gzip it is a thousand times what is sent.
        pack = gzip.compress(bytes(64 * MEBIBYTE), 9)
        yield from [pack] * 8
        yield gzip.compress(b"\n" + b"\n" * 20 * MEBIBYTE + lines(0, 5_000))

    service.post(event_line(1))
    before = memory_mib(service)
    headers = {**NDJSON, "Content-Encoding": "gzip"}
    answer = httpx.post(f"{service.url}/v1/events?results=refused", content=body(), headers=headers, timeout=120)
    (refused, last) = told(answer)
    assert (refused["line"], refused["code"]) == (1, "too_large")
    assert (last["summary"]["accepted"], last["summary"]["complete"]) == (5_000, True)
    assert memory_mib(service) - before < 40


def test_who_does_not_read_results_is_not_read(service: IngestService) -> None:
    """The sender is held back, the service keeps its memory, and in the end everything is told."""
    total = 60_000
    host, _, port = service.url.removeprefix("http://").partition(":")
    sent = 0
    with socket.socket() as connection:
        # Little room in the kernel: what is not read comes to stand soon.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        head = ("POST /v1/events HTTP/1.1", "Host: x", "Content-Type: application/x-ndjson", "Connection: close")
        connection.sendall("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        before = memory_mib(service)

        def send() -> None:
            nonlocal sent
            for start in range(0, total, 500):
                piece = lines(start, start + 500)
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                sent += 500
            connection.sendall(b"0\r\n\r\n")

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        progress = [-1]

        def stands() -> bool:
            progress.append(int(service.metric("bellwether_ingest_accepted_events_total")))
            return sent > 0 and len(progress) > 10 and len(set(progress[-10:])) == 1

        wait_until(stands, "the stream to stand still", 60)
        assert sent < total
        assert memory_mib(service) - before < 40
        answer = bytearray()
        while piece := connection.recv(1 << 16):
            answer += piece
        sender.join(30)
    assert service.metric("bellwether_ingest_accepted_events_total") == total
    assert f'"lines":{total},"accepted":{total}'.encode() in answer


# Nightly: tests/unit/ingest/test_streaming.py shows what is answered.
@pytest.mark.nightly
def test_a_broker_that_goes_away_in_the_middle_leaves_the_line_to_go_on_from(
    commands: Commands, own_broker: Broker
) -> None:
    topics = Topics("middle")
    ensure_topics(own_broker.bootstrap, topic_specs(topics.prefix, 2))
    service = IngestService(commands, own_broker.bootstrap, topics)
    service.wait_ready()
    taken = "bellwether_ingest_accepted_events_total"

    def body() -> Iterator[bytes]:
        yield lines(1, 1_001)
        wait_until(lambda: service.metric(taken) == 1_000, "the first lines to be taken")
        own_broker.kill()
        yield lines(1_001, 2_001)

    answer = httpx.post(f"{service.url}/v1/events", content=body(), headers=NDJSON, timeout=90)
    summary = told(answer)[-1]["summary"]
    assert (answer.status_code, summary["complete"], summary["code"]) == (200, False, "broker_unavailable")
    assert summary["next_line"] == 1_001
    assert summary["retry_after_s"] > 0
    own_broker.start()
    service.wait_ready()
    rest = lines(summary["next_line"], 2_001)
    answer = httpx.post(f"{service.url}/v1/events", content=rest, headers=NDJSON, timeout=60)
    assert told(answer)[-1]["summary"]["complete"] is True
    found = ids_on(own_broker.bootstrap, topics)
    # Some of those that were not claimed may be there twice; no order is broken by that.
    assert list(dict.fromkeys(found)) == [f"e-{number}" for number in range(1, 2_001)]


def test_a_request_is_answered_alike_by_the_next_process(
    commands: Commands, kafka: Kafka, topics: Topics, service: IngestService
) -> None:
    first = service.post(event_line(1), **{"Idempotency-Key": "k"})
    service.child.terminate()
    service.child.wait(30)
    again = IngestService(commands, kafka.bootstrap, topics)
    again.wait_ready()
    answer = again.post(event_line(1), **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer.content) == (first.status_code, first.content) == (202, first.content)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert again.post(event_line(2), **{"Idempotency-Key": "k"}).json()["code"] == "idempotency_key_reused"
    assert ids_on(kafka.bootstrap, topics) == ["e-1"]
