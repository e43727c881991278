"""Records of a topic by key, each once and as it was last written, in bounded memory.

A topic that is not compacted yet holds a key many times, and a customer's records lie far apart. So they are sorted:
runs of what fits into memory go to temporary files, and the files are merged.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from typing import IO

Record = tuple[bytes, bytes | None]
"""A key and its value; None says that the key is no more."""

RUN_BYTES = 128_000_000
"""Keys and values held in memory at a time."""

MAX_RUNS = 100
"""Files open at a time; from then on they are joined into one."""

_OVERHEAD_BYTES = 150
"""What Python needs for an entry beside its bytes."""

_LENGTHS = struct.Struct("<Iq")
_GONE = -1


def newest_by_key(records: Iterable[Record], run_bytes: int = RUN_BYTES) -> Iterator[tuple[bytes, bytes]]:
    """Every key that still stands with its last value, in the order of keys. The records of one key must come in the
    order in which they were written."""
    held: dict[bytes, bytes | None] = {}
    size = 0
    runs: list[IO[bytes]] = []
    try:
        for key, value in records:
            held[key] = value
            size += len(key) + len(value or b"") + _OVERHEAD_BYTES
            if size > run_bytes:
                runs.append(_write_run((key, held[key]) for key in sorted(held)))
                held, size = {}, 0
            if len(runs) == MAX_RUNS:
                runs = _joined(runs)
        newest = ((key, held[key]) for key in sorted(held))
        yield from ((key, value) for key, value in _merged([*map(_read_run, runs), newest]) if value is not None)
    finally:
        for run in runs:
            run.close()


def _joined(runs: list[IO[bytes]]) -> list[IO[bytes]]:
    """One run in the place of many."""
    joined = _write_run(_merged([_read_run(run) for run in runs]))
    for run in runs:
        run.close()
    return [joined]


def _merged(runs: list[Iterator[Record]]) -> Iterator[Record]:
    """Every key once, in order, with its value in the last of the runs that have it."""
    numbered = [_numbered(number, run) for number, run in enumerate(runs)]
    for key, entries in groupby(merge(*numbered, key=lambda one: one[:2]), key=lambda one: one[0]):
        *_, (_, _, value) = entries
        yield key, value


def _numbered(number: int, run: Iterator[Record]) -> Iterator[tuple[bytes, int, bytes | None]]:
    for key, value in run:
        yield key, number, value


def _write_run(records: Iterable[Record]) -> IO[bytes]:
    run = tempfile.TemporaryFile()  # noqa: SIM115 - closed, and with that deleted, when the merge is done
    for key, value in records:
        run.write(_LENGTHS.pack(len(key), _GONE if value is None else len(value)))
        run.write(key)
        run.write(value or b"")
    run.seek(0)
    return run


def _read_run(run: IO[bytes]) -> Iterator[Record]:
    while head := run.read(_LENGTHS.size):
        key_bytes, value_bytes = _LENGTHS.unpack(head)
        key = run.read(key_bytes)
        yield key, None if value_bytes == _GONE else run.read(value_bytes)
