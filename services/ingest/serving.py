"""Serving an application on ingest's port: uvicorn behind the door, with TLS if it is set."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.common.collector import leave_what_is_loaded
from services.common.errors import UserError
from services.ingest.keys_gate import Asking, is_local
from services.ingest.serving_bounds import Bounds, Ending
from services.ingest.serving_config import DoorSettings
from services.ingest.serving_door import House
from services.ingest.serving_tls import Tls

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
OTHER_FILES = 256
"""Open files beside the connections: databases, the broker, logs."""

BACKLOG = 4096


class OpenPort(UserError):
    """Everybody in the network could send."""


class Front:
    """What stands between the network and the application."""

    def __init__(self, settings: DoorSettings, registry: CollectorRegistry) -> None:
        """Raises BadSetting for certificates that cannot be used."""
        self._tls = Tls(settings.certificate) if settings.certificate else None
        ended = Counter(
            "bellwether_ingest_ended_connections", "Connections that ingest ended, by why", ["why"], registry=registry
        )
        for ending in Ending:
            ended.labels(ending.value)
        self._house = House(settings.bounds, lambda ending: ended.labels(ending.value).inc())
        open_now = Gauge("bellwether_ingest_connections", "Connections that are open", registry=registry)
        open_now.set_function(lambda: len(self._house.guests))

    @property
    def workers(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What has to run beside the application."""
        return [self._house.run, *([self._tls.run] if self._tls else [])]

    def run(self, app: FastAPI, host: str, port: int) -> None:
        """Serve until a signal ends it."""
        _raise_open_files(self._house.bounds)
        tls = self._tls
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            loop=_loop,  # type: ignore[arg-type]  # uvicorn takes a factory as it takes the name of one
            http=self._house.protocol(),
            ws="none",
            ssl_context_factory=(lambda _config, _default: tls.context) if tls else None,
            backlog=BACKLOG,
            # The door ends idle connections; it would not know of uvicorn's doing.
            timeout_keep_alive=int(self._house.bounds.idle_s + self._house.bounds.header_s) + 10,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=20,
        )
        leave_what_is_loaded()
        uvicorn.Server(config).run()


def check_openness(asking: Asking, host: str) -> None:
    """Raises OpenPort where a setting would let everybody in the network send."""
    if asking in (Asking.OFF, Asking.OPTIONAL) and not is_local(host):
        raise OpenPort(
            f"BELLWETHER_INGEST_KEYS={asking.value} goes with an address of this machine alone, not with "
            f"BELLWETHER_HOST={host}: everybody in the network could send. Set it to required, and make a key"
        )


class _Loop(uvloop.Loop):
    def create_server(self, *arguments: Any, **options: Any) -> Any:
        """As uvicorn asks for it, with an end to handshakes that do not end."""
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = HANDSHAKE_S
        return super().create_server(*arguments, **options)


def _loop() -> asyncio.AbstractEventLoop:
    return _Loop()


def _raise_open_files(bounds: Bounds) -> None:
    """As many open files as the connections may need. Where the system allows fewer, it is said."""
    wanted = bounds.connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "%d open files are allowed: set BELLWETHER_INGEST_CONNECTIONS to %d at most, or allow more",
            allowed,
            max(0, allowed - OTHER_FILES),
        )
