"""Thousands of slow, half-open, oversized and deaf connections, and a client that behaves well among them."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import orjson
import psutil
import pytest

from schemas.topics import Topics
from tests.contract.ingest.topics_reader import read_topic
from tests.e2e.ingest_service import IngestService
from tests.support.commands import ROOT, Commands, bellwether_env, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.nuisances import KINDS
from tests.support.waiting import wait_until
from tests.unit.schemas.examples import example

REQUESTS = 400
GROWTH_MAX_BYTES = 256 * 1024 * 1024
"""Of ingest's memory with all of them open: the bound on answers that nobody reads, and 20 kB a connection."""


class Crowd:
    """A process full of nuisances."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def counted(self) -> dict[str, int]:
        """How many are open, and how many were opened in all."""
        lines = [line for line in self._log.read_text().splitlines() if line.endswith("}")]
        found: dict[str, int] = json.loads(lines[-1]) if lines else {"open": 0, "opened": 0}
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        return found


@contextmanager
def crowd(service: IngestService, number: int, log: Path) -> Iterator[Crowd]:
    argv = [sys.executable, "-m", "tests.support.nuisances", service.url.rpartition(":")[2], str(number)]
    with (
        log.open("w") as out,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=out, stderr=out, text=True, cwd=ROOT, env=bellwether_env()
        ) as process,
    ):
        yield Crowd(process, log)
        process.kill()


class WellBehaved:
    """Sends one event after the other, now and then on a new connection."""

    def __init__(self, service: IngestService, key: str) -> None:
        self._url = f"{service.url}/v1/events"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._serial = count()
        self.sent: list[str] = []

    def send(self, requests: int) -> str:
        """All must be taken. How long they took, in words."""
        took_ms = []
        client = httpx.Client(timeout=30)
        for number in range(requests):
            if number % 20 == 19:
                client.close()
                client = httpx.Client(timeout=30)
            event_id = f"good-{next(self._serial)}"
            body = orjson.dumps(example("promise.met", id=event_id))
            began = time.perf_counter()
            answer = client.post(self._url, content=body, headers=self._headers)
            took_ms.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 202, answer.text
            self.sent.append(event_id)
        client.close()
        cuts = statistics.quantiles(took_ms, n=100)
        return f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {max(took_ms):.1f} ms"


@pytest.mark.parametrize("number", [300, pytest.param(10_000, marks=pytest.mark.nightly)])
@pytest.mark.timeout(600)
def test_bad_connections_do_not_stop_a_client_that_behaves_well(
    commands: Commands, kafka: Kafka, topics: Topics, tmp_path: Path, number: int
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < number + 1000:
        pytest.skip(f"this machine does not allow {number + 1000} open files")
    service = IngestService(commands, kafka.bootstrap, topics, {"BELLWETHER_INGEST_KEYS": "required"})
    key = call_bellwether("ingest", "keys", "add", "--source", "tests", env=service.env).stdout.strip()
    service.wait_ready()
    wait_until(lambda: service.post(b"{}", Authorization=f"Bearer {key}").status_code == 422, "the key to be known")
    good = WellBehaved(service, key)
    process = psutil.Process(service.child.pid)
    alone, before = good.send(REQUESTS), process.memory_info().rss
    with crowd(service, number, tmp_path / "crowd.log") as bad:
        # All of them have come; of those that were sent away some are on their way back.
        wait_until(
            lambda: bad.counted()["opened"] >= number and bad.counted()["open"] >= 0.8 * number, "the crowd", 150
        )
        among = good.send(REQUESTS)
        # Everybody's time has been up at least once: what they hold does not grow.
        wait_until(lambda: ended(service) >= number / 2, "the door to send them away", 90)
        again = good.send(REQUESTS)
        grown = process.memory_info().rss - before
        counted = bad.counted()
        print(f"{number} of {', '.join(KINDS)}; {counted}; ended: {endings(service)}")
        print(f"alone {alone}; among them {among}; later {again}; ingest grew by {grown / 2**20:.0f} MiB")
        assert counted["open"] >= 0.5 * number
        assert grown < GROWTH_MAX_BYTES
    found = {orjson.loads(record.value)["id"] for record in read_topic(kafka.bootstrap, topics.events)}
    assert found == set(good.sent)


def endings(service: IngestService) -> dict[str, int]:
    """Connections that the door has ended, by why."""
    lines = httpx.get(service.url + "/metrics", timeout=30).text.splitlines()
    name = 'bellwether_ingest_ended_connections_total{why="'
    found = {line[len(name) :].split('"')[0]: int(float(line.split()[-1])) for line in lines if line.startswith(name)}
    return {why: number for why, number in found.items() if number}


def ended(service: IngestService) -> int:
    return sum(endings(service).values())
