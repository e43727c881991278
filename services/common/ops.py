"""/healthz, /readyz and /metrics for a service that has no web application of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

Check = Callable[[], Mapping[str, str]]
"""Problems by name, in words; empty when all is well. Called from another thread."""


def start_ops_server(
    host: str, port: int, healthy: Check, ready: Check, registry: CollectorRegistry = REGISTRY
) -> ThreadingHTTPServer:
    """Serves the three pages from a daemon thread; raises OSError when the port is taken.

    /healthz answers 503 when the process should be replaced, /readyz when it must not get work yet.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif self.path in ("/healthz", "/readyz"):
                problems = dict(healthy() if self.path == "/healthz" else ready())
                body = json.dumps({"status": "failing" if problems else "ok", "problems": problems}).encode()
                self._answer(503 if problems else 200, body, "application/json")
            else:
                self._answer(404, b"there are /metrics, /healthz and /readyz here\n", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes every few seconds would drown the service's own log."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="ops", daemon=True).start()
    return server
