"""The due parts of invoices, and the money on them. PURE."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.rules.calendar import Day, Month, month_of_day
from services.rules.entries import Key

ZERO = Decimal(0)


class PartKey(NamedTuple):
    """An instalment's name: its invoice, and its place in the list of instalments as it was sent."""

    invoice_id: str
    number: int


class OldestDue(NamedTuple):
    """The order in which money that belongs to no invoice covers instalments."""

    due: Day
    issued: Day
    invoice_id: str
    number: int


class Cover(NamedTuple):
    """Money on an instalment: from which payment, of which value date."""

    day: Day
    amount: Decimal
    payment: Key


class Instalment(msgspec.Struct, frozen=True, gc=False):
    """One due part of an invoice, after credit notes. `certain` is false when other currencies were booked on it;
    `fault` is whose fault a delay was, when that is explained: ours, customer, third_party."""

    invoice_id: str
    number: int
    currency: str
    issued: Day
    due: Day
    amount: Decimal
    disputed: bool
    certain: bool
    fault: str | None
    invoice: Key
    covers: tuple[Cover, ...] = ()

    @property
    def key(self) -> PartKey:
        return PartKey(self.invoice_id, self.number)

    @property
    def order(self) -> OldestDue:
        return OldestDue(self.due, self.issued, self.invoice_id, self.number)

    @property
    def month(self) -> Month:
        return month_of_day(self.due)

    def settled_on(self, tolerance: Decimal = ZERO) -> Day | None:
        """The value date of the money that left no more than `tolerance` open; None while more is."""
        if self.uncovered() > tolerance:
            return None
        days = sorted({cover.day for cover in self.covers})
        return next((day for day in days if self.uncovered(day) <= tolerance), self.issued)

    def uncovered(self, day: Day | None = None) -> Decimal:
        """What no payment with a value date up to the end of `day` covers (None: no payment at all)."""
        return self.amount - sum((cover.amount for cover in self.covers if day is None or cover.day <= day), ZERO)
