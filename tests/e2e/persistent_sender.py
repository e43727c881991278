"""A sender as integrators should write one: it sends a batch until it is taken, and only then the next."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

import httpx
import orjson

from tests.unit.schemas.examples import example

AGAIN_S = 0.05
"""Quicker than `Retry-After` asks for: a test has no patience."""


@dataclass
class Confirmed:
    """What was answered with 202, for each customer in the order of sending."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    events: int = 0
    refusals: int = 0

    def add(self, batch: list[tuple[str, str]]) -> None:
        for customer, event_id in batch:
            self.ids.setdefault(customer, []).append(event_id)
        self.events += len(batch)


class PersistentSender(threading.Thread):
    """Sends to customers of its own until `enough`; `died` is what ended it before."""

    def __init__(self, name: str, url: str, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.url = url
        self.confirmed = Confirmed()
        self.died: BaseException | None = None
        self._rng = random.Random(seed)
        self._enough = threading.Event()
        self._number = 0

    def run(self) -> None:
        try:
            with httpx.Client(timeout=60) as client:
                while not self._enough.is_set():
                    self._send(client, self._batch())
        except BaseException as error:
            self.died = error
            raise

    def end(self) -> None:
        """Stop after the batch that is under way, or leave it unconfirmed if nobody takes it."""
        self._enough.set()
        self.join()

    def _batch(self) -> list[tuple[str, str]]:
        batch = []
        for _ in range(self._rng.choice((1, 1, 5, 40))):
            self._number += 1
            batch.append((f"{self.name}-{self._rng.randrange(3)}", f"{self.name}-{self._number:07d}"))
        return batch

    def _send(self, client: httpx.Client, batch: list[tuple[str, str]]) -> None:
        body = orjson.dumps([example("promise.met", id=id_, subject=customer) for customer, id_ in batch])
        while True:
            try:
                status = client.post(
                    f"{self.url}/v1/events", content=body, headers={"Content-Type": "application/json"}
                ).status_code
            except httpx.TransportError:
                status = 0
            if status == 202:
                self.confirmed.add(batch)
                return
            assert status in (0, 503), f"answered {status}"
            self.confirmed.refusals += 1
            if self._enough.wait(AGAIN_S):
                return
