"""What every provider's test server has: a socket, a clock of the test's, rate windows, and a cable to cut."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Now = Callable[[], datetime]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.raw)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Reply:
    """An answer; `body` is sent as JSON unless it is text."""

    body: object = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Counter:
    """At most `messages` in any `seconds`; whoever goes over is refused for `block_s` from then on."""

    def __init__(self, messages: int, seconds: float, block_s: float = 0.0) -> None:
        self._messages = messages
        self._window = timedelta(seconds=seconds)
        self._block = timedelta(seconds=block_s)
        self._arrivals: deque[datetime] = deque()
        self._until: datetime | None = None

    def takes(self, at: datetime) -> bool:
        if self._until is not None and at < self._until:
            return False
        while self._arrivals and self._arrivals[0] + self._window <= at:
            self._arrivals.popleft()
        if len(self._arrivals) >= self._messages:
            self._until = at + self._block
            return False
        self._arrivals.append(at)
        return True

    def seconds_left(self, at: datetime) -> int:
        """Until there is room again, whole seconds, at least one."""
        oldest = self._arrivals[0] + self._window if self._arrivals else at
        return max(1, -int(-(oldest - at).total_seconds() // 1))


class ProviderServer:
    """Subclasses answer. `cut`: "after" takes the request and hangs up; "before" takes no connection."""

    def __init__(self, now: Now) -> None:
        self.now = now
        self.cut: str | None = None
        self.answer_instead: Reply | None = None
        self.asked: list[Asked] = []
        self.accepted: list[Any] = []
        self.broken_limits = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.home = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def reply(self, asked: Asked) -> Reply:
        """The provider's own; called with the lock held."""
        raise AssertionError("a test server without answers")

    def take(self, asked: Asked) -> Reply | None:
        """None hangs up. What was taken before that has been taken."""
        with self._lock:
            self.asked.append(asked)
            found = self.answer_instead or self.reply(asked)
            return None if self.cut == "after" else found

    def unplug(self) -> None:
        """From now on there is nobody to connect to."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        self._thread.join(5)


def _handler(provider: ProviderServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body are two writes, and nobody wants to wait for an acknowledgement between them.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer(raw)

        def do_GET(self) -> None:
            self._answer(b"")

        def _answer(self, raw: bytes) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            found = provider.take(Asked(parts.path, query, dict(self.headers), raw))
            if found is None:
                self.close_connection = True
                self.connection.close()
                return
            text = found.body if isinstance(found.body, str) else json.dumps(found.body, ensure_ascii=False)
            body = text.encode()
            self.send_response(found.status)
            for name, value in {"Content-Type": "application/json", **found.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
