"""A customer's diary: what stories write into, in days before the sample's end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import PREFIX
from services.ingest.sample.company import Customer

ERP, FINANCE, CRM, DESK = "erp", "finance", "crm", "service-desk"

MONTHS = 15
"""Months of business before the end: this year's months can be compared with last year's."""


@dataclass(frozen=True)
class Scene:
    """What all diaries of a sample share. The sample ends with the start of `today` in `zone`."""

    seed: int
    today: date
    zone: ZoneInfo

    @property
    def end(self) -> datetime:
        """Nothing happens at or after this instant."""
        return datetime.combine(self.today, time(), self.zone)

    def at(self, days_ago: float, hour: float = 0.0) -> datetime:
        """`days_ago` days before the start of today, at `hour` of that day."""
        return self.end - timedelta(days=days_ago) + timedelta(hours=hour)

    def month(self, back: int) -> date:
        """The first day of the month `back` months before today's."""
        months = self.today.year * 12 + self.today.month - 1 - back
        return date(months // 12, months % 12 + 1, 1)

    def on(self, day: date, hour: float = 10.0) -> datetime:
        """An hour of a calendar day."""
        return datetime.combine(day, time(), self.zone) + timedelta(hours=hour)


@dataclass
class Diary:
    """The events of one customer, in the order in which the stories tell them.

    `monthly` is about what the customer orders in a month, in its own currency; None lets the routine choose. One
    invoice in `late_every` months is paid a little late. `liveliness` is the share of contacts that come from them.
    """

    scene: Scene
    customer: Customer
    random: Random
    important: bool = False
    signed_days_ago: int = 500
    monthly: Decimal | None = None
    growth_pct: int = 8
    late_every: int | None = None
    has_thin_archive: bool = False
    liveliness: float = 0.3
    events: list[dict[str, Any]] = field(default_factory=list)
    _serial: int = 0

    @property
    def currency(self) -> str:
        """What the customer is invoiced in."""
        return "USD" if self.customer.english else "CNY"

    def name(self, what: str) -> str:
        """A fresh id for an invoice, an order, …; the same for the same seed."""
        self._serial += 1
        return f"{what}-{self.customer.id}-{self._serial:04d}"

    def write(self, kind: str, at: datetime, source: str, data: dict[str, Any], **envelope: Any) -> str:
        """Write an event down; gives its id, for a correction."""
        self._serial += 1
        scene = self.scene
        event_id = f"s{scene.seed}-{scene.today:%Y%m%d}-{self.customer.id}-{self._serial:05d}"
        self.events.append(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": source,
                "type": PREFIX + kind,
                "time": at.isoformat(timespec="seconds"),
                "subject": self.customer.id,
                "data": data,
                **envelope,
            }
        )
        return event_id

    def contact_made(self, at: datetime, kind: str = "call", **more: Any) -> None:
        """The owner was in touch."""
        channel = "onsite" if kind in ("visit", "exec_visit") else "phone"
        data = {"kind": kind, "channel": channel, "by": self.customer.owner, "with": [self.person("procurement")]}
        self.write("activity.logged", at, CRM, {**data, **more})

    @property
    def signed(self) -> datetime:
        """When the first contract was signed."""
        return self.scene.at(self.signed_days_ago, 10)

    def forget(self, days_ago: float, *kinds: str) -> list[dict[str, Any]]:
        """Takes the events of these kinds from the last days out of the diary again, and gives them."""
        since, types = self.scene.at(days_ago), {PREFIX + kind for kind in kinds}
        gone = [event for event in self.events if event["type"] in types and happened(event) >= since]
        names = {event["id"] for event in gone}
        self.events = [event for event in self.events if event["id"] not in names]
        return gone

    def person(self, role: str) -> str:
        """The customer's contact of a role."""
        return f"{self.customer.id}-{role}"

    def money(self, low: int, high: int) -> Decimal:
        """A round amount."""
        return Decimal(self.random.randint(low // 100, high // 100) * 100)

    def hour(self) -> float:
        """Some time of a working day."""
        return self.random.randint(9 * 4, 17 * 4) / 4


def happened(event: dict[str, Any]) -> datetime:
    """The time of an event as it was written down."""
    return datetime.fromisoformat(event["time"])


def money_text(amount: Decimal) -> str:
    """As it stands in an event."""
    return format(amount.quantize(Decimal("0.01")), "f")
