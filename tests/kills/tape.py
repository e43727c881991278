"""A topic on a file, for notifiers that are killed often: what was committed stands beside it, by reader."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

Passing = Callable[[str, str], None]


class Part(NamedTuple):
    """What kafka-python calls a TopicPartition."""

    topic: str
    partition: int


@dataclass(frozen=True)
class Record:
    """One line of the tape."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes


def write_tape(file: Path, values: Sequence[bytes]) -> None:
    """Add a line for each."""
    with file.open("ab") as tape:
        tape.write(b"".join(value + b"\n" for value in values))


class TapeConsumer:
    """What Intake asks of a KafkaConsumer. The reader `index` of `readers` has the customers that fall to it."""

    def __init__(self, file: Path, index: int, readers: int, pass_: Passing) -> None:
        self._part = Part("warnings", index)
        self._file, self._index, self._readers, self._pass = file, index, readers, pass_
        self._kept = file.with_name(f"committed-{index}")
        self._at = int(self._kept.read_text()) if self._kept.exists() else 0

    def poll(self, timeout_ms: int, max_records: int) -> dict[Part, list[Record]]:
        """The next records of this reader's customers."""
        lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        found: list[Record] = []
        while self._at < len(lines) and len(found) < max_records:
            value = lines[self._at]
            customer = orjson.loads(value)["customer_id"].encode()
            if zlib.crc32(customer) % self._readers == self._index:
                found.append(Record(self._part.topic, self._index, self._at, customer, value))
            self._at += 1
        if not found:
            time.sleep(timeout_ms / 5000)
            return {}
        return {self._part: found}

    def commit(self) -> None:
        """In one step, as Kafka does it."""
        self._pass("before", "commit")
        draft = self._kept.with_suffix(".new")
        draft.write_text(str(self._at))
        draft.replace(self._kept)
        self._pass("after", "commit")

    def assignment(self) -> set[Part]:
        """Always the same."""
        return {self._part}

    def position(self, part: Part) -> int:
        """The next line."""
        return self._at

    def highwater(self, part: Part) -> int:
        """As far as it is known."""
        return self._at

    def close(self, **_: object) -> None:
        """Nothing is held."""


class EmptyConsumer:
    """Of a topic on which nothing ever comes: whose the customers are stands in the file."""

    def poll(self, timeout_ms: int, max_records: int) -> dict[Part, list[Record]]:
        """Nothing."""
        time.sleep(timeout_ms / 5000)
        return {}

    def assignment(self) -> set[Part]:
        """Always the same."""
        return {Part("events", 0)}

    def close(self, **_: object) -> None:
        """Nothing is held."""


class TapeProducer:
    """What Publisher asks of a producer of librdkafka: each record is a line, written at once."""

    def __init__(self, file: Path, pass_: Passing) -> None:
        self._file, self._pass = file, pass_

    def produce(self, _topic: str, value: bytes, _key: bytes, on_delivery: Callable[[None, None], None]) -> None:
        """Acknowledged when it returns."""
        self._pass("before", "event")
        line = os.open(self._file, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(line, value + b"\n")
        os.close(line)
        self._pass("after", "event")
        on_delivery(None, None)

    def flush(self, _timeout: float) -> int:
        """Nothing waits."""
        return 0

    def purge(self) -> None:
        """Nothing is held."""

    def poll(self, _timeout: float) -> int:
        """Nothing is to be heard."""
        return 0

    def close(self) -> None:
        """Nothing is open."""
