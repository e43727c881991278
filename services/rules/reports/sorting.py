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
                runs.append(_write_run(held))
                held, size = {}, 0
        last = ((key, len(runs), held[key]) for key in sorted(held))
        # The run number makes of one key's values the last written the last.
        merged = merge(*(_read_run(run, number) for number, run in enumerate(runs)), last, key=lambda one: one[:2])
        for key, entries in groupby(merged, key=lambda one: one[0]):
            *_, (_, _, value) = entries
            if value is not None:
                yield key, value
    finally:
        for run in runs:
            run.close()


def _write_run(held: dict[bytes, bytes | None]) -> IO[bytes]:
    run = tempfile.TemporaryFile()  # noqa: SIM115 - closed, and with that deleted, when the merge is done
    for key in sorted(held):
        value = held[key]
        run.write(_LENGTHS.pack(len(key), _GONE if value is None else len(value)))
        run.write(key)
        run.write(value or b"")
    run.seek(0)
    return run


def _read_run(run: IO[bytes], number: int) -> Iterator[tuple[bytes, int, bytes | None]]:
    while head := run.read(_LENGTHS.size):
        key_bytes, value_bytes = _LENGTHS.unpack(head)
        key = run.read(key_bytes)
        yield key, number, None if value_bytes == _GONE else run.read(value_bytes)
