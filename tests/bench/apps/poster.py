"""Posts bodies to ingest from a process of its own: as fast as it answers, or at a steady pace.

Arguments: host:port, a file with a body in base64 a line, seconds, connections, and requests a second (0: as fast as it
goes). Prints how many were answered 202 or 200, in what time, and for how long each was waited for, from the moment at
which its turn came: a server that stalls is not spared the requests that it has delayed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64decode
from itertools import count, cycle
from pathlib import Path

import orjson
import uvloop

HEAD = "POST /v1/events HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


class Poster:
    """Posts in turn over some connections."""

    def __init__(self, host: str, port: int, requests: list[bytes], seconds: float, rate: float) -> None:
        self._address = (host, port)
        self._turns = zip(count(), cycle(requests), strict=False)
        self._seconds = seconds
        self._rate = rate
        self._begun = 0.0
        self.waits_s: list[float] = []
        self.failed = 0

    async def run(self, connections: int) -> float:
        """Until the time is over; how long it took."""
        self._begun = time.perf_counter()
        await asyncio.gather(*(self._one() for _ in range(connections)))
        return time.perf_counter() - self._begun

    async def _one(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address, limit=1 << 24)
        for number, request in self._turns:
            due = self._begun + number / self._rate if self._rate else time.perf_counter()
            if due - self._begun > self._seconds:
                break
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            self.waits_s.append(time.perf_counter() - due)
            self.failed += not head.startswith(b"HTTP/1.1 202")
        writer.close()


def main(address: str, file: str, seconds: str, connections: str, rate: str) -> None:
    """Post, and print what was found."""
    bodies = [b64decode(line) for line in Path(file).read_bytes().splitlines()]
    host, _, port = address.partition(":")
    requests = [HEAD.format(len(body)).encode() + body for body in bodies]
    poster = Poster(host, int(port), requests, float(seconds), float(rate))
    took_s = uvloop.run(poster.run(int(connections)))
    found = {"requests": len(poster.waits_s), "failed": poster.failed, "seconds": took_s, "waits_s": poster.waits_s}
    print(orjson.dumps(found).decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
