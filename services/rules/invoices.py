"""What each invoice asks for: its newest issue, less credit notes, less what payments say they pay of it. PURE."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from services.rules.calendar import Day
from services.rules.entries import Entry, Key
from services.rules.instalments import ZERO, Cover, Instalment
from services.rules.newest import Newest


class Claim(NamedTuple):
    """What a payment says it pays of an invoice; in this order an invoice's claims are booked."""

    day: Day
    payment: Key
    place: int
    amount: Decimal
    currency: str


class Booked(NamedTuple):
    """An invoice's instalments by due date with what is booked on them, and what each payment booked too much."""

    parts: tuple[Instalment, ...]
    over: dict[Key, Decimal]


NOT_ISSUED = Booked((), {})


class Invoices:
    """All that was said of invoices; `touched` are those of which more was said since it was last taken."""

    def __init__(self) -> None:
        self._issued = Newest("invoice_id")
        self._notes = Newest("credit_id")
        self._contested = Newest("invoice_id", _word)
        self._explained = Newest("invoice_id")
        self._credits: dict[str, dict[str, Entry]] = {}
        self._credited: dict[str, str] = {}
        self._touched: set[str] = set()

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event about an invoice begins or ceases to stand."""
        if entry.kind == "invoice.credited":
            self._recredit(self._notes.change(entry, stands=stands))
        elif entry.kind == "invoice.issued":
            self._touched.add(self._issued.change(entry, stands=stands))
        elif entry.kind == "invoice.delay_explained":
            self._touched.add(self._explained.change(entry, stands=stands))
        else:
            self._touched.add(self._contested.change(entry, stands=stands))

    def _recredit(self, credit_id: str) -> None:
        """Another word on a credit note may put it on another invoice."""
        before = self._credited.pop(credit_id, None)
        if before is not None:
            del self._credits[before][credit_id]
            self._touched.add(before)
        note = self._notes.get(credit_id)
        if note is not None:
            after = str((note.data or {})["invoice_id"])
            self._credits.setdefault(after, {})[credit_id] = note
            self._credited[credit_id] = after
            self._touched.add(after)

    def take_touched(self) -> set[str]:
        """The invoices of which more was said since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def book(self, invoice_id: str, claims: list[Claim]) -> Booked:
        """The invoice with these claims on it; NOT_ISSUED while it is not known: what is claimed is spoken for."""
        issued = self._issued.get(invoice_id)
        if issued is None:
            return NOT_ISSUED
        data = issued.data or {}
        credits = [note.data or {} for note in self._credits.get(invoice_id, {}).values()]
        credit = sum((Decimal(note["amount"]) for note in credits if note["currency"] == data["currency"]), ZERO)
        owed = _owed(data, credit)
        covers, over = _book([amount for _, _, amount in owed], claims, data["currency"])
        explained = self._explained.get(invoice_id)
        disputed = self._disputed(invoice_id)
        certain = all(note["currency"] == data["currency"] for note in credits) and all(
            claim.currency == data["currency"] for claim in claims
        )
        parts = tuple(
            Instalment(
                invoice_id=invoice_id,
                number=number,
                currency=data["currency"],
                issued=data["issue_date"],
                due=due,
                amount=amount,
                disputed=disputed,
                certain=certain,
                fault=None if explained is None else (explained.data or {})["fault"],
                invoice=issued.key,
                covers=tuple(covered),
            )
            for (number, due, amount), covered in zip(owed, covers, strict=True)
        )
        return Booked(parts, over)

    def _disputed(self, invoice_id: str) -> bool:
        """Whether the newest word is a dispute, open or upheld; a rejected one counts as if never contested."""
        word = self._contested.get(invoice_id)
        return word is not None and (word.data or {}).get("outcome") != "rejected"


def _word(entry: Entry) -> tuple[Any, ...]:
    """A settlement follows the dispute of the same instant."""
    return (entry.at, entry.kind == "dispute.settled", entry.time, entry.source, entry.id)


def _owed(data: dict[str, Any], credit: Decimal) -> list[tuple[int, Day, Decimal]]:
    """Number, due date and amount after credit of an invoice's instalments, by due date."""
    parts = data.get("instalments") or [{"due_date": data["due_date"], "amount": data["amount"]}]
    owed = []
    for number, part in sorted(enumerate(parts), key=lambda pair: (pair[1]["due_date"], pair[0])):
        amount = Decimal(part["amount"])
        off = min(credit, amount)
        credit -= off
        owed.append((number, part["due_date"], amount - off if off else amount))
    return owed


def _book(owed: list[Decimal], claims: list[Claim], currency: str) -> tuple[list[list[Cover]], dict[Key, Decimal]]:
    """Covers amounts in their order with the claims of the invoice's currency; also returns what was too much."""
    uncovered = list(owed)
    covers: list[list[Cover]] = [[] for _ in owed]
    over: dict[Key, Decimal] = defaultdict(lambda: ZERO)
    first = 0
    for claim in claims:
        if claim.currency != currency:
            continue
        rest = claim.amount
        while rest > 0 and first < len(owed):
            taken = min(rest, uncovered[first])
            if taken > 0:
                covers[first].append(Cover(claim.day, taken, claim.payment))
                uncovered[first] -= taken
                rest -= taken
            first += uncovered[first] <= 0
        if rest > 0:
            over[claim.payment] += rest
    return covers, dict(over)
