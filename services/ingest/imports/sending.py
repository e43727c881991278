"""Events in batches through ingest's HTTP door, patiently. With running.py the only importer of httpx in ingest."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from services.common.errors import UserError
from services.ingest.imports.chunks import CHUNK_EVENTS, Outgoing, Rejected, Sent

REQUEST_TIMEOUT_S = 60.0
GIVE_UP_AFTER_S = 300.0
MAX_WAIT_S = 30.0


class NotSent(UserError):
    """Ingest could not be reached in time, or refuses the whole batch; the message says what to do."""


Sleep = Callable[[float], None]


class Sender:
    """Posts batches one after the other, so that a customer's events keep their order."""

    batch_events = CHUNK_EVENTS

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        sleep: Sleep = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        tell: Callable[[str], object] = lambda _sentence: None,
    ) -> None:
        self._client = client
        self._url = url.rstrip("/") + "/v1/events"
        self._sleep = sleep
        self._monotonic = monotonic
        self._give_up_after_s = give_up_after_s
        self._tell = tell

    def send(self, batch: Sequence[Outgoing]) -> Sent:
        """Post until ingest has taken the batch in. Raises NotSent."""
        body = b"[" + b",".join(event.body for event in batch) + b"]"
        give_up_at = self._monotonic() + self._give_up_after_s
        attempt = 0
        while True:
            attempt += 1
            answer, trouble = self._post(body)
            if answer is not None and answer.status_code in (202, 422):
                return _read(answer.json(), batch)
            if answer is not None and answer.status_code not in (429, 500, 502, 503, 504):
                raise NotSent(f"ingest at {self._url} refuses the batch: {_detail(answer)}")
            wait_s = _wait_s(answer, attempt)
            if self._monotonic() + wait_s > give_up_at:
                raise NotSent(f"ingest at {self._url} takes no events: {trouble}; run the same import again later")
            if attempt == 1:
                self._tell(f"ingest at {self._url} takes no events now ({trouble}); trying again for some minutes")
            self._sleep(wait_s)

    def _post(self, body: bytes) -> tuple[httpx.Response | None, str]:
        try:
            answer = self._client.post(
                self._url,
                content=body,
                headers={"Content-Type": "application/cloudevents-batch+json"},
                timeout=REQUEST_TIMEOUT_S,
            )
        except httpx.TransportError as error:
            return None, f"{type(error).__name__} {error}".strip()
        return answer, _detail(answer)


def _read(results: dict[str, Any], batch: Sequence[Outgoing]) -> Sent:
    # What waits for its customer's id is kept, and need not be sent again.
    sent = Sent(accepted=results["accepted"] + results.get("waiting", 0))
    for result in results["results"]:
        if result["status"] == "rejected":
            reasons = "; ".join(f"{error['field']}: {error['reason']}" for error in result["errors"])
            sent.rejected.append(Rejected(batch[result["index"]].row, f"{result['code']}: {reasons}"))
    return sent


def _detail(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code}, {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _wait_s(answer: httpx.Response | None, attempt: int) -> float:
    """What Retry-After asks for; otherwise half a second, doubled each time, with jitter, up to MAX_WAIT_S."""
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    if asked.isdigit():
        return min(float(asked), MAX_WAIT_S)
    # Jitter, not a secret.
    return min(0.5 * 2.0 ** (attempt - 1), MAX_WAIT_S) * random.uniform(0.8, 1.2)  # noqa: S311
