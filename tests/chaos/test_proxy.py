"""The proxy that stands for a network does to connections what it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.ports import LOOPBACK
from tests.chaos.proxy import Proxy
from tests.support.waiting import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says back what it hears."""
    server = socket.create_server((LOOPBACK, 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(1000):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    made = Proxy(echo)
    made.start()
    yield made
    made.stop()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), 5)


def test_bytes_pass_in_both_directions(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(10) == b"hello"
    assert proxy.passed_bytes == 10


def test_a_cut_ends_connections_and_takes_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    connect(proxy).close()


def test_a_refusal_lets_nobody_in_until_it_is_over(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    connect(proxy).close()


def test_silence_keeps_what_is_said_until_it_is_over(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.silence()
        connection.sendall(b"late")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        proxy.speak()
        connection.settimeout(10)
        assert connection.recv(10) == b"late"


def test_a_broker_that_is_away_is_a_connection_that_ends(proxy: Proxy) -> None:
    proxy._target_port = 1
    with connect(proxy) as connection:
        assert wait_until(lambda: ended(connection), "the end")


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
