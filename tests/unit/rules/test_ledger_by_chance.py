"""The ledger after long stories from a generator with a seed. They are denser than those that hypothesis draws: much
is said twice, days and sums often coincide, and what stood a moment ago falls again."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from services.rules.entries import Entry
from tests.unit.rules.watched_ledger import FIRST_DAY, Watched

SUMS = ("10.00", "20.00", "30.00", "55.55", "5")
WEIGHTS = (
    {"invoice.issued": 8, "payment.received": 8},
    {"invoice.issued": 10, "payment.received": 5, "invoice.disputed": 2, "dispute.settled": 2, "invoice.credited": 1},
    {"invoice.issued": 6, "payment.received": 10, "payment.reversed": 2, "invoice.credited": 2}
    | {"invoice.delay_explained": 1, "invoice.disputed": 1, "dispute.settled": 1},
)


class Chance:
    """Events of a customer, by chance: `size` of them within `span` days."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._weights = self.of(WEIGHTS)
        self._span = self.of((3, 20, 200))
        self.size = self.of((5, 15, 40))
        self.steps = self.of((30, 100))
        self.patience = self.of((0.2, 0.9))

    def of(self, choices: Any) -> Any:
        return self._random.choice(choices)

    def whether(self, likely: float) -> bool:
        return self._random.random() < likely

    def entry(self, number: int) -> Entry:
        [kind] = self._random.choices(list(self._weights), list(self._weights.values()))
        said: dict[str, Any] = {"invoice_id": f"I{self._one_of_some()}", "payment_id": f"P{self._one_of_some()}"}
        match kind:
            case "invoice.issued":
                said |= {"currency": self._currency(), "issue_date": self._day()} | self._due()
            case "payment.received":
                said |= {"currency": self._currency(), "value_date": self._day()} | self._paid()
            case "invoice.credited":
                said |= {"credit_id": self.of("abcdef"), "amount": self.of(SUMS), "currency": self._currency()}
            case "dispute.settled":
                said |= {"outcome": self.of(("upheld", "rejected"))}
            case "invoice.delay_explained":
                said |= {"fault": self.of(("ours", "customer"))}
        name = f"{self._random.randrange(10**6):06d}-{number}"
        return Entry(self._moment(), kind, self.of(("erp", "crm")), name, self._moment(), b"", said)

    def _one_of_some(self) -> int:
        return self._random.randrange(max(2, self.size // 3))

    def _moment(self) -> int:
        return self._random.randrange(5)

    def _day(self) -> int:
        return FIRST_DAY + self._random.randrange(self._span)

    def _currency(self) -> str:
        return "USD" if self.whether(0.1) else "CNY"

    def _due(self) -> dict[str, Any]:
        amounts = [self.of(SUMS) for _ in range(self.of((1, 1, 1, 3)))]
        if len(amounts) == 1:
            return {"amount": amounts[0], "due_date": self._day()}
        parts = [{"due_date": self._day(), "amount": amount} for amount in amounts]
        return {"amount": str(sum(map(Decimal, amounts))), "instalments": parts}

    def _paid(self) -> dict[str, Any]:
        booked = [
            {"invoice_id": f"I{self._one_of_some()}", "amount": self.of(SUMS)} for _ in range(self.of((0, 0, 0, 1, 2)))
        ]
        free = Decimal(self.of(SUMS)) if not booked or self.whether(0.2) else Decimal(0)
        return {"amount": str(sum((Decimal(one["amount"]) for one in booked), free)), "allocations": booked}


def play(seed: int) -> None:
    chance = Chance(seed)
    pool = [chance.entry(number) for number in range(chance.size)]
    watched = Watched()
    for _ in range(chance.steps):
        watched.toggle(chance.of(pool))
        if chance.whether(chance.patience):
            watched.settle()
    watched.settle()


@pytest.mark.parametrize("seed", range(30))
def test_the_ledger_is_what_the_plain_computation_finds(seed: int) -> None:
    play(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(30))
def test_the_ledger_is_what_the_plain_computation_finds_in_very_many_stories(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        print(f"seed {seed}")
        play(seed)
