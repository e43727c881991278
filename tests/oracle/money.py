"""What of each instalment was covered, and when: credit notes, allocations, then money that belongs to no invoice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tests.oracle.standing import Standing, newest_by, of_kind, when

ZERO = Decimal(0)


@dataclass
class Part:
    """One instalment. `owed` is what the credit notes left of it, `covered` lists (value date, amount)."""

    invoice_id: str
    number: int
    currency: str
    issued: date
    due: date
    owed: Decimal
    disputed: bool = False
    uncertain: bool = False
    covered: list[tuple[date, Decimal]] = field(default_factory=list)

    def open(self) -> Decimal:
        """What nothing covers, whenever it came."""
        return self.owed - sum((amount for _, amount in self.covered), ZERO)

    def uncovered_at_end_of(self, day: date) -> Decimal:
        """What was not covered by value dates up to and including the day."""
        return self.owed - sum((amount for value_date, amount in self.covered if value_date <= day), ZERO)

    def take(self, amount: Decimal, value_date: date) -> Decimal:
        """Cover as much as is open; returns what remains of the amount."""
        used = min(amount, self.open())
        if used > 0:
            self.covered.append((value_date, used))
        return amount - used


@dataclass
class Coin:
    """Money of one payment that no invoice has claimed."""

    currency: str
    value_date: date
    left: Decimal


def parts_of(events: list[Standing]) -> list[Part]:
    """Every instalment of every invoice with its coverage, from all that is known."""
    parts = [part for invoice in _invoices(events) for part in _split(invoice)]
    for part in parts:
        part.disputed = _is_disputed(events, part.invoice_id)
    _credit(parts, events)
    free = [coin for payment in payments(events) for coin in _allocate(payment, parts)]
    for currency in sorted({coin.currency for coin in free}):
        _spread([coin for coin in free if coin.currency == currency], [p for p in parts if p.currency == currency])
    return parts


def payments(events: list[Standing]) -> list[Standing]:
    """The payments that were not reversed, in order of (value date, source, id)."""
    reversed_ids = {event.data.payment_id for event in of_kind(events, "payment.reversed")}
    received = newest_by(of_kind(events, "payment.received"), lambda event: str(event.data.payment_id))
    good = [event for event in received if event.data.payment_id not in reversed_ids]
    return sorted(good, key=lambda event: (event.data.value_date, event.source, event.id))


def _invoices(events: list[Standing]) -> list[Standing]:
    return newest_by(of_kind(events, "invoice.issued"), lambda event: str(event.data.invoice_id))


def _split(invoice: Standing) -> list[Part]:
    data = invoice.data
    if data.due_date is not None:
        dues = [(data.due_date, data.amount)]
    else:
        dues = [(part.due_date, part.amount) for part in data.instalments]
    return [
        Part(data.invoice_id, number, data.currency, data.issue_date, due, amount)
        for number, (due, amount) in enumerate(dues)
    ]


def _is_disputed(events: list[Standing], invoice_id: str) -> bool:
    """The newest word is a dispute or that it was upheld; a settlement follows a dispute of the same instant."""
    words = [
        (when(event, "at"), 0, event.time, event.source, event.id, "open")
        for event in of_kind(events, "invoice.disputed")
        if event.data.invoice_id == invoice_id
    ]
    words += [
        (when(event, "at"), 1, event.time, event.source, event.id, event.data.outcome)
        for event in of_kind(events, "dispute.settled")
        if event.data.invoice_id == invoice_id
    ]
    return bool(words) and max(words)[-1] in ("open", "upheld")


def _by_due(parts: list[Part], invoice_id: str) -> list[Part]:
    return sorted((p for p in parts if p.invoice_id == invoice_id), key=lambda p: (p.due, p.number))


def _credit(parts: list[Part], events: list[Standing]) -> None:
    for note in newest_by(of_kind(events, "invoice.credited"), lambda event: str(event.data.credit_id)):
        left = note.data.amount
        for part in _by_due(parts, note.data.invoice_id):
            if part.currency != note.data.currency:
                part.uncertain = True
                continue
            used = min(left, part.owed)
            part.owed -= used
            left -= used


def _allocate(payment: Standing, parts: list[Part]) -> list[Coin]:
    """Cover what the payment is booked on; returns the money that is not bound."""
    data = payment.data
    free = data.amount - sum((allocation.amount for allocation in data.allocations), ZERO)
    for allocation in data.allocations:
        booked_on = _by_due(parts, allocation.invoice_id)
        if not booked_on:
            continue  # reserved for an invoice that is not known yet
        if booked_on[0].currency != data.currency:
            for part in booked_on:
                part.uncertain = True
            continue
        left = allocation.amount
        for part in booked_on:
            left = part.take(left, data.value_date)
        free += left
    return [Coin(data.currency, data.value_date, free)] if free > 0 else []


def _spread(coins: list[Coin], parts: list[Part]) -> None:
    """Day by day the oldest money covers what is oldest due among the undisputed instalments issued by then."""
    for today in sorted({coin.value_date for coin in coins} | {part.issued for part in parts}):
        ready = [part for part in parts if part.issued <= today and not part.disputed]
        ready.sort(key=lambda part: (part.due, part.issued, part.invoice_id, part.number))
        for coin in coins:
            if coin.value_date > today:
                continue
            for part in ready:
                coin.left = part.take(coin.left, coin.value_date)
