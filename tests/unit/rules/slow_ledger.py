"""The ledger by the plainest computation: everything anew from all events that stand. What the fast one must equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from services.rules.calendar import Day, Micros, Month, month_of_day
from services.rules.entries import Entry, Key
from services.rules.instalments import Cover

ZERO = Decimal(0)


@dataclass
class Part:
    """One due part of an invoice, after credit notes."""

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
    covers: list[Cover] = field(default_factory=list)

    @property
    def month(self) -> Month:
        return month_of_day(self.due)

    def settled_on(self) -> Day | None:
        """The value date of the money that covered the last of it; None while something is open."""
        return max((cover.day for cover in self.covers), default=self.issued) if self.uncovered() <= 0 else None

    def uncovered(self, day: Day | None = None) -> Decimal:
        """What no payment with a value date up to the end of `day` covers (None: no payment at all)."""
        return self.amount - sum((cover.amount for cover in self.covers if day is None or cover.day <= day), ZERO)


class Money(NamedTuple):
    """A payment's amount that no allocation holds."""

    day: Day
    payment: Key
    currency: str
    amount: Decimal


class Standing:
    """The events that stand, each in the order in which it came to stand."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._items: dict[str, list[Entry]] = defaultdict(list)
        for entry in sorted(entries, key=lambda entry: entry.order):
            self._items[entry.kind].append(entry)

    def items(self, kind: str) -> list[Entry]:
        return self._items[kind]


@dataclass
class SlowLedger:
    """All instalments by due date, each with what covered it, and the payments of which money still waits."""

    instalments: list[Part]
    receipts: list[Entry]
    unspent: frozenset[Key]


def slow_ledger(entries: Iterable[Entry]) -> SlowLedger:
    """The ledger of the events that stand."""
    state = Standing(entries)
    invoices = _invoices(state)
    left_over = _allocate(state, invoices)
    instalments = [part for parts in invoices.values() for part in parts]
    instalments.sort(key=_oldest_due)
    waiting: list[Money] = []
    for currency in sorted({money.currency for money in left_over}):
        waiting += _cover_oldest(
            [part for part in instalments if part.currency == currency and not part.disputed],
            [money for money in left_over if money.currency == currency],
        )
    return SlowLedger(instalments, receipts(state), frozenset(money.payment for money in waiting))


def _oldest_due(part: Part) -> tuple[Day, Day, str, int]:
    return (part.due, part.issued, part.invoice_id, part.number)


def _newest(items: Iterable[Entry], field_name: str) -> dict[str, Entry]:
    """The item that counts for each business id: systems may report the same invoice twice, and the last word wins."""
    newest: dict[str, Entry] = {}
    for item in items:
        name = str((item.data or {})[field_name])
        known = newest.get(name)
        if known is None or (known.time, known.key) < (item.time, item.key):
            newest[name] = item
    return newest


def _invoices(state: Standing) -> dict[str, list[Part]]:
    disputed = _disputed(state)
    explained = _newest(state.items("invoice.delay_explained"), "invoice_id")
    credits: dict[str, list[Entry]] = defaultdict(list)
    for credit in _newest(state.items("invoice.credited"), "credit_id").values():
        credits[(credit.data or {})["invoice_id"]].append(credit)
    invoices = {}
    for invoice_id, issued in _newest(state.items("invoice.issued"), "invoice_id").items():
        fault = (explained[invoice_id].data or {})["fault"] if invoice_id in explained else None
        invoices[invoice_id] = list(_instalments(issued, credits.get(invoice_id, []), invoice_id in disputed, fault))
    return invoices


def _disputed(state: Standing) -> set[str]:
    """Invoices whose newest word is a dispute, open or upheld; a rejected one counts as if never contested."""
    words: dict[str, tuple[tuple[Micros, int, Micros, Key], bool]] = {}
    for rank, kind in enumerate(("invoice.disputed", "dispute.settled")):
        for item in state.items(kind):
            data = item.data or {}
            word = ((item.at, rank, item.time, item.key), data.get("outcome") != "rejected")
            invoice_id = data["invoice_id"]
            words[invoice_id] = max(words.get(invoice_id, word), word)
    return {invoice_id for invoice_id, (_, contested) in words.items() if contested}


def _instalments(issued: Entry, credits: list[Entry], disputed: bool, fault: str | None) -> Iterator[Part]:
    data = issued.data or {}
    same = [credit.data or {} for credit in credits if (credit.data or {})["currency"] == data["currency"]]
    credit = sum((Decimal(item["amount"]) for item in same), ZERO)
    parts = data.get("instalments") or [{"due_date": data["due_date"], "amount": data["amount"]}]
    ordered = sorted(enumerate(parts), key=lambda pair: (pair[1]["due_date"], pair[0]))
    for number, part in ordered:
        amount = Decimal(part["amount"])
        off = min(credit, amount)
        credit -= off
        yield Part(
            invoice_id=data["invoice_id"],
            number=number,
            currency=data["currency"],
            issued=data["issue_date"],
            due=part["due_date"],
            amount=amount - off,
            disputed=disputed,
            certain=len(same) == len(credits),
            fault=fault,
            invoice=issued.key,
        )


def _allocate(state: Standing, invoices: dict[str, list[Part]]) -> list[Money]:
    """Books what payments say they pay; returns what is left of them, by value date."""
    left = []
    for payment in receipts(state):
        data = payment.data or {}
        free = Decimal(data["amount"])
        for allocation in data.get("allocations", []):
            amount = Decimal(allocation["amount"])
            free -= amount
            # An invoice that is not known yet keeps its allocation waiting: the money is spoken for.
            parts = invoices.get(allocation["invoice_id"], [])
            if any(part.currency != data["currency"] for part in parts):
                for part in parts:
                    part.certain = False
            elif parts:
                free += _book(parts, Cover(data["value_date"], amount, payment.key))
        if free > 0:
            left.append(Money(data["value_date"], payment.key, data["currency"], free))
    return left


def _book(parts: list[Part], cover: Cover) -> Decimal:
    """Covers an invoice's parts in the order of their due dates; returns what is over."""
    amount = cover.amount
    for part in parts:
        taken = min(amount, part.uncovered())
        if taken > 0:
            part.covers.append(cover._replace(amount=taken))
            amount -= taken
    return amount


def _cover_oldest(parts: list[Part], money: list[Money]) -> list[Money]:
    """Spends money of one currency on undisputed instalments, oldest due first; returns what still waits.

    Money covers what is issued by its value date; what is left of it waits for the next invoice, oldest money first.
    """
    waiting: list[Money] = []
    issued: list[Part] = []
    pending = sorted(parts, key=lambda part: (part.issued, _oldest_due(part)))
    coming = sorted(money, key=lambda one: (one.day, one.payment))
    for day in sorted({one.day for one in money} | {part.issued for part in parts}):
        while pending and pending[0].issued <= day:
            issued.append(pending.pop(0))
        while coming and coming[0].day <= day:
            waiting.append(coming.pop(0))
        waiting = _spend(sorted((part for part in issued if part.uncovered() > 0), key=_oldest_due), waiting)
    return waiting


def _spend(parts: list[Part], waiting: list[Money]) -> list[Money]:
    for part in parts:
        while waiting and part.uncovered() > 0:
            one = waiting.pop(0)
            over = _book([part], Cover(one.day, one.amount, one.payment))
            if over > 0:
                waiting.insert(0, one._replace(amount=over))
    return waiting


def receipts(state: Standing) -> list[Entry]:
    """The payments that were really received, by value date."""
    reversed_ids = _reversed(state)
    payments = _newest(state.items("payment.received"), "payment_id")
    kept = [payment for payment_id, payment in payments.items() if payment_id not in reversed_ids]
    return sorted(kept, key=lambda item: ((item.data or {})["value_date"], item.key))


def _reversed(state: Standing) -> set[str]:
    return {(item.data or {})["payment_id"] for item in state.items("payment.reversed")}
