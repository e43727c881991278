"""What a customer owes, and since when it was not paid: invoices, credit notes, disputes, payments. PURE.

The reading (design.md, Late): allocations cover the invoice that they name; what is unallocated or left over covers
undisputed invoices, oldest due first, as the money and the invoices came; a prepayment waits for the next invoice. It
is a function of the events that stand, in whatever order they came to stand; only what an event touches is worked out
again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.rules.arrears import Arrears
from services.rules.calendar import Micros
from services.rules.entries import Entry, Item, Key
from services.rules.instalments import ZERO, Instalment, PartKey
from services.rules.invoices import NOT_ISSUED, Booked, Invoices
from services.rules.receiving import Receipts, allocated_to, unallocated
from services.rules.spreading import Spreading
from services.rules.state import CustomerState

LEDGER_KINDS = frozenset(
    {
        "invoice.issued",
        "invoice.credited",
        "invoice.disputed",
        "dispute.settled",
        "payment.received",
        "payment.reversed",
    }
)
"""What decides who paid what, and when."""

FINANCE_KINDS = LEDGER_KINDS | {"invoice.delay_explained"}
"""What a ledger takes in."""

_PAYMENT_KINDS = frozenset({"payment.received", "payment.reversed"})


class Changes(NamedTuple):
    """What is no longer so, and what is so now. An instalment that changed is in both lists."""

    removed: list[Instalment]
    added: list[Instalment]
    receipts_removed: list[Entry]
    receipts_added: list[Entry]


class Ledger:
    """A customer's instalments with what covers each, and the payments. `change` notes, `settle` brings up to date;
    everything else is read after a settle."""

    def __init__(self) -> None:
        self._invoices = Invoices()
        self._receipts = Receipts()
        self._booked: dict[str, Booked] = {}
        self._over: dict[Key, dict[str, Decimal]] = {}
        self._spreading: defaultdict[str, Spreading] = defaultdict(Spreading)
        self._instalments: dict[PartKey, Instalment] = {}
        self._arrears = Arrears()
        self._settled = True

    @property
    def is_settled(self) -> bool:
        """Whether nothing was noted since the last settle."""
        return self._settled

    @property
    def instalments(self) -> Mapping[PartKey, Instalment]:
        """All instalments by name, in no order."""
        assert self._settled
        return self._instalments

    @property
    def arrears(self) -> Arrears:
        """The instalments that were not paid by their due dates."""
        assert self._settled
        return self._arrears

    @property
    def receipts(self) -> list[Entry]:
        """The payments that were really received, by value date. Not to be changed."""
        assert self._settled
        return self._receipts.all

    def receipt(self, payment: Key) -> Entry | None:
        """The payment whose received event has this name, if it counts."""
        assert self._settled
        return self._receipts.get(payment)

    def parts(self, invoice_id: str) -> list[Instalment]:
        """An invoice's instalments."""
        assert self._settled
        return [self._instalments[part.key] for part in self._parts(invoice_id)]

    def claimed_by(self, invoice_id: str) -> list[Key]:
        """The payments that say they pay the invoice."""
        assert self._settled
        return [claim.payment for claim in self._receipts.claims(invoice_id)]

    @property
    def unspent(self) -> frozenset[Key]:
        """The payments of which money still waits for an invoice."""
        assert self._settled
        return frozenset(payment for spreading in self._spreading.values() for payment in spreading.unspent)

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event of FINANCE_KINDS begins to stand, or one that stood does so no longer."""
        self._settled = False
        if entry.kind in _PAYMENT_KINDS:
            self._receipts.change(entry, stands=stands)
        else:
            self._invoices.change(entry, stands=stands)

    def settle(self) -> Changes:
        """Works out what the changes since the last settle touch; returns exactly what is different."""
        gone, new = self._receipts.settle()
        for payment in gone:
            self._fund(payment, ZERO)
        stale = {payment.key for payment in new}
        parts: set[PartKey] = set()
        for invoice_id in self._invoices.take_touched().union(*map(allocated_to, (*gone, *new))):
            self._rebook(invoice_id, stale, parts)
        for key in stale:
            received = self._receipts.get(key)
            if received is not None:
                self._fund(received, unallocated(received) + sum(self._over.get(key, {}).values(), ZERO))
        for spreading in self._spreading.values():
            parts |= spreading.settle()
        self._settled = True
        removed, added = self._replace(parts)
        return Changes(removed, added, gone, new)

    def _fund(self, payment: Entry, free: Decimal) -> None:
        data = payment.data or {}
        self._spreading[data["currency"]].fund(payment.key, data["value_date"], free)

    def _rebook(self, invoice_id: str, stale: set[Key], parts: set[PartKey]) -> None:
        """Books the invoice anew; adds the payments whose free money and the instalments that may be others."""
        before = self._booked.pop(invoice_id, NOT_ISSUED)
        after = self._invoices.book(invoice_id, self._receipts.claims(invoice_id))
        if after.parts:
            self._booked[invoice_id] = after
        for part in before.parts:
            parts.add(part.key)
            self._spreading[part.currency].owe(part.key, part.order, ZERO)
        for part in after.parts:
            parts.add(part.key)
            self._spreading[part.currency].owe(part.key, part.order, ZERO if part.disputed else part.uncovered())
        for payment in before.over.keys() | after.over.keys():
            stale.add(payment)
            self._set_over(payment, invoice_id, after.over.get(payment, ZERO))

    def _set_over(self, payment: Key, invoice_id: str, over: Decimal) -> None:
        by_invoice = self._over.setdefault(payment, {})
        by_invoice[invoice_id] = over
        if not over:
            del by_invoice[invoice_id]
        if not by_invoice:
            del self._over[payment]

    def _replace(self, parts: Iterable[PartKey]) -> tuple[list[Instalment], list[Instalment]]:
        invoice_ids = {key.invoice_id for key in parts}
        booked = {part.key: part for invoice_id in invoice_ids for part in self._parts(invoice_id)}
        removed, added = [], []
        for key in sorted(parts):
            before, after = self._instalments.get(key), self._covered(booked.get(key))
            if before == after:
                continue
            if before is not None:
                self._arrears.remove(before)
                del self._instalments[key]
                removed.append(before)
            if after is not None:
                self._arrears.add(after)
                self._instalments[key] = after
                added.append(after)
        return removed, added

    def _parts(self, invoice_id: str) -> tuple[Instalment, ...]:
        return self._booked.get(invoice_id, NOT_ISSUED).parts

    def _covered(self, part: Instalment | None) -> Instalment | None:
        """The instalment with the money that belonged to no invoice on it as well."""
        if part is None:
            return None
        spread = self._spreading[part.currency].covers(part.key)
        return msgspec.structs.replace(part, covers=part.covers + spread) if spread else part


class LedgerFeed:
    """The ledger of a customer that is open. It has no items of its own: the series made of it subscribe."""

    goes_with_time = False

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.items: tuple[()] = ()
        self._subscribers: list[list[Changes]] = []

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event of FINANCE_KINDS begins, or ceases, to stand."""
        self.ledger.change(entry, stands=stands)

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        """Settles, and tells who subscribed."""
        if self.ledger.is_settled:
            return [], []
        changes = self.ledger.settle()
        if changes.removed or changes.added:
            for waiting in self._subscribers:
                waiting.append(changes)
        return [], []

    def subscribe(self) -> list[Changes]:
        """A list to which the changes from now on are added; the subscriber empties it."""
        changes: list[Changes] = []
        self._subscribers.append(changes)
        return changes


@dataclass(frozen=True)
class LedgerSource:
    """The ledger as a source: worked out with the series, before those that are made of it."""

    @property
    def kinds(self) -> frozenset[str]:
        return FINANCE_KINDS

    def feed(self, state: CustomerState) -> LedgerFeed:
        feed = LedgerFeed()
        for kind in FINANCE_KINDS:
            for item in state.items(kind):
                feed.change(item, stands=True)
        return feed


LEDGER = LedgerSource()


def ledger_of(state: CustomerState) -> Ledger:
    """The customer's ledger, up to date."""
    feed = state.feed(LEDGER)
    assert isinstance(feed, LedgerFeed), "the ledger is its own source"
    feed.refresh(state.head.clock)
    return feed.ledger


def receipts(state: CustomerState) -> list[Entry]:
    """The payments that were really received, by value date."""
    return ledger_of(state).receipts
