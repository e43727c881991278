"""Money of one currency that belongs to no invoice covers what is open, oldest due first. PURE.

What is issued and paid is one sequence: by day, on a day what is issued first, by due date, then the money, by name.
After each of its events either nothing is open or no money waits, so an event is done by adding what it brings and
letting the oldest money cover the oldest due until one of them is used up. What an event made is remembered and can be
undone. A change therefore undoes the events from the first one on which it has an effect, and does them again; what
was never covered, or comes last, has an effect on none.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from services.rules.calendar import Day
from services.rules.entries import Key
from services.rules.instalments import ZERO, Cover, OldestDue, PartKey

_Place = tuple[Day, int, tuple[Any, ...]]
_place = attrgetter("place")
_due = attrgetter("order")


@dataclass(eq=False, slots=True, kw_only=True)
class _Event:
    """`left` is what of the amount is not used; `money_waits` and `made` tell how things stood when it was done."""

    place: _Place
    amount: Decimal = ZERO
    left: Decimal = ZERO
    made: tuple[_Booking, ...] = ()
    money_waits: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class _Part(_Event):
    """An instalment is issued."""

    order: OldestDue
    covers: tuple[Cover, ...] = ()

    @property
    def key(self) -> PartKey:
        return PartKey(self.order.invoice_id, self.order.number)


@dataclass(eq=False, slots=True, kw_only=True)
class _Money(_Event):
    """Money comes in."""

    day: Day
    payment: Key


class _Booking(NamedTuple):
    part: _Part
    money: _Money
    amount: Decimal


class Spreading:
    """Which money is on which instalment. `owe` and `fund` say what is wanted, `settle` brings it about."""

    def __init__(self) -> None:
        self._parts: dict[PartKey, _Part] = {}
        self._money: dict[Key, _Money] = {}
        self._changes: dict[_Event, Decimal] = {}
        self._done: list[_Event] = []
        self._open: list[_Part] = []
        self._waiting: deque[_Money] = deque()
        self._touched: set[PartKey] = set()

    @property
    def unspent(self) -> list[Key]:
        """The payments of which money still waits."""
        return [money.payment for money in self._waiting]

    def covers(self, key: PartKey) -> tuple[Cover, ...]:
        """The money on an instalment, in the order in which it came to be there."""
        part = self._parts.get(key)
        return part.covers if part else ()

    def owe(self, key: PartKey, order: OldestDue, amount: Decimal) -> None:
        """From the next settle on, `amount` of the instalment is to be covered; 0: it is none of ours."""
        part = self._parts.get(key)
        if part is not None and part.order != order:
            self._changes[part] = ZERO
            part = None
        if part is None:
            if amount <= 0:
                return
            part = self._parts[key] = _Part(place=(order.issued, 0, order), order=order)
        self._changes[part] = amount

    def fund(self, payment: Key, day: Day, amount: Decimal) -> None:
        """From the next settle on, `amount` of the payment is free; 0 or less: none is."""
        money = self._money.get(payment)
        if money is None:
            if amount <= 0:
                return
            money = self._money[payment] = _Money(place=(day, 1, payment), day=day, payment=payment)
        self._changes[money] = max(amount, ZERO)

    def settle(self) -> set[PartKey]:
        """Spreads the money as it is now wanted; returns the instalments whose covers may be others."""
        changes = [(event, amount) for event, amount in self._changes.items() if event.amount != amount]
        first = min((self._first_effect(event, amount) for event, amount in changes), default=len(self._done))
        again = self._undo(first)
        last = self._done[-1].place if self._done else None
        for event, amount in changes:
            if last is not None and event.place <= last:
                assert isinstance(event, _Part), "money has an effect from its own event on"
                self._resize(event, amount)
            else:
                if not event.amount:
                    again.append(event)
                event.amount = event.left = amount
        for event in sorted((event for event in again if event.amount), key=_place):
            self._do(event)
        self._forget()
        touched, self._touched = self._touched, set()
        return touched

    def _forget(self) -> None:
        for event in self._changes:
            if not event.amount and isinstance(event, _Money):
                del self._money[event.payment]
            # An instalment that moved has another event under its name already.
            elif isinstance(event, _Part) and not event.amount and self._parts.get(event.key) is event:
                del self._parts[event.key]
        self._changes = {}

    def _index(self, place: _Place) -> int:
        return bisect_left(self._done, place, key=_place)

    def _first_effect(self, event: _Event, amount: Decimal) -> int:
        """The first of the events done that could end differently when `event` had this amount."""
        if not isinstance(event, _Part):
            return self._index(event.place)
        total, place = ZERO, event.place
        for cover in event.covers:
            total, place = total + cover.amount, max(event.place, (cover.day, 1, cover.payment))
            if total > amount:
                return self._index(place)
        # Open to the end, it never turned money away; it was not in the way of any either.
        return len(self._done) if event.left else self._first_reach(self._index(place), event.order)

    def _first_reach(self, index: int, order: OldestDue) -> int:
        """The first event from `index` on in which money passed over the place `order`."""
        if index and self._done[index - 1].money_waits:
            return index
        for number in range(index, len(self._done)):
            event = self._done[number]
            if event.money_waits or (event.made and event.made[-1].part.order > order):
                return number
        return len(self._done)

    def _resize(self, part: _Part, amount: Decimal) -> None:
        """Gives a part among those done another amount, which has no effect on any of them."""
        was_new, was_open = not part.amount, part.left > 0
        part.left += amount - part.amount
        part.amount = amount
        assert part.left >= 0, "covers beyond the amount were undone"
        if was_new:
            insort(self._done, part, key=_place)
        if part.left > 0 and not was_open:
            insort(self._open, part, key=_due)
        if was_open and not part.left:
            self._close(part)
        if not amount:
            index = self._index(part.place)
            assert self._done[index] is part, "an event is found by its place"
            del self._done[index]

    def _do(self, event: _Event) -> None:
        if isinstance(event, _Part):
            insort(self._open, event, key=_due)
        else:
            assert isinstance(event, _Money)
            self._waiting.append(event)
        made = []
        while self._open and self._waiting:
            made.append(self._cover(self._open[0], self._waiting[0]))
        event.made = tuple(made)
        event.money_waits = bool(self._waiting)
        self._done.append(event)

    def _cover(self, part: _Part, money: _Money) -> _Booking:
        amount = min(part.left, money.left)
        part.left -= amount
        money.left -= amount
        part.covers += (Cover(money.day, amount, money.payment),)
        self._touched.add(part.key)
        if not part.left:
            del self._open[0]
        if not money.left:
            self._waiting.popleft()
        return _Booking(part, money, amount)

    def _undo(self, first: int) -> list[_Event]:
        """Takes back the events done from this one on, and returns them."""
        undone = self._done[first:]
        for event in reversed(undone):
            for booking in reversed(event.made):
                self._uncover(booking)
            event.made = ()
            if isinstance(event, _Part):
                self._close(event)
            else:
                self._waiting.pop()
        del self._done[first:]
        return undone

    def _uncover(self, booking: _Booking) -> None:
        part, money, amount = booking
        if not part.left:
            insort(self._open, part, key=_due)
        if not money.left:
            self._waiting.appendleft(money)
        part.left += amount
        money.left += amount
        part.covers = part.covers[:-1]
        self._touched.add(part.key)

    def _close(self, part: _Part) -> None:
        index = bisect_left(self._open, part.order, key=_due)
        assert self._open[index] is part, "what is open is found by its due date"
        del self._open[index]
