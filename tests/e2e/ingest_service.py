"""A running `bellwether ingest serve`, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from deploy.ports import free_port
from deploy.process import Child
from schemas.topics import Topics
from tests.support.commands import Commands
from tests.support.waiting import wait_until


class IngestService:
    """One process with settings of its own."""

    def __init__(
        self, commands: Commands, bootstrap: str, topics: Topics, env: Mapping[str, str] | None = None
    ) -> None:
        """`env` are further settings."""
        self.url = f"http://127.0.0.1:{free_port()}"
        self.env = {
            "BELLWETHER_KAFKA": bootstrap,
            "BELLWETHER_TOPIC_PREFIX": topics.prefix,
            "BELLWETHER_INGEST_PORT": self.url.rpartition(":")[2],
            # Keys that somebody made in the checkout's own database must not close this one.
            "BELLWETHER_DATA_DIR": str(commands.directory / "ingest-data"),
            **(env or {}),
        }
        self._commands = commands
        self.child: Child = self.start_again()

    def start_again(self) -> Child:
        """On the same port, with the same settings."""
        child = self._commands.start("ingest", "serve", env=self.env)
        wait_until(lambda: self.status("/healthz") == 200, "ingest to listen")
        return child

    def status(self, path: str) -> int:
        """The status of a GET; 0 while nobody listens."""
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.TransportError:
            return 0

    def wait_ready(self) -> None:
        """Return when events are accepted."""
        wait_until(lambda: self.status("/readyz") == 200, "ingest to be ready", 60)

    def post(self, body: bytes, content_type: str = "application/json", **headers: str) -> httpx.Response:
        """POST /v1/events."""
        return httpx.post(
            f"{self.url}/v1/events", content=body, headers={"Content-Type": content_type, **headers}, timeout=60
        )

    def metric(self, sample: str) -> float:
        """The value of one line of /metrics."""
        lines = httpx.get(self.url + "/metrics", timeout=5).text.splitlines()
        return float(next((line.split()[-1] for line in lines if line.startswith(sample + " ")), "0"))


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    """The per-event results of an answer."""
    found: list[dict[str, Any]] = answer.json()["results"]
    return found
