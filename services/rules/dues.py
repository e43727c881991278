"""The derived series of a customer's ledger: due parts of invoices, and the movements of what is owed. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from services.rules.calendar import Calendar, Micros
from services.rules.entries import Derived, Item
from services.rules.instalment_items import instalment_item
from services.rules.instalments import Instalment, PartKey
from services.rules.ledger import FINANCE_KINDS, LEDGER, LedgerFeed
from services.rules.periods import LatePolicy
from services.rules.series import Feed
from services.rules.state import CustomerState

FIELDS = frozenset({"invoice_id", "amount", "currency", "late", "settled", "days_late", "fault"})

Make = Callable[[Instalment], list[Derived]]


class _Feed:
    """Items of each instalment, made again when the ledger says that it is another."""

    goes_with_time = False

    def __init__(self, ledger: LedgerFeed, make: Make) -> None:
        self._changes = ledger.subscribe()
        self._make = make
        self._items: dict[PartKey, list[Derived]] = {}
        for part in ledger.ledger.instalments.values():
            self._items[part.key] = make(part)

    def change(self, entry: object, *, stands: bool) -> None:
        """The ledger is told, and tells."""

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        gone: list[Item] = []
        come: list[Item] = []
        for changes in self._changes:
            for part in changes.removed:
                gone += self._items.pop(part.key, [])
            for part in changes.added:
                made = self._items[part.key] = self._make(part)
                come += made
        self._changes.clear()
        return gone, come

    @property
    def items(self) -> Iterator[Item]:
        return (item for items in self._items.values() for item in items)


@dataclass(frozen=True)
class Instalments:
    """Due parts of invoices at the start of the day after their deadline, with what is now known of their payment.
    Money of other currencies makes a late one unsure."""

    policy: LatePolicy

    @property
    def kinds(self) -> frozenset[str]:
        return FINANCE_KINDS

    def feed(self, state: CustomerState) -> Feed:
        calendar, policy = state.calendar, self.policy
        return _Feed(ledger_feed(state), lambda part: _due(part, policy, calendar))


def _due(part: Instalment, policy: LatePolicy, calendar: Calendar) -> list[Derived]:
    made = instalment_item(part, policy, calendar, part.fault)
    # The covers are part of it, so that a change of them alone is a change: a month's end asks for balances.
    return [] if made is None else [Derived(made.at, made.data | {"covers": part.covers}, made.keys, part.key)]


@dataclass(frozen=True)
class Movements:
    """What is owed, or overdue, as it grows and shrinks at the starts of days."""

    balance: Literal["open_balance", "overdue_balance"]

    @property
    def kinds(self) -> frozenset[str]:
        return FINANCE_KINDS

    def feed(self, state: CustomerState) -> Feed:
        calendar, balance = state.calendar, self.balance
        return _Feed(ledger_feed(state), lambda part: list(_movements(part, balance, calendar)))


def _movements(part: Instalment, balance: str, calendar: Calendar) -> Iterable[Derived]:
    first = part.issued if balance == "open_balance" else part.due + 1
    covered = [(max(cover.day, first), cover) for cover in part.covers]
    owed = part.amount - sum(cover.amount for day, cover in covered if day == first)
    keys = (part.invoice, *(cover.payment for day, cover in covered if day == first))
    moves = [(first, owed, keys)]
    moves += [(day, -cover.amount, (cover.payment,)) for day, cover in covered if day > first]
    for number, (day, amount, names) in enumerate(moves):
        data = {"amount": amount, "currency": part.currency, "certain": part.certain}
        yield Derived(calendar.start_of_day(day), data, names, (*part.key, number))


def ledger_feed(state: CustomerState) -> LedgerFeed:
    """The customer's ledger as it is kept up to date."""
    feed = state.feed(LEDGER)
    assert isinstance(feed, LedgerFeed), "the ledger is its own source"
    return feed
