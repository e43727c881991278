"""Carries one request to a provider and its answer back, in bounded time, and connects to checked addresses only.

A name is resolved once, its addresses are checked, and the connection goes to one of those: what the name leads to a
moment later changes nothing. No redirect is followed and no proxy of the environment is used. Nothing is logged: the
addresses of bots are secrets.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

from services.notifier.channels.addresses import Guard
from services.notifier.channels.base import BadAddress, FateUnknown, TryLater
from services.notifier.channels.provider import Answer, Request

TIMEOUT_S = 10.0
DEADLINE_S = 20.0
"""For all of one attempt: a receiver that lets its answer trickle in holds up nobody for longer."""
BODY_DEADLINE_S = 5.0
LONGEST_BODY = 16384
"""Bytes read of an answer."""
KEPT_OPEN_S = 2.0
"""Of a connection without work: less than servers wait, for one that they close as we write leaves a page in doubt."""
CONNECTIONS = 16
ADDRESSES_TRIED = 3

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name, in the order in which to try them. Raises OSError."""


class AddressRefused(BadAddress):
    """The address leads to where a channel may not connect. Says nothing of what is there."""


def resolve(host: str, port: int) -> list[str]:
    """By the machine's resolver, whose own time limits hold."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Courier:
    """One channel's. `title` names the receiver in errors. Threads may share it."""

    def __init__(
        self,
        title: str,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        resolving: Resolve = resolve,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._chinese, _, self._english = title.partition(" / ")
        self._deadline_s = deadline_s
        self._trip = _Trip()
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=CONNECTIONS,
            keepalive_expiry=KEPT_OPEN_S,
            network_backend=_Checked(guard, resolving, self._trip),
        )

    def carry(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises TryLater when nothing was handed over, FateUnknown when it was and
        no answer came, AddressRefused."""
        self._trip.begin(self._deadline_s)
        try:
            return self._carry(request)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            # The error's own words may hold an address, and with it a secret.
            why = type(error).__name__
        if self._trip.handed_over:
            raise FateUnknown(f"未收到{self._chinese}的答复 / the answer of {self._english} was lost: {why}", code=why)
        said = f"{self._chinese}无法连接 / {self._english} cannot be reached: {why}"
        raise TryLater(said, everyone=True, code=why)

    def close(self) -> None:
        """Ends the connections that are kept open."""
        self._pool.close()

    def _carry(self, request: Request) -> Answer:
        url, login = _without_login(request.url)
        # What is kept of an answer is read as it came: nothing to unpack, nothing that unpacks to gigabytes.
        ours = {"User-Agent": "Bellwether", "Accept-Encoding": "identity"}
        headers: list[tuple[bytes | str, bytes | str]] = [*({**ours, **login, **request.headers}).items()]
        every = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
        with self._pool.stream(
            request.method, url, headers=headers, content=request.body, extensions={"timeout": every}
        ) as answer:
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            return Answer(answer.status, found, self._beginning(answer))

    def _beginning(self, answer: httpcore.Response) -> bytes:
        """As much of the body as comes in time; whether it is enough is for the judge."""
        found = bytearray()
        self._trip.hurry(BODY_DEADLINE_S)
        with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
            for chunk in answer.iter_stream():
                found += chunk
                if len(found) >= LONGEST_BODY:
                    break
        return bytes(found[:LONGEST_BODY])


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """The URL, and the header that its user and password become."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


class _Trip(threading.local):
    """Of the request that this thread carries: until when it must be over, and whether any of it has left."""

    def __init__(self) -> None:
        self._until = 0.0
        self.handed_over = False

    def begin(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self.handed_over = False

    def hurry(self, seconds: float) -> None:
        self._until = min(self._until, time.monotonic() + seconds)

    def left_s(self, timeout_s: float | None) -> float:
        """What one step may take. Raises the timeout itself when nothing is left: a trickle always has a byte more."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline of the whole request")
        return min(left, TIMEOUT_S if timeout_s is None else timeout_s)


class _Checked(httpcore.NetworkBackend):
    """Connects to an address of the name only when every one of them may be connected to."""

    def __init__(self, guard: Guard, resolving: Resolve, trip: _Trip) -> None:
        self._guard = guard
        self._resolving = resolving
        self._trip = trip
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._checked(host, port)
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port, timeout, socket_options)
        return self._connect(addresses[-1], port, timeout, socket_options)

    def _checked(self, host: str, port: int) -> list[str]:
        found = list(self._resolving(host.strip("[]"), port))[:ADDRESSES_TRIED]
        if not found:
            raise httpcore.ConnectError("the name has no address")
        if not all(map(self._guard.admits, found)):
            raise AddressRefused(
                "该地址不是公网地址，未获允许，不予连接 / the address is not public and not among those allowed; "
                "nothing was sent",
                code="private_address",
            )
        return found

    def _connect(self, address: str, port: int, timeout: float | None, options: Any) -> httpcore.NetworkStream:
        inner = self._inner.connect_tcp(address, port, self._trip.left_s(timeout), socket_options=options)
        return _Bounded(inner, self._trip)


class _Bounded(httpcore.NetworkStream):
    """A connection that knows the deadline of the request it carries."""

    def __init__(self, inner: httpcore.NetworkStream, trip: _Trip) -> None:
        self._inner = inner
        self._trip = trip

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._trip.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._trip.handed_over = True
        self._inner.write(buffer, self._trip.left_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, self._trip.left_s(timeout)), self._trip)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
