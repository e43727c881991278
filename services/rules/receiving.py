"""The payments that were really received, and what they say they pay. PURE."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from services.rules.calendar import Day
from services.rules.entries import Entry, Key
from services.rules.instalments import ZERO
from services.rules.invoices import Claim
from services.rules.newest import Newest


class Receipts:
    """Each payment's newest event unless it was reversed, by value date; kept up to date by `settle`."""

    def __init__(self) -> None:
        self._payments = Newest("payment_id")
        self._reversals: Counter[str] = Counter()
        self._touched: set[str] = set()
        self._received: dict[str, Entry] = {}
        self._by_key: dict[Key, Entry] = {}
        self._order: list[tuple[Day, Key]] = []
        self._sorted: list[Entry] = []
        self._claims: dict[str, list[Claim]] = {}

    @property
    def all(self) -> list[Entry]:
        """By value date. Not to be changed."""
        return self._sorted

    def get(self, payment: Key) -> Entry | None:
        """The payment whose received event has this name, if it counts."""
        return self._by_key.get(payment)

    def claims(self, invoice_id: str) -> list[Claim]:
        """What payments say they pay of the invoice, in the order of booking."""
        return self._claims.get(invoice_id, [])

    def change(self, entry: Entry, *, stands: bool) -> None:
        """A payment or a reversal begins or ceases to stand."""
        if entry.kind == "payment.received":
            self._touched.add(self._payments.change(entry, stands=stands))
        else:
            payment_id = str((entry.data or {})["payment_id"])
            self._reversals[payment_id] += 1 if stands else -1
            self._touched.add(payment_id)

    def settle(self) -> tuple[list[Entry], list[Entry]]:
        """Brings the receipts up to date; returns those that count no more, and those that count now."""
        gone, new = [], []
        for payment_id in sorted(self._touched):
            before = self._received.get(payment_id)
            after = None if self._reversals[payment_id] else self._payments.get(payment_id)
            if before is not None and after is not None and before.key == after.key:
                continue
            if before is not None:
                self._drop(payment_id, before)
                gone.append(before)
            if after is not None:
                self._keep(payment_id, after)
                new.append(after)
        self._touched.clear()
        return gone, new

    def _keep(self, payment_id: str, entry: Entry) -> None:
        place = _place(entry)
        index = bisect_left(self._order, place)
        self._order.insert(index, place)
        self._sorted.insert(index, entry)
        self._received[payment_id] = self._by_key[place[1]] = entry
        for invoice_id, claim in _claimed(entry):
            insort(self._claims.setdefault(invoice_id, []), claim)

    def _drop(self, payment_id: str, entry: Entry) -> None:
        place = _place(entry)
        index = bisect_left(self._order, place)
        assert self._order[index] == place, "a receipt is listed under its value date and name"
        del self._order[index], self._sorted[index], self._received[payment_id], self._by_key[place[1]]
        for invoice_id, claim in _claimed(entry):
            claims = self._claims[invoice_id]
            del claims[bisect_left(claims, claim)]


def _place(entry: Entry) -> tuple[Day, Key]:
    return ((entry.data or {})["value_date"], entry.key)


def _claimed(entry: Entry) -> Iterator[tuple[str, Claim]]:
    data = entry.data or {}
    for place, allocation in enumerate(data.get("allocations", ())):
        amount = Decimal(allocation["amount"])
        yield allocation["invoice_id"], Claim(data["value_date"], entry.key, place, amount, data["currency"])


def allocated_to(entry: Entry) -> set[str]:
    """The invoices that a payment says it pays."""
    return {allocation["invoice_id"] for allocation in (entry.data or {}).get("allocations", ())}


def unallocated(entry: Entry) -> Decimal:
    """What of a payment no allocation holds."""
    data = entry.data or {}
    held = sum((Decimal(allocation["amount"]) for allocation in data.get("allocations", ())), ZERO)
    return Decimal(data["amount"]) - held
