"""Plays the `bellwether` command for the runner's test: every service is a small HTTP server.

MISBEHAVE=<service>:die makes that service end while it starts; MISBEHAVE=<service>:deaf makes it ignore SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

PORTS = {
    "ingest": "BELLWETHER_INGEST_PORT",
    "rules": "BELLWETHER_RULES_PORT",
    "notifier": "BELLWETHER_NOTIFIER_PORT",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._write(200, b"bellwether_rules_unjudged_customers 3.0\n")
            return
        self._answer(200, {"cases_open": 2, "pages": 5, "warnings": 3})

    def do_POST(self) -> None:
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(202, {"results": [{"status": "accepted"} for _ in events]})

    def _answer(self, status: int, body: object) -> None:
        self._write(status, json.dumps(body).encode())

    def _write(self, status: int, raw: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def serve(name: str) -> None:
    service, _, fault = os.environ.get("MISBEHAVE", "").partition(":")
    if (service, fault) == (name, "die"):
        sys.exit(f"{name}: the disk is full")
    if (service, fault) == (name, "deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    port = int(os.environ[PORTS[name]])
    with (Path(os.environ["BELLWETHER_DATA_DIR"]) / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main(arguments: list[str]) -> None:
    if arguments[0] == "sample":
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        Path(options["--to"]).write_text('{"id": "1"}\n{"id": "2"}\n')
        Path(options["--directory"]).write_text("people: []\n")
    elif arguments[:3] == ["notifier", "user", "add"]:
        Path(os.environ["BELLWETHER_DATA_DIR"], "account").write_text(sys.stdin.read())
    elif arguments[:2] == ["ranks", "publish"]:
        with Path(os.environ["BELLWETHER_DATA_DIR"], "ranked").open("a") as ranked:
            ranked.write(f"{arguments[3]}\n")
    elif arguments[0] == "advance":
        Path(os.environ["BELLWETHER_DATA_DIR"], "advanced").write_text(os.environ["BELLWETHER_CLOCK"])
    else:
        serve(arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
