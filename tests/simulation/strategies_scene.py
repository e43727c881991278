"""A history of a customer or two, and the scene in which one is invented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import strategies as st

from schemas.codec import parse
from schemas.events import Event
from tests.simulation.worlds import World

Document = dict[str, Any]

SOURCES = ("erp", "crm")
CUSTOMERS = ("c1", "c2")
ROUND_AMOUNTS = ("10.00", "20.00")
AMOUNTS = ("10.00", "20.00", "30.00", "50.00", "0.01", "10.01", "0.005")
SPAN_DAYS = 430
CLOCK_TIMES = (time(0), time(9), time(12), time(23, 59, 59, 999999))
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BESIDE = (timedelta(0), timedelta(0), DAY, -DAY, TICK, -TICK, 5 * DAY, HOUR, -HOUR)
"""How far from a limit something happens: on it, right beside it, somewhere around it."""


@dataclass(frozen=True)
class History:
    """Documents of events in the order in which they arrive, the company they happen to, and how far time comes."""

    world: World
    documents: tuple[Document, ...]
    until: datetime
    reference: tuple[Document, ...] = ()
    """Events of no customer: rates, rankings, heartbeats."""

    def events(self) -> list[Event]:
        """The documents as the codec reads them."""
        return [parse(document) for document in self.documents]

    def references(self) -> list[Event]:
        """The reference events as the codec reads them."""
        return [parse(document) for document in self.reference]

    def told(self, documents: Iterable[Document]) -> History:
        """The same company and time, with other events or these in another order."""
        return replace(self, documents=tuple(documents))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """One event a line: what Hypothesis shows of a failing history can be read, and fed to the core again."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        lines = "\n".join(orjson.dumps(document).decode() for document in (*self.reference, *self.documents))
        return f"History in {self.world.name} until {self.until.isoformat()}:\n{lines}\n"


@dataclass(frozen=True)
class Scene:
    """Where and when one history plays; draws the things that its events are made of."""

    draw: st.DrawFn
    zone: ZoneInfo
    first_day: date
    favourites: tuple[date, ...]
    narrow: bool
    """Two invoices, one currency and round amounts only: every event touches what the others touch."""

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def often(self, out_of: int) -> bool:
        """True in all but one of `out_of` cases; shrinks to True."""
        return self.draw(st.integers(0, out_of - 1)) < out_of - 1

    def invoice_id(self) -> str:
        return str(self.pick(*("AB" if self.narrow else "ABCDE")))

    def currency(self) -> str:
        return "CNY" if self.narrow or self.often(4) else "EUR"

    def amount(self) -> str:
        return str(self.pick(*(ROUND_AMOUNTS if self.narrow else AMOUNTS)))

    def day(self) -> date:
        """Any day of the span; most are one of the scene's favourites, or the first, middle or last of a month."""
        if self.draw(st.integers(0, 9)) < 6:
            return self.draw(st.sampled_from(self.favourites))
        day = self.first_day + timedelta(days=self.draw(st.integers(0, SPAN_DAYS)))
        turn = self.draw(st.integers(0, 5))
        if turn == 0:
            return day.replace(day=1)
        if turn == 1:
            return day.replace(day=1) - timedelta(days=1)
        return day.replace(day=15) if turn == 2 else day

    def near(self, day: date) -> date:
        """The day itself or one around it: within the grace, a month away, before."""
        return day + timedelta(days=self.pick(0, 1, 5, 6, 20, 31, 45, 70, -1, -10, -40))

    def instant(self, day: date | None = None) -> str:
        """An instant on the day, by the company's clock; some are written with another offset."""
        at = time(9) if self.often(2) else self.pick(*CLOCK_TIMES)
        local = datetime.combine(day or self.day(), at, tzinfo=self.zone)
        return (local if self.often(3) else local.astimezone(UTC)).isoformat()

    def maybe_instant(self, day: date) -> str | None:
        return None if self.often(3) else self.instant(self.near(day) if self.often(2) else self.day())

    def moment(self, day: date | None = None) -> datetime:
        """`instant`, to reckon with."""
        return datetime.fromisoformat(self.instant(day))

    def beside(self, at: datetime, span: timedelta = timedelta(0)) -> datetime:
        """So long after, or nearly so."""
        beside: timedelta = self.pick(*BESIDE)
        return at + span + beside

    def iso(self, at: datetime) -> str:
        """The instant by the company's clock, or as another offset writes it."""
        return (at.astimezone(self.zone) if self.often(3) else at.astimezone(UTC)).isoformat()

    def tell(self, kind: str, at: datetime, data: Document, field: str | None = "at") -> Document:
        """Something that was true at the instant: told then, or later (seldom before) with the instant in a field."""
        said = at
        if field is not None and not self.often(3):
            said = at + self.pick(HOUR, 3 * DAY, 40 * DAY, -DAY)
            data = {field: self.iso(at), **data}
        given = {name: value for name, value in data.items() if value is not None}
        return {"type": f"bellwether.{kind}", "time": self.iso(said), "data": given}

    def event(self, day: date, kind: str, data: Document) -> Document:
        """The document without its name; mostly sent on the day itself, sometimes before or long after."""
        return {
            "type": f"bellwether.{kind}",
            "time": self.instant(day if self.often(4) else self.near(day)),
            "data": {name: value for name, value in data.items() if value is not None},
        }
