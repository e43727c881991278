"""A small core with the real one's interface, so that the runtime can be tested for what it promises.

It counts and adds up payments. Every tenth payment is a warning; so is every silence of 24 hours. Every event's name is
kept in a month segment, so a doubled one is recognised. Payments named `poison` break it, those named `mine` when it is
asked what they change; those named `refused` it refuses, and a customer that holds a payment named `bomb` cannot be
closed. The snapshot is the count. Whom another
`book` or other rates have judged gets a warning.

Run as a module it is a whole worker: python -m tests.support.standin_core
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import orjson

from schemas.codec import InvalidEvent
from schemas.events import Event
from services.rules.calendar import Micros, instant
from services.rules.compiling import Rule
from services.rules.entries import Said, said_of
from services.rules.port import LONG_DUE
from services.rules.reference import Reference
from services.rules.rulebook import Rulebook

SILENCE_US: Micros = 24 * 3600 * 1_000_000
WARN_EVERY = 10


class Version(NamedTuple):
    offset: int
    revision: int


class Peek(NamedTuple):
    version: Version
    clock: Micros
    wake_at: Micros | None
    unsent: list[bytes]


class Written(NamedTuple):
    records: list[tuple[str, bytes | None]]
    wake_at: Micros | None
    warnings: list[bytes]
    snapshots: list[tuple[str, bytes | None]]


@dataclass
class State:
    customer_id: str
    version: Version = field(default_factory=lambda: Version(-1, 0))
    clock: Micros = 0
    count: int = 0
    total: Decimal = Decimal(0)
    last: Micros | None = None
    wake_at: Micros | None = None
    months: dict[str, list[str]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    warnings: list[bytes] = field(default_factory=list)
    book: str = ""
    mined: bool = False


class StandInCore:
    """See the module."""

    book = ""
    reference = Reference()

    @property
    def judged_by(self) -> str:
        """The rules and rates in force."""
        return self.book + self.reference.fingerprint

    def open(self, customer_id: str, records: Mapping[str, bytes]) -> State:
        state = State(customer_id, book=self.judged_by)
        if "" in records:
            head = orjson.loads(records[""])
            state.version, state.clock = Version(*head["version"]), head["clock"]
            state.count, state.total = head["count"], Decimal(head["total"])
            state.last, state.wake_at, state.book = head["last"], head["wake_at"], head["book"]
        state.months = {name: orjson.loads(record)["ids"] for name, record in records.items() if name}
        return state

    def learn(self, state: State, event: Event | Said, *, offset: int, now: Micros) -> None:
        if offset <= state.version.offset:
            return
        said = event if isinstance(event, Said) else said_of(event)
        if said.data is None or said.kind != "payment.received":
            raise InvalidEvent("unknown_here", "the stand-in knows payments only", event_id=said.id, source=said.source)
        # In the middle of the work on purpose: a state that broke half-way must not be used again.
        state.count += 1
        state.mined |= said.data["payment_id"] == "mine"
        if said.data["payment_id"] == "poison":
            raise ArithmeticError("this payment breaks the stand-in")
        state.version, state.clock = Version(offset, 0), now
        month, name = instant(said.time).strftime("%Y-%m"), f"{said.source}/{said.id}"
        refused = said.data["payment_id"] == "refused"
        if refused or any(name in ids for ids in state.months.values()):
            state.count -= 1
            if refused:
                raise InvalidEvent("id_reused", "refused by the stand-in", event_id=said.id, source=said.source)
            return
        state.months.setdefault(month, []).append(name)
        state.touched.add(month)
        state.total += Decimal(said.data["amount"])
        state.last = max(said.time, state.last or 0)
        state.wake_at = state.last + SILENCE_US
        if state.count % WARN_EVERY == 0:
            self._warn(state, f"{state.customer_id}:{state.count}", "tenth", now)

    def retire(self, state: State, *, now: Micros, merged_into: str, limit: int) -> bool:
        """It takes nothing back."""
        return False

    def settle(self, state: State) -> None:
        if state.mined:
            raise ArithmeticError("a payment breaks the stand-in when it is asked what it changes")

    def wake(self, state: State, *, now: Micros) -> None:
        if state.book != self.judged_by:
            state.version = Version(state.version.offset, state.version.revision + 1)
            state.book = self.judged_by
            self._warn(state, f"{state.customer_id}:book:{state.book}", "book", now)
        if state.wake_at is None or state.wake_at > now:
            return
        state.version = Version(state.version.offset, state.version.revision + 1)
        state.clock, state.wake_at = now, None
        self._warn(state, f"{state.customer_id}:silent:{state.last}", "silence", now)

    def unsent_bytes(self, state: State) -> int:
        return sum(map(len, state.warnings))

    def wake_at(self, state: State) -> Micros | None:
        return state.wake_at

    def size(self, state: State) -> int:
        return state.count

    def close(self, state: State, *, tells: bool = True) -> Written:
        if any(name.endswith("/bomb") for ids in state.months.values() for name in ids):
            raise ArithmeticError("this state cannot be written")
        records: list[tuple[str, bytes | None]] = [
            (month, orjson.dumps({"version": list(state.version), "ids": state.months[month]}))
            for month in sorted(state.touched)
        ]
        head = {
            "version": list(state.version),
            "clock": state.clock,
            "count": state.count,
            "total": str(state.total),
            "last": state.last,
            "wake_at": state.wake_at,
            "unsent": [warning.decode() for warning in state.warnings],
            "book": state.book,
        }
        records.append(("", orjson.dumps(head)))
        written = Written(records, state.wake_at, state.warnings, [("", str(state.count).encode())])
        state.touched, state.warnings = set(), []
        return written

    def peek(self, head: bytes) -> Peek:
        found = orjson.loads(head)
        unsent = [warning.encode() for warning in found["unsent"]]
        wake_at = found["wake_at"] if found["book"] == self.judged_by else LONG_DUE
        return Peek(Version(*found["version"]), found["clock"], wake_at, unsent)

    def brief(self, head: bytes) -> bytes:
        found = orjson.loads(head)
        return orjson.dumps({**{name: found[name] for name in ("version", "clock", "wake_at", "book")}, "unsent": []})

    def told(self, records: Mapping[str, bytes]) -> list[str]:
        return [""]

    def version(self, record: bytes) -> Version:
        return Version(*orjson.loads(record)["version"])

    def _warn(self, state: State, warning_id: str, rule: str, now: Micros) -> None:
        total = str(state.total)
        warning = {"id": warning_id, "revision": 1, "rule": rule, "count": state.count, "total": total, "at": now}
        state.warnings.append(orjson.dumps(warning))


def payment(
    customer_id: str, event_id: str, time: datetime, amount: str = "1.00", payment_id: str | None = None
) -> bytes:
    """The bytes of one payment event."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "test",
            "type": "bellwether.payment.received",
            "time": time.isoformat(),
            "subject": customer_id,
            "data": {
                "payment_id": payment_id or event_id,
                "amount": amount,
                "currency": "CNY",
                "value_date": time.date().isoformat(),
            },
        }
    )


def main() -> None:
    """A worker that runs the stand-in."""
    from services.common.settings import read_settings
    from services.rules.logs import configure_logging
    from services.rules.worker import run_worker

    def build(rules: list[Rule], reference: Reference) -> StandInCore:
        core = StandInCore()
        core.book, core.reference = Rulebook(rules).fingerprint, reference
        return core

    configure_logging()
    # The least that Kafka allows: a killed worker's successor waits for it.
    run_worker(read_settings(os.environ), build, session_timeout_s=6)


if __name__ == "__main__":
    main()
