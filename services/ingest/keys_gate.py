"""The HTTP side of keys and limits: who sends, and may they now. What is turned away is turned away before its body is
read."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address
from typing import NoReturn

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.ingest.answers import problem_answer
from services.ingest.keys_ring import KeyRing, Unknown
from services.ingest.limits import Limits
from services.ingest.metrics import IngestMetrics
from services.ingest.treating import ANYBODY, Sender

log = logging.getLogger(__name__)


class Asking(Enum):
    """Who has to show a key (BELLWETHER_INGEST_KEYS). Unless it is set: nobody while there is none and only this
    machine can connect, else everybody."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    OFF = "off"
    AS_NEEDED = ""


class Turned(Exception):
    """A request that is turned away, before anything of it is done."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class Gate:
    """Tells who sends, and counts what they send."""

    def __init__(
        self,
        asking: Asking = Asking.OFF,
        ring: KeyRing | None = None,
        limits: Limits | None = None,
        *,
        local: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`local`: only this machine can connect. Without a ring nobody is asked for a key."""
        self._asking = asking
        self._ring = ring
        self._limits = limits or Limits(None)
        self._local = local
        self._monotonic = monotonic

    @property
    def asks(self) -> bool:
        """Whether a key is required now."""
        if self._asking is Asking.AS_NEEDED:
            return not self._local or (self._ring is not None and not self._ring.is_empty)
        return self._asking is Asking.REQUIRED

    @property
    def told(self) -> str:
        """How it asks, in words for the log at the start."""
        if self.asks:
            return (
                "a key is required" if self._ring and not self._ring.is_empty else "a key is required, and none exists"
            )
        if self._asking is Asking.AS_NEEDED:
            return "no key is required: there is none, and only this machine can connect"
        return f"no key is required: BELLWETHER_INGEST_KEYS is {self._asking.value}"

    def admit(self, request: Request) -> Sender:
        """Who sends, if they may send anything now. Raises Turned (401, 429, 503)."""
        sender = self.sender(request)
        self._wait(self._limits.wait_s(sender, self._monotonic()))
        return sender

    def count(self, sender: Sender, events: int) -> None:
        """Before these are published. Raises Turned (429), and then none of them may be."""
        self._wait(self.draw_s(sender, events))

    def draw_s(self, sender: Sender, events: int) -> float:
        """The same for who can wait: the seconds until the next try, or 0 when they were counted."""
        return self._limits.draw(sender, events, self._monotonic())

    def sender(self, request: Request) -> Sender:
        """Who sends. Raises Turned (401, 503)."""
        shown = request.headers.get("authorization")
        if self._asking is Asking.OFF or self._ring is None or (shown is None and not self.asks):
            return ANYBODY
        scheme, _, token = (shown or "").partition(" ")
        found = self._ring.sender(token.strip()) if scheme.lower() == "bearer" else Unknown.NO_KEY
        if found is Unknown.STALE:
            raise Turned(503, "keys_unknown", "keys cannot be checked now: send the same again", {"Retry-After": "10"})
        if isinstance(found, Unknown):
            _refuse()
        return found

    def require_admin(self, request: Request) -> Sender:
        """For routes that show or change what is not the sender's own: a dependency of FastAPI. Raises Turned (401,
        403, 503). Where no keys are asked for everybody is an administrator."""
        sender = self.sender(request)
        if not sender.admin and (self.asks or sender is not ANYBODY):
            raise Turned(403, "admin_only", "this needs a key that was made with --admin")
        return sender

    def _wait(self, wait_s: float) -> None:
        if wait_s > 0:
            seconds = str(max(1, math.ceil(wait_s)))
            sentence = f"more events than this sender may send: send the same again after {seconds} s"
            raise Turned(429, "too_many_events", sentence, {"Retry-After": seconds})


def _refuse() -> NoReturn:
    # One answer for none, unknown, expired and revoked: a thief learns nothing of what he holds.
    sentence = "a key that works is needed: Authorization: Bearer bw_…"
    raise Turned(401, "unauthorized", sentence, {"WWW-Authenticate": 'Bearer realm="bellwether"'})


def is_local(host: str) -> bool:
    """Whether only this machine can connect to what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def add_gate(app: FastAPI, metrics: IngestMetrics) -> None:
    """Adds the answer to what is turned away, wherever that is."""

    @app.exception_handler(Turned)
    async def turned(_request: Request, error: Exception) -> Response:
        if not isinstance(error, Turned):
            raise TypeError("registered for Turned only") from error
        metrics.count_problem(error.code)
        return problem_answer(error.status, error.code, error.message, error.headers)
