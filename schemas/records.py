"""PURE what a record of Kafka has when it was read, whatever client has read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ReadRecord(Protocol):
    """A record as kafka-python and aiokafka give it."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
