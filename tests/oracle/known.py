"""What is known of one customer, as items that lie in time, and how rules filter them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import CUSTOMER_EVENTS
from schemas.fields import parse_decimal
from tests.oracle import series
from tests.oracle.reference import Reference
from tests.oracle.series import Item
from tests.oracle.standing import Standing
from tests.oracle.worlds import UNKNOWN

Where = Mapping[str, Mapping[str, Any]]


SUBJECTS = {
    "contract": "contract_id",
    "contact": "contact_id",
    "promise": "promise_id",
    "feedback": "feedback_id",
    "service_case": "case_id",
    "opportunity": "opportunity_id",
    "order": "order_id",
    "milestone": "subject",
    "anniversary": "subject",
}
"""The field that names a rule's subject."""


@dataclass(frozen=True)
class Source:
    """Items of an event type or of a derived series, and those of them that pass a filter."""

    of: str
    where: Where = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> str:
        return repr((self.of, sorted(self.options.items())))

    def carries(self, name: str) -> bool:
        """Whether its items have the field, by what they are (not by what one of them says)."""
        if self.of in series.FIELDS:
            return name in series.FIELDS[self.of]
        return name in CUSTOMER_EVENTS[self.of].model_fields


@dataclass(frozen=True, eq=False)
class View:
    """One customer at a company whose time has come to `clock`; perhaps narrowed to a rule's subject and feed."""

    customer_id: str
    events: list[Standing]
    zone: ZoneInfo
    clock: datetime
    reference: Reference
    subject: tuple[str, str] | None = None
    complete_until: datetime | None = None
    series: dict[str, list[Item]] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict)
    whole: View | None = None

    def about(self, subject: tuple[str, str] | None, feed: str | None) -> View:
        """The same, seen by a rule about this subject that relies on this feed."""
        until = self.reference.complete.get(feed) if feed else None
        if subject is None and until is None:
            return self
        return replace(self, subject=subject, complete_until=until, memo={}, whole=self)

    def root(self) -> View:
        """The customer as a whole: what other rules say does not depend on who asks."""
        return self.whole or self

    def silent(self, at: datetime) -> bool:
        """Whether what is missing at the instant may only not have been sent yet."""
        return self.complete_until is not None and at > self.complete_until

    def all_of(self, source: Source) -> list[Item]:
        """Every item of the source for the subject, filter apart, by (instant, when it was said)."""
        if source.key() not in self.series:
            found = series.items_of(self, source.of, source.options)
            self.series[source.key()] = sorted(found, key=lambda item: (item.at, item.said))
        items = self.series[source.key()]
        if self.subject is None or not source.carries(self.subject[0]):
            return items
        return [item for item in items if item.fields.get(self.subject[0]) == self.subject[1]]

    def items(self, source: Source, world: bool) -> list[Item]:
        """Those that pass the filter, in a world where filters that cannot be decided say `world`."""
        key = (source.key(), repr(source.where), world)
        if key not in self.memo:
            self.memo[key] = [item for item in self.all_of(source) if passes(item, source.where, world)]
        found: list[Item] = self.memo[key]
        return found


ABSENT = object()


def at_path(item: Item, path: str) -> Any:
    """The value at a dotted path; ABSENT where there is none (null where a null was sent)."""
    value: Any = item.fields
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def passes(item: Item, where: Where, world: bool) -> bool:
    """Whether the item is what the filter wants."""
    return all(
        _passes_test(at_path(item, path), word, wanted, world)
        for path, tests in where.items()
        for word, wanted in tests.items()
    )


def _passes_test(value: Any, word: str, wanted: Any, world: bool) -> bool:
    if value is UNKNOWN:
        return world
    absent = value is None or value is ABSENT
    if word == "known":
        return absent is not wanted
    if word in ("not", "not_in"):
        unwanted = [wanted] if word == "not" else wanted
        return absent or not any(same(value, one) for one in unwanted)
    return not absent and _is_wanted(value, word, wanted)


def _is_wanted(value: Any, word: str, wanted: Any) -> bool:
    if word in ("is", "in"):
        return any(same(value, one) for one in ([wanted] if word == "is" else wanted))
    if word == "has":
        return isinstance(value, list | tuple) and any(same(one, wanted) for one in value)
    return _compares(value, word, wanted)


def _compares(value: Any, word: str, wanted: Any) -> bool:
    one, other = number(value), number(wanted)
    if one is None or other is None:
        return False
    return {"at_least": one >= other, "at_most": one <= other, "above": one > other, "below": one < other}[word]


def same(one: Any, other: Any) -> bool:
    """Equality in which true is not 1, a number equals a text that is one, and days compare as they are written."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, date) or isinstance(other, date):
        return str(one) == str(other)
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    left, right = number(one), number(other)
    return left == right if left is not None and right is not None else bool(one == other)


def number(value: Any) -> Fraction | float | None:
    """The number that a value is or (a decimal in a text) stands for; infinity is a number of its own."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, Fraction | int | Decimal):
        return Fraction(value)
    if isinstance(value, float):
        return value if value == inf else Fraction(str(value))
    try:
        return Fraction(parse_decimal(value))
    except ValueError:
        return None
