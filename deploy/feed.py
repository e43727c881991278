"""Sending a file of events to the ingest service, and asking the services how they are, over HTTP."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

BATCH_EVENTS = 500
REQUEST_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 2.0
BUSY_STATUSES = (429, 503)
BUSY_TRIES = 20
BUSY_WAIT_S = 0.5


class FeedRefused(Exception):
    """The ingest service did not take a batch; the message has its answer."""


@dataclass
class Fed:
    """How many events were sent, and what became of them by the status that ingest gave each."""

    events: int = 0
    by_status: Counter[str] = field(default_factory=Counter)


def batches(file: Path, size: int = BATCH_EVENTS) -> Iterator[list[Any]]:
    """The events of a JSON-lines file, `size` at a time."""
    with file.open(encoding="utf-8") as lines:
        events = (json.loads(line) for line in lines if line.strip())
        while batch := list(itertools.islice(events, size)):
            yield batch


def feed(base_url: str, file: Path) -> Fed:
    """Post every event of the file, in order. Raises FeedRefused."""
    fed = Fed()
    with _client(REQUEST_TIMEOUT_S) as client:
        for batch in batches(file):
            answer = _post(client, f"{base_url}/v1/events", batch)
            fed.events += len(batch)
            fed.by_status.update(statuses(answer))
    return fed


def statuses(answer: Any) -> list[str]:
    """The status of each event in an answer of ingest: {"results": [{"status": "accepted"}, ...]}."""
    results = answer.get("results", []) if isinstance(answer, dict) else answer
    return [str(result.get("status", "unknown")) for result in results]


def is_ready(base_url: str) -> bool:
    """Whether a service's /readyz says yes."""
    try:
        with _client(PROBE_TIMEOUT_S) as client:
            return client.get(f"{base_url}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def page_count(notifier_url: str) -> int:
    """How many pages lie in the local inbox, from the notifier's /api/summary; 0 while it does not answer, and while it
    still waits with warnings that were found late."""
    try:
        with _client(PROBE_TIMEOUT_S) as client:
            answer = client.get(f"{notifier_url}/api/summary")
    except httpx.TransportError:
        return 0
    counts = answer.json() if answer.status_code == httpx.codes.OK else {}
    return 0 if counts.get("settling") else int(counts.get("pages", 0))


def summary(notifier_url: str) -> dict[str, int]:
    """{"cases_open": n, "pages": n, "warnings": n}."""
    with _client(REQUEST_TIMEOUT_S) as client:
        answer = client.get(f"{notifier_url}/api/summary").raise_for_status().json()
    return {name: int(answer[name]) for name in ("cases_open", "pages", "warnings")}


class Settled:
    """Asks a count again and again; true once it is above 0 and has not changed for `quiet_s` seconds."""

    def __init__(self, count: Callable[[], int], quiet_s: float, monotonic_s: Callable[[], float]) -> None:
        self._count = count
        self._quiet_s = quiet_s
        self._monotonic_s = monotonic_s
        self._last = 0
        self._since_s = monotonic_s()

    def __call__(self) -> bool:
        """Ask once."""
        count, now_s = self._count(), self._monotonic_s()
        if count != self._last:
            self._last, self._since_s = count, now_s
        return count > 0 and now_s - self._since_s >= self._quiet_s


def _post(client: httpx.Client, url: str, batch: Sequence[Any]) -> Any:
    body = json.dumps(batch).encode()
    tries = 1
    while True:
        answer = client.post(url, content=body, headers={"Content-Type": "application/json"})
        if answer.status_code == httpx.codes.ACCEPTED:
            return answer.json()
        if answer.status_code not in BUSY_STATUSES or tries == BUSY_TRIES:
            raise FeedRefused(f"ingest answered {answer.status_code} to a batch of events: {answer.text[:500]}")
        tries += 1
        time.sleep(BUSY_WAIT_S)


def _client(timeout_s: float) -> httpx.Client:
    # trust_env=False: a proxy of the machine must not see, or break, what goes to the loopback interface.
    return httpx.Client(timeout=timeout_s, trust_env=False)
