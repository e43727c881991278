"""Derived series: receipts, orders, promises, the steps and stays of opportunities. PURE.

Each item is worked out from the events that name the same thing (an order and its cancellations), so an event changes
no more than the items of the thing that it names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, ClassVar, Protocol

from schemas.sales import LOST, STAGES
from services.rules.calendar import Calendar, Micros
from services.rules.dealings import fields, order_of
from services.rules.entries import Derived, Entry, Item, Key
from services.rules.series import Feed
from services.rules.state import CustomerState

Parts = Mapping[str, list[Entry]]
"""The events of one thing by their kind, each in their order."""


class Build(Protocol):
    def __call__(self, parts: Parts, calendar: Calendar) -> Iterable[Item]: ...


class Grouped:
    """A feed over things that have a name; `names` says by which field each kind of event names them."""

    goes_with_time = False

    def __init__(self, names: Mapping[str, str], build: Build, calendar: Calendar) -> None:
        self._names = names
        self._build = build
        self._calendar = calendar
        self._events: dict[str, dict[Key, Entry]] = defaultdict(dict)
        self._items: dict[str, list[Item]] = {}
        self._touched: set[str] = set()

    def change(self, entry: Entry, *, stands: bool) -> None:
        name = str((entry.data or {}).get(self._names[entry.kind]))
        if stands:
            self._events[name][entry.key] = entry
        else:
            del self._events[name][entry.key]
        self._touched.add(name)

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        gone: list[Item] = []
        come: list[Item] = []
        for name in self._touched:
            before, after = self._items.pop(name, []), self._made(name)
            gone += [item for item in before if item not in after]
            come += [item for item in after if item not in before]
            if after:
                self._items[name] = after
        self._touched.clear()
        return gone, come

    def _made(self, name: str) -> list[Item]:
        parts: dict[str, list[Entry]] = {kind: [] for kind in self._names}
        for entry in sorted(self._events[name].values(), key=lambda entry: entry.order):
            parts[entry.kind].append(entry)
        if not self._events[name]:
            del self._events[name]
        return list(self._build(parts, self._calendar))

    @property
    def items(self) -> Iterator[Item]:
        return (item for items in self._items.values() for item in items)


def _newest(entries: list[Entry]) -> Entry | None:
    """The last word, where systems report the same thing twice."""
    return max(entries, key=lambda entry: (entry.time, entry.key), default=None)


class Things:
    """A derived series over named things; `NAMES` are the kinds of events and the field by which each names them. It
    has no options: all objects of a class stand for one series."""

    NAMES: ClassVar[Mapping[str, str]] = {}
    FIELDS: ClassVar[frozenset[str]] = frozenset()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.NAMES)

    def feed(self, state: CustomerState) -> Feed:
        feed = Grouped(self.NAMES, self.build, state.calendar)
        for kind in self.NAMES:
            for entry in state.items(kind):
                feed.change(entry, stands=True)
        return feed

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        """The items of one thing, from all its events."""
        raise AssertionError("every series has its own")


class Receipts(Things):
    """Payments that were not reversed."""

    NAMES: ClassVar[Mapping[str, str]] = {"payment.received": "payment_id", "payment.reversed": "payment_id"}
    FIELDS: ClassVar[frozenset[str]] = frozenset({"payment_id", "amount", "currency"})

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        received = _newest(parts["payment.received"])
        return [received] if received is not None and not parts["payment.reversed"] else []


class Orders(Things):
    """Orders, cancellations netted; those that were cancelled wholly are none."""

    NAMES: ClassVar[Mapping[str, str]] = {"order.placed": "order_id", "order.cancelled": "order_id"}
    FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"order_id", "currency", "amount", "quantity", "margin", "lines", "campaign", "promised_date"}
    )

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        placed, cancelled = _newest(parts["order.placed"]), parts["order.cancelled"]
        order = None if placed is None else order_of(placed, cancelled)
        if placed is None or order is None:
            return []
        data = fields(placed)
        kept: dict[str, Any] = {
            name: data[name] for name in ("order_id", "currency", "campaign", "promised_date") if name in data
        }
        kept |= {"amount": order.amount, "quantity": order.quantity, "lines": order.product_lines}
        if order.margin is not None:
            kept["margin"] = order.margin
        keys = (placed.key, *(entry.key for entry in cancelled))
        return [Derived(placed.at, kept, keys, (data["order_id"],))]


class Milestones(Things):
    """Days that call for care, each named by what it is and when."""

    NAMES: ClassVar[Mapping[str, str]] = {"customer.milestone": "occurs_on"}
    FIELDS: ClassVar[frozenset[str]] = frozenset({"kind", "occurs_on", "subject"})

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        by_kind = {(entry.data or {})["kind"]: entry for entry in parts["customer.milestone"]}
        for kind, entry in by_kind.items():
            data = entry.data or {}
            subject = f"{kind}:{date.fromordinal(data['occurs_on']).isoformat()}"
            yield Derived(entry.at, {**data, "subject": subject}, entry.keys, (subject,))


class StageSteps(Things):
    """Each change of an opportunity's stage, and how far it jumps along the stages: 1 is the way to go."""

    NAMES: ClassVar[Mapping[str, str]] = {"opportunity.stage_changed": "opportunity_id"}
    FIELDS: ClassVar[frozenset[str]] = frozenset({"jump"})

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        for entry in parts["opportunity.stage_changed"]:
            data = entry.data or {}
            jump = _jump(data.get("from"), data["to"])
            said = data if jump is None else {**data, "jump": jump}
            yield Derived(entry.at, said, entry.keys, (entry.time, *entry.key))


def _jump(old: str | None, new: str) -> int | None:
    if LOST in (old, new) or (old is None and new == STAGES[0]):
        return 1
    return STAGES.index(new) - STAGES.index(old) if old in STAGES and new in STAGES else None


class StageVisits(Things):
    """Each stay of an opportunity in a stage, until its next change."""

    NAMES: ClassVar[Mapping[str, str]] = {"opportunity.stage_changed": "opportunity_id"}
    FIELDS: ClassVar[frozenset[str]] = frozenset({"opportunity_id", "stage", "left_at"})

    def build(self, parts: Parts, calendar: Calendar) -> Iterable[Item]:
        steps = parts["opportunity.stage_changed"]
        for number, entry in enumerate(steps):
            data = entry.data or {}
            stay: dict[str, Any] = {"opportunity_id": data["opportunity_id"], "stage": data["to"]}
            if number + 1 < len(steps):
                stay["left_at"] = steps[number + 1].at
            yield Derived(entry.at, stay, entry.keys, (entry.time, *entry.key))
