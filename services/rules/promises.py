"""The derived series of promises: each at the instant at which it is due, given what was changed since. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.rules.calendar import Calendar, Micros
from services.rules.entries import Derived, Entry, Item, Key
from services.rules.series import Feed
from services.rules.state import CustomerState

FIELDS = frozenset({"promise_id", "order_id", "by", "made_at", "due", "due_day", "met_at"})


@dataclass(frozen=True)
class Promises:
    """A promise lies at its due instant. A later change of its order's specification resets it to the end of the new
    promised date, or takes the due away when it names none."""

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({"promise.made", "promise.met", "order.spec_changed"})

    def feed(self, state: CustomerState) -> Feed:
        feed = _Feed(state.calendar)
        for kind in self.kinds:
            for entry in state.items(kind):
                feed.change(entry, stands=True)
        return feed


class _Feed:
    goes_with_time = False

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._made: dict[str, dict[Key, Entry]] = defaultdict(dict)
        self._met: dict[str, dict[Key, Entry]] = defaultdict(dict)
        self._changed: dict[str, dict[Key, Entry]] = defaultdict(dict)
        self._of_order: dict[str, set[str]] = defaultdict(set)
        self._items: dict[str, Derived] = {}
        self._touched: set[str] = set()

    def change(self, entry: Entry, *, stands: bool) -> None:
        data = entry.data or {}
        if entry.kind == "order.spec_changed":
            _keep(self._changed[data["order_id"]], entry, stands)
            self._touched |= self._of_order[data["order_id"]]
            return
        name = data["promise_id"]
        _keep((self._made if entry.kind == "promise.made" else self._met)[name], entry, stands)
        if "order_id" in data:
            self._of_order[data["order_id"]].add(name)
        self._touched.add(name)

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        gone: list[Item] = []
        come: list[Item] = []
        for name in self._touched:
            before, after = self._items.pop(name, None), self._promise(name)
            if after is not None:
                self._items[name] = after
            if before != after:
                gone += [before] if before is not None else []
                come += [after] if after is not None else []
        self._touched.clear()
        return gone, come

    def _promise(self, name: str) -> Derived | None:
        made = max(self._made[name].values(), key=lambda entry: (entry.time, entry.key), default=None)
        if made is None:
            return None
        data = made.data or {}
        due: Micros | None = data["due"]
        keys = [made.key]
        for change in sorted(self._changed[data.get("order_id", "")].values(), key=lambda entry: entry.order):
            # Whoever changes what was promised after it was due has been let down already.
            if change.at > made.at and (due is None or change.at < due):
                day = (change.data or {}).get("promised_date")
                due = None if day is None else self._calendar.start_of_day(day + 1)
                keys.append(change.key)
        if due is None:
            return None
        said: dict[str, Any] = {field: data[field] for field in ("promise_id", "order_id", "by") if field in data}
        # What is due when a day ends is due on that day.
        due_day = date.fromordinal(self._calendar.day_of(due - 1)).isoformat()
        said |= {"made_at": made.at, "due": due, "due_day": due_day}
        met = min(self._met[name].values(), key=lambda entry: entry.order, default=None)
        if met is not None:
            said["met_at"] = met.at
            keys.append(met.key)
        return Derived(due, said, tuple(keys), (name,))

    @property
    def items(self) -> Iterator[Item]:
        return iter(list(self._items.values()))


def _keep(entries: dict[Key, Entry], entry: Entry, stands: bool) -> None:
    if stands:
        entries[entry.key] = entry
    else:
        del entries[entry.key]
