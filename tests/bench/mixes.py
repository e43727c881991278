"""The events that workers race over: the same bytes on every day and in every round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from operator import itemgetter
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from schemas.codec import decode
from schemas.events import PREFIX
from services.ingest.records import reference_key
from services.ingest.sample.world import MAX_CUSTOMERS, MIN_CUSTOMERS, make_sample
from tests.bench.rules_cost import ROUND, a_step
from tests.bench.sizes import SEED

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 6, 1)
SAMPLE_EVENTS_EACH = 230
"""About so many events the sample has of a customer."""
WEEKS = 26
MONEY_STEPS = 8
"""The first steps of a week in good order: invoices and their payments."""
BUSY = 1_000
"""Customers of the busy hour."""


@dataclass(frozen=True)
class Mix:
    """Events by customer in the order of their times, and the reference events that belong to them."""

    name: str
    about: str
    events: list[tuple[str, bytes]]
    reference: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def ends(self) -> datetime:
        """Just behind the last event."""
        return datetime.fromisoformat(orjson.loads(self.events[-1][1])["time"]) + timedelta(minutes=1)

    @property
    def customers(self) -> int:
        """Of how many customers there are events."""
        return len({customer_id for customer_id, _ in self.events})

    def kinds(self, most: int = 12) -> str:
        """What the events are, with their shares."""
        counted = Counter(str(orjson.loads(raw)["type"]).removeprefix(PREFIX) for _, raw in self.events)
        shares = [f"{kind} {count / len(self.events):.0%}" for kind, count in counted.most_common(most)]
        more = len(counted) - len(shares)
        return ", ".join(shares) + (f", {more} more types" if more > 0 else "")


def sample_mix(events: int) -> Mix:
    """About so many events of the product's sample company, with all its stories of trouble."""
    count = min(max(events // SAMPLE_EVENTS_EACH, MIN_CUSTOMERS), MAX_CUSTOMERS)
    sample = make_sample(SEED, TODAY, ZONE, count)
    mine = [(one["subject"], orjson.dumps(one)) for one in sample.events if "subject" in one]
    others = [orjson.dumps(one) for one in sample.events if "subject" not in one]
    reference = [(reference_key(decode(raw)), raw) for raw in others]
    about = "fifteen months of the sample company (`bellwether sample`): every story of trouble, most customers well"
    return Mix("sample", about, mine, reference)


def week_mix(events: int) -> Mix:
    """Customers in good order: invoices paid in time, calls, visits, orders delivered, service cases answered."""
    made = sorted(_weeks(max(1, events // (WEEKS * ROUND)), range(ROUND)), key=itemgetter(0))
    return Mix("good order", f"customers in good order, {WEEKS} weeks of each", [one[1:] for one in made])


def money_mix(events: int) -> Mix:
    """Invoices and the payments that settle them, and nothing else."""
    made = sorted(_weeks(max(1, events // (WEEKS * MONEY_STEPS)), range(MONEY_STEPS)), key=itemgetter(0))
    return Mix("money", f"invoices and their payments only, {WEEKS} weeks of each customer", [one[1:] for one in made])


def busy_mix(events: int) -> Mix:
    """What has gathered in an hour without a worker: nothing in it is overdue yet."""
    names = chosen([f"H{number:06d}" for number in range(BUSY)], events, "busy")
    begin = datetime.combine(TODAY, time(11), ZONE)
    made = week_events(names, begin, timedelta(hours=1) / events, "busy")
    return Mix("busy hour", f"an hour of {BUSY:,} customers in good order, by chance", made)


def _weeks(customers: int, steps: range) -> Iterator[tuple[datetime, str, bytes]]:
    start = datetime.combine(TODAY, time(9), ZONE) - timedelta(weeks=WEEKS)
    for number in range(customers):
        customer_id = f"G{number:06d}"
        # Customers have their own hours, so that the topic's order mixes them.
        begin = start + timedelta(seconds=number * 7 % 28_800)
        for week in range(WEEKS):
            for step in steps:
                at = begin + timedelta(days=7 * week + step % 5, minutes=5 * step)
                kind, data = a_step(step, week, at)
                yield at, customer_id, envelope(kind, f"{customer_id}-{week}-{step}", customer_id, at, data)


def envelope(kind: str, event_id: str, customer_id: str, at: datetime, data: dict[str, Any]) -> bytes:
    """An event as it goes on the topic."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "bench",
            "type": PREFIX + kind,
            "time": at.isoformat(),
            "subject": customer_id,
            "data": data,
        }
    )


LONE_STEPS = (0, 15, 10, 15, 11, 15, 13, 15)
"""An invoice, a visit, an order, a service case, and calls: what needs nothing before it."""
STARTS = (0, 8, 9, 10, 11, 13, 15)
"""Steps of a week at which a series may begin without missing what came before."""


def lone_events(customer_ids: list[str], begin: datetime, step: timedelta, name: str) -> list[tuple[str, bytes]]:
    """An event for each of the ids, in their order, that needs none before it: as good for whoever has only one."""
    made = []
    for number, customer_id in enumerate(customer_ids):
        at = begin + step * number
        kind, data = a_step(LONE_STEPS[number % len(LONE_STEPS)], number, at)
        made.append((customer_id, envelope(kind, f"{name}-{number}", customer_id, at, _renamed(data, name))))
    return made


def week_events(customer_ids: list[str], begin: datetime, step: timedelta, name: str) -> list[tuple[str, bytes]]:
    """An event for each of the ids, in their order: each customer goes through its weeks in good order, from some step
    on."""
    random, made, next_step = Random(name), [], dict[str, int]()
    for number, customer_id in enumerate(customer_ids):
        at = begin + step * number
        turn = next_step.setdefault(customer_id, random.choice(STARTS))
        next_step[customer_id] = turn + 1
        week, which = divmod(turn, ROUND)
        kind, data = a_step(which, week, at)
        made.append((customer_id, envelope(kind, f"{name}-{number}", customer_id, at, _renamed(data, name))))
    return made


def _renamed(data: dict[str, Any], name: str) -> dict[str, Any]:
    """Invoices, orders and cases of this series alone."""
    named: dict[str, Any] = {key: f"{name}-{value}" if key in NAMES else value for key, value in data.items()}
    for allocation in named.get("allocations", []):
        allocation["invoice_id"] = f"{name}-{allocation['invoice_id']}"
    return named


NAMES = frozenset({"invoice_id", "payment_id", "order_id", "case_id"})


def turned(customers: list[str], count: int, seed: str) -> list[str]:
    """Whose event comes next: nobody's second before everybody's first, in another order for each seed."""
    order = Random(seed).sample(customers, len(customers))
    return [order[number % len(order)] for number in range(count)]


def chosen(customers: list[str], count: int, seed: str, favourite: str | None = None) -> list[str]:
    """Whose event comes next, by chance; every second one is the favourite's if there is one."""
    random = Random(seed)
    picked = [random.choice(customers) for _ in range(count)]
    return [favourite if favourite and number % 2 else one for number, one in enumerate(picked)]
