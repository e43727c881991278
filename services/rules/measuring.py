"""What an item adds to a total: a number of it, or money in a currency. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.rules.calendar import Calendar
from services.rules.entries import Item
from services.rules.reference import Reference
from services.rules.series import Path, number_of
from services.rules.totals import Amount, Measure


@dataclass(frozen=True)
class Field:
    """A number of each item; with a currency, an amount of money in it."""

    path: Path
    currency: str | None = None

    def measure(self, reference: Reference, calendar: Calendar) -> Measure:
        """What an item adds. Money of a currency without a rate up to that day is not known."""
        return lambda item: self._amount(item, reference, calendar)

    def _amount(self, item: Item, reference: Reference, calendar: Calendar) -> Amount:
        number = number_of(self.path.read(item))
        if number is None:
            return Amount(Decimal(0), 0)
        if self.currency is None:
            return Amount(number)
        currency = (item.data or {}).get("currency", self.currency)
        if currency == self.currency:
            return Amount(number)
        rate = reference.rate(currency, self.currency, calendar.day_of(item.at))
        return Amount(Decimal(0), 1, 1) if rate is None else Amount(number * rate)

    def name(self, reference: Reference) -> object:
        """Totals of this field are kept under this name: other rates make other totals."""
        return (self, reference.fingerprint if self.currency else "")


AMOUNT = Field(Path(("amount",)))
