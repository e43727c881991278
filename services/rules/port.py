"""What the runtime asks of the rules core, as types: the real core and the tests' stand-in both fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from schemas.events import Event
from schemas.records import ReadRecord
from services.rules.calendar import Micros
from services.rules.entries import Said

CustomerState = Any
"""Opaque to the runtime. After `close` it serves the next batch; after an error it must be thrown away."""

SEGMENT_MARK = "\x1f"
"""Between customer id and segment name in a table key; an identifier cannot contain it."""

LONG_DUE: Micros = 0
"""The instant of a wake-up that should have come already: other rules, or other rates, judged the customer last."""

OWN_KEYS = b"\x00"
"""What table keys of the partition itself begin with; no customer id begins with a control character."""

CLOCK_KEY = OWN_KEYS + b"clock"
"""The partition's own clock."""

SENT_KEY = OWN_KEYS + b"sent"
"""How far the changelog's warnings have been sent: {"offset": N} says that those of every head up to N were."""

EPOCH_HEADER = "epoch"
"""Of a changelog record: how often the partition had been taken over when it was written."""

ERASED_HEADER = "erased"
"""Of the tombstones of an erased customer: the offset of the event that erased it. Older records stay gone."""


class Peek(Protocol):
    """What the head record tells without opening the customer. `version` is (applied offset, revision)."""

    @property
    def version(self) -> tuple[int, int]: ...
    @property
    def wake_at(self) -> Micros | None: ...
    @property
    def unsent(self) -> list[bytes]: ...


class Written(Protocol):
    """What a batch made of a customer. `records` are in the order in which they must be written: the head last."""

    @property
    def records(self) -> list[tuple[str, bytes | None]]: ...
    @property
    def wake_at(self) -> Micros | None: ...
    @property
    def warnings(self) -> list[bytes]: ...
    @property
    def snapshots(self) -> list[tuple[str, bytes | None]]:
        """For the customers topic, by what follows the customer id in the key: "" for the snapshot itself."""


class Core(Protocol):
    """The rules themselves: synchronous, no I/O, no clock."""

    def open(self, customer_id: str, records: Mapping[str, bytes]) -> CustomerState: ...

    def learn(self, state: CustomerState, event: Event | Said, *, offset: int, now: Micros) -> None:
        """Takes in an event, as a model or as what it says; what it changes is told by `settle`. Raises InvalidEvent,
        the state unchanged but for its offset. An offset already applied changes nothing."""

    def settle(self, state: CustomerState) -> None:
        """What the events learned since the last time change, all at once. `wake` and `close` settle first."""

    def wake(self, state: CustomerState, *, now: Micros) -> None: ...

    def retire(self, state: CustomerState, *, now: Micros, merged_into: str, limit: int) -> bool:
        """Withdraws up to `limit` warnings of a customer who turned out to be another. False: none was left."""

    def unsent_bytes(self, state: CustomerState) -> int:
        """The size of the warnings that the state has gathered since it was opened."""

    def wake_at(self, state: CustomerState) -> Micros | None:
        """As `close` would give it. Under the event clock the next event may lie beyond it within the same batch."""

    def close(self, state: CustomerState, *, tells: bool = True) -> Written:
        """What has changed since `open` or the last `close`, and the warnings since then. The state may be used on.
        Without `tells` reports are told of it later."""

    def size(self, state: CustomerState) -> int:
        """How many items it keeps in memory while it is open."""

    def peek(self, head: bytes) -> Peek:
        """Of a head, or of the brief of one."""

    def brief(self, head: bytes) -> bytes:
        """What `peek` tells of a head but for what is unsent, in a few bytes."""

    def told(self, records: Mapping[str, bytes]) -> list[str]:
        """What the customers topic may hold of a customer of these records, by what follows the customer id in the
        key."""

    def version(self, record: bytes) -> tuple[int, int]: ...


class Record(ReadRecord, Protocol):
    """A record as it was read from the events topic or the changelog; aiokafka's fits."""

    @property
    def offset(self) -> int: ...


class Outgoing(NamedTuple):
    """A record to be written; a value of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
