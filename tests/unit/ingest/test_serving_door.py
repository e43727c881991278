"""The door before uvicorn, with real connections. Time is told to it: nobody waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop

from services.ingest.serving_bounds import Bounds, Ending
from services.ingest.serving_door import SLICES, House

LARGE = 3_000_000
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


class Played:
    """A server behind a door of its own."""

    def __init__(self, bounds: Bounds) -> None:
        self.endings: list[Ending] = []
        self._clients: list[asyncio.StreamWriter] = []
        self.let = asyncio.Event()
        self.house = House(bounds, self.endings.append)
        config = uvicorn.Config(
            self.application,
            port=0,
            http=self.house.protocol(),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
        )
        self.server = uvicorn.Server(config)

    async def application(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """/hello answers, /count reads its body first, /early answers without, /patient when it is let, /large more
        than anybody buffers."""
        read = 0
        if scope["path"] == "/patient":
            await self.let.wait()
        if scope["path"] == "/count":
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                read, more = read + len(message["body"]), message["more_body"]
        body = b"x" * LARGE if scope["path"] == "/large" else f"{scope['path']} {read}".encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def connect(self, address: str = "127.0.0.1", *sent: bytes) -> tuple[asyncio.StreamReader, Any]:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        made = socket.socket()
        # Little room for what is not read: the kernel would take megabytes.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.bind((address, 0))
        made.setblocking(False)  # noqa: FBT003 - it has no name
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=made)
        # Kept: a writer that nobody holds closes its connection.
        self._clients.append(writer)
        for part in sent:
            writer.write(part)
        await self.settle()
        return reader, writer

    async def cut(self) -> None:
        """All clients are gone."""
        for writer in self._clients:
            writer.transport.abort()
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that can without time."""
        for _ in range(30):
            await asyncio.sleep(0)
        # The other end of a socket is another file of the same loop: it may need a turn of the selector.
        await asyncio.sleep(0.01)

    async def pass_time(self, seconds: float) -> None:
        """As if so many seconds had gone by."""
        now = asyncio.get_running_loop().time() + seconds
        for _ in range(SLICES):
            self.house.sweep(now)
        await self.settle()


@asynccontextmanager
async def playing(bounds: Bounds) -> AsyncIterator[Played]:
    played = Played(bounds)
    running = asyncio.create_task(played.server.serve())
    while not played.server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.001)
    yield played
    played.server.should_exit = True
    await asyncio.wait_for(running, 10)
    assert len(played.house.guests) == 0
    assert played.house.unread_bytes == 0


def play(scenario: Callable[[Played], Coroutine[Any, Any, None]], **bounds: Any) -> None:
    async def run() -> None:
        async with playing(Bounds(**bounds)) as played:
            await scenario(played)

    # As `ingest serve` runs: its transports differ from asyncio's where they have ended.
    uvloop.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    (length,) = [
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return int(head.split()[1]), await asyncio.wait_for(reader.readexactly(length), 10)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionResetError:
        return True


def test_requests_follow_each_other_on_one_connection() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", GET)
        assert await answer(reader) == (200, b"/hello 0")
        for byte in post("/count", 3) + b"abc":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await answer(reader) == (200, b"/count 3")
        await played.pass_time(9)
        writer.write(GET)
        assert await answer(reader) == (200, b"/hello 0")
        assert played.endings == []

    play(scenario)


@pytest.mark.parametrize("cut", range(1, len(GET)))
def test_requests_sent_at_once_are_answered_wherever_the_bytes_are_parted(cut: int) -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", post("/count", 4) + b"\r\n\r\n" + GET + GET[:cut])
        assert await answer(reader) == (200, b"/count 4")
        assert await answer(reader) == (200, b"/hello 0")
        writer.write(GET[cut:])
        assert await answer(reader) == (200, b"/hello 0")
        writer.write(GET[:cut])
        await played.settle()
        writer.write(GET[cut:])
        assert await answer(reader) == (200, b"/hello 0")

    play(scenario)


@pytest.mark.parametrize("said", [b"", b"GET /hello HTTP/1.1\r\nHost:"])
def test_a_header_that_does_not_come_ends(said: bytes) -> None:
    async def scenario(played: Played) -> None:
        reader, _ = await played.connect("127.0.0.1", said)
        await played.pass_time(9)
        assert played.endings == []
        await played.pass_time(11)
        assert played.endings == [Ending.SLOW_HEADER]
        if said:
            assert (await answer(reader))[0] == 408
        assert await is_cut(reader)

    play(scenario)


def test_the_second_header_is_waited_for_no_longer_than_the_first() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", GET)
        await answer(reader)
        await played.pass_time(11)
        writer.write(b"GET")
        await played.settle()
        await played.pass_time(11)
        assert played.endings == [Ending.SLOW_HEADER]

    play(scenario)


def test_a_connection_without_requests_ends_later() -> None:
    async def scenario(played: Played) -> None:
        reader, _ = await played.connect("127.0.0.1", GET)
        await answer(reader)
        await played.pass_time(59)
        assert played.endings == []
        await played.pass_time(61)
        assert (played.endings, await is_cut(reader)) == ([Ending.IDLE], True)

    play(scenario)


@pytest.mark.parametrize("whole", [False, True])
def test_a_header_is_bounded(whole: bool) -> None:
    async def scenario(played: Played) -> None:
        end = b"\r\n\r\n" if whole else b""
        reader, _ = await played.connect("127.0.0.1", b"GET /hello HTTP/1.1\r\nX: " + b"x" * 3000 + end)
        status, body = await answer(reader)
        assert (status, b"header_too_large" in body) == (431, True)
        assert played.endings == [Ending.LARGE_HEADER]

    play(scenario, header_bytes=2000)


def test_a_body_that_falls_silent_ends_and_one_that_comes_slowly_does_not() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", post("/count", 10))
        await played.pass_time(19)
        assert played.endings == []
        writer.write(b"x" * 10)
        assert await answer(reader) == (200, b"/count 10")
        _, writer = await played.connect("127.0.0.1", post("/count", 10) + b"x")
        await played.pass_time(21)
        assert played.endings == [Ending.SILENT]

    play(scenario, silent_s=20)


def test_a_request_at_work_is_waited_for_though_its_client_says_nothing() -> None:
    async def scenario(played: Played) -> None:
        reader, _ = await played.connect("127.0.0.1", post("/patient", 3) + b"abc")
        await played.pass_time(1000)
        assert played.endings == []
        played.let.set()
        assert await answer(reader) == (200, b"/patient 0")

    play(scenario)


def test_the_rest_of_a_body_that_was_answered_is_thrown_away_and_the_connection_goes_on() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", post("/early", 1000))
        assert await answer(reader) == (200, b"/early 0")
        writer.write(b"x" * 400)
        await played.settle()
        writer.write(b"x" * 600 + GET)
        assert await answer(reader) == (200, b"/hello 0")
        assert played.endings == []

    play(scenario)


def test_a_body_that_goes_on_after_its_answer_ends() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect("127.0.0.1", post("/early", 10_000_000))
        await answer(reader)
        writer.write(b"x" * 3000)
        await played.settle()
        await played.pass_time(0)
        assert played.endings == [Ending.ENDLESS]
        reader, _ = await played.connect("127.0.0.1", post("/early", 10_000_000))
        await answer(reader)
        await played.pass_time(21)
        assert played.endings == [Ending.ENDLESS] * 2

    play(scenario, discarded_bytes=2000)


def test_who_does_not_read_his_answer_ends() -> None:
    async def scenario(played: Played) -> None:
        await played.connect("127.0.0.1", GET.replace(b"hello", b"large"))
        assert played.house.unread_bytes > 0
        await played.pass_time(19)
        assert played.endings == []
        await played.pass_time(21)
        assert played.endings == [Ending.UNREAD]

    play(scenario, unread_s=20)


def test_what_nobody_reads_is_bounded_in_all() -> None:
    async def scenario(played: Played) -> None:
        for number in range(1, 5):
            await played.connect("127.0.0.1", GET.replace(b"hello", b"large"))
            await played.settle()
            assert played.house.unread_bytes <= 2 * LARGE
            assert len(played.endings) == max(0, number - 2)
        assert set(played.endings) == {Ending.UNREAD}
        await played.cut()

    play(scenario, unread_bytes=2 * LARGE)


def test_requests_sent_at_once_by_one_who_does_not_listen_end_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(played: Played) -> None:
        await played.connect("127.0.0.1", post("/patient", 0) + GET * 3)
        await played.connect("127.0.0.1", GET.replace(b"hello", b"large") * 3)
        await played.pass_time(21)
        assert played.endings == [Ending.UNREAD]
        await played.cut()
        played.let.set()
        await played.settle()
        assert len(played.house.guests) == 0

    play(scenario, unread_s=20)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_of_many_requests_sent_at_once_the_first_are_answered_and_the_others_cost_nothing() -> None:
    async def scenario(played: Played) -> None:
        reader, _ = await played.connect("127.0.0.1", post("/patient", 2) + b"ab" + GET * 2000)
        (door,) = played.house.guests._there
        assert len(door._inner.pipeline) == 3  # type: ignore[union-attr]
        played.let.set()
        assert [await answer(reader) for _ in range(4)] == [(200, b"/patient 0"), *[(200, b"/hello 0")] * 3]
        assert await is_cut(reader)
        assert played.endings == [Ending.TOO_MANY]

    play(scenario, at_once=4)


def test_as_many_as_may_be_sent_at_once_are_answered_again_and_again() -> None:
    async def scenario(played: Played) -> None:
        reader, writer = await played.connect()
        for _ in range(3):
            writer.write((post("/count", 4) + b"abcd") * 4)
            assert [await answer(reader) for _ in range(4)] == [(200, b"/count 4")] * 4
        assert played.endings == []

    play(scenario, at_once=4)


def test_a_well_behaved_client_is_let_in_where_silent_ones_fill_all_the_room() -> None:
    async def scenario(played: Played) -> None:
        crowd = [await played.connect(f"127.0.0.{2 + number % 5}") for number in range(20)]
        assert len(played.house.guests) == 20
        reader, writer = await played.connect("127.0.0.1", GET)
        assert await answer(reader) == (200, b"/hello 0")
        for number in range(40):
            await played.connect(f"127.0.0.{2 + number % 5}")
        writer.write(GET)
        assert await answer(reader) == (200, b"/hello 0")
        assert len(played.house.guests) == 20
        assert played.endings == [Ending.NO_ROOM] * 41
        assert await is_cut(crowd[0][0])

    play(scenario, connections=20, by_address=5)


def test_a_stop_does_not_wait_for_those_who_say_nothing() -> None:
    async def scenario(played: Played) -> None:
        await played.connect()
        await played.connect("127.0.0.1", b"GET ")
        reader, _ = await played.connect("127.0.0.1", GET)
        await answer(reader)

    play(scenario)
