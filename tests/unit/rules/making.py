"""Events and histories for the tests of the rules core, in few words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.codec import parse
from schemas.events import Event
from schemas.warnings import Warning, decode_warning
from services.rules.backtest import Backtest
from services.rules.books import SHIPPED, Overrides, assemble, read_rules
from services.rules.calendar import Calendar, Micros, micros
from services.rules.compiling import Rule
from services.rules.core import Core
from services.rules.entries import Entry, entry_of
from services.rules.examples import EXAMPLE_ZONE
from services.rules.state import CustomerState

CALENDAR = Calendar(EXAMPLE_ZONE)


def at(text: str) -> Micros:
    """2026-03-01 or 2026-03-01 09:00, in the company's zone."""
    return micros(datetime.fromisoformat(text if len(text) > 10 else f"{text} 00:00").replace(tzinfo=EXAMPLE_ZONE))


def event(kind: str, time: str, /, *, id: str | None = None, source: str = "erp", **fields: Any) -> Event:
    """An event of customer C; `fields` are its data, but for the envelope's supersedes, retracted and history."""
    envelope = {name: fields.pop(name) for name in ("supersedes", "retracted", "history") if name in fields}
    stamp = datetime.fromisoformat(time if len(time) > 10 else f"{time} 00:00").replace(tzinfo=EXAMPLE_ZONE)
    return parse(
        {
            "specversion": "1.0",
            "id": id or f"{kind}-{time}-{sorted(fields.items())}".replace(" ", "")[:200],
            "source": source,
            "type": f"bellwether.{kind}",
            "time": stamp.isoformat(),
            "subject": "C",
            "data": fields,
            **envelope,
        }
    )


def invoice(name: str, issued: str, due: str, amount: str = "100.00", **fields: Any) -> Event:
    """An invoice in CNY, reported when it was issued."""
    data = {"invoice_id": name, "amount": amount, "currency": "CNY", "issue_date": issued, "due_date": due, **fields}
    return event("invoice.issued", issued, id=f"issued-{name}", **data)


def payment(name: str, day: str, amount: str = "100.00", *to: tuple[str, str], **fields: Any) -> Event:
    """Money in CNY with a value date, allocated to invoices by (invoice, amount)."""
    allocations = [{"invoice_id": invoice_id, "amount": part} for invoice_id, part in to]
    data = {"payment_id": name, "amount": amount, "currency": "CNY", "value_date": day, "allocations": allocations}
    return event("payment.received", day, id=f"payment-{name}", **{**data, **fields})


def entry(made: Event) -> Entry:
    """The event as the state keeps it."""
    return entry_of(made, CALENDAR)


def state_of(*events: Event) -> CustomerState:
    """A customer who has learned of these events."""
    state = CustomerState.new("C", CALENDAR)
    for one in events:
        state.add(entry(one))
    return state


_SHIPPED: dict[str, dict[str, Rule]] = {}


def shipped(name: str, overrides: Overrides | None) -> dict[str, Rule]:
    """The shipped rules by id, read once for each setting of their parameters."""
    if name not in _SHIPPED:
        _SHIPPED[name] = {rule.id: rule for rule in read_rules(SHIPPED, overrides)}
    return _SHIPPED[name]


def core(overrides: Overrides | None = None, horizon_months: int | None = None, *only: str) -> Core:
    """The shipped rules, or only some of them with those whose results they read."""
    rules = shipped(repr(overrides), overrides) if overrides else shipped("", None)
    wanted = list(only or rules)
    for name in wanted:
        wanted += [other for other in rules[name].results if other not in wanted]
    return assemble([rules[name] for name in wanted], EXAMPLE_ZONE, horizon_months)


def replay(*events: Event, until: str, with_core: Core | None = None) -> Backtest:
    """The events through the core on the event clock, up to an instant."""
    run = Backtest(with_core or core())
    for one in events:
        run.feed(one)
    run.advance(at(until))
    return run


def extents(run: Backtest, rule: str) -> list[tuple[Micros, Micros | None]]:
    """Start and end of a rule's episodes."""
    return [
        (
            micros(datetime.fromisoformat(one.start)),
            None if one.end is None else micros(datetime.fromisoformat(one.end)),
        )
        for one in run.episodes()
        if one.rule == rule
    ]


class Customer:
    """One customer of a core, event by event, with each step's warnings."""

    def __init__(self, with_core: Core) -> None:
        self.core = with_core
        self.state = with_core.open("C", {})
        self.offset = 0

    def learns(self, made: Event, now: str) -> list[Warning]:
        """The warnings that the event gives rise to at this instant."""
        self.offset += 1
        return self._said(lambda: self.core.apply(self.state, made, offset=self.offset, now=at(now)))

    def wakes(self, now: str) -> list[Warning]:
        """The warnings that time alone gives rise to."""
        return self._said(lambda: self.core.wake(self.state, now=at(now)))

    def _said(self, act: Any) -> list[Warning]:
        self.state.unsent = []
        act()
        return [decode_warning(raw) for raw in self.state.unsent]
