"""Series: items of one kind in the order in which they are true, indexed so that a question about an instant is cheap.

A pick is what a rule file says (an event type or a derived series, and a filter); a series is its items in one
customer's state, kept up to date while the customer is open. PURE.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from services.rules.calendar import Micros
from services.rules.entries import Entry, Item
from services.rules.totals import Measure, Totals

if TYPE_CHECKING:
    from services.rules.state import CustomerState

Word = Literal["in", "not_in", "has", "at_least", "at_most", "above", "below", "known", "said"]


class Path(NamedTuple):
    """The place of a value in an item's data, by its dotted parts."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, dotted: str) -> Path:
        return cls(tuple(dotted.split(".")))

    def read(self, item: Item) -> Any:
        """The value; None when it is absent."""
        value: Any = item.data
        for name in self.parts:
            if type(value) is not dict:  # isinstance with Mapping costs a microsecond, and this is asked most of all
                return None
            value = value.get(name)
        return value

    def says(self, item: Item) -> bool:
        """Whether there is something to be said at this place, be it that there is no value any more."""
        value: Any = item.data
        for name in self.parts[:-1]:
            value = value.get(name) if isinstance(value, Mapping) else None
        return isinstance(value, Mapping) and self.parts[-1] in value

    def __str__(self) -> str:
        return ".".join(self.parts)


class Test(NamedTuple):
    """One condition on an item's data."""

    path: Path
    word: Word
    operand: Any

    def holds(self, item: Item) -> bool:
        if self.word == "said":  # be it that there is no value any more
            return self.path.says(item)
        return _WORDS[self.word](self.path.read(item), self.operand)


def _is_among(value: Any, operand: Any) -> bool:
    return not isinstance(value, (list, dict)) and value in operand


def _compares(comparison: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, operand: Any) -> bool:
        number = number_of(value)
        return number is not None and comparison(number, operand)

    return compare


_WORDS: dict[Word, Callable[[Any, Any], bool]] = {
    "in": _is_among,
    "not_in": lambda value, operand: not _is_among(value, operand),
    "has": lambda value, operand: isinstance(value, (list, tuple)) and operand in value,
    "known": lambda value, operand: (value is not None) is operand,
    "at_least": _compares(operator.ge),
    "at_most": _compares(operator.le),
    "above": _compares(operator.gt),
    "below": _compares(operator.lt),
}


@lru_cache(maxsize=10_000)
def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def number_of(value: Any) -> Decimal | None:
    """A number of an item's data, exactly; None for what is none. Decimals are kept as texts."""
    if type(value) is str:
        return _decimal(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    return _decimal(value) if isinstance(value, str) else None


@dataclass(frozen=True)
class Filter:
    """Conditions on an item's data; all must hold."""

    tests: tuple[Test, ...] = ()
    _checks: tuple[Callable[[Item], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every event goes through very many filters.
        object.__setattr__(self, "_checks", tuple(map(_check_of, self.tests)))

    def __call__(self, item: Item) -> bool:
        for check in self._checks:  # noqa: SIM110 a generator costs more than the tests
            if not check(item):
                return False
        return True


def _check_of(test: Test) -> Callable[[Item], bool]:
    """What `test.holds` says, quicker for the commonest."""
    if len(test.path.parts) > 1 or test.word not in ("in", "not_in"):
        return test.holds
    (name,), operand, is_wanted = test.path.parts, test.operand, test.word == "in"

    def check(item: Item) -> bool:
        data = item.data
        value = data.get(name) if type(data) is dict else None
        return (not isinstance(value, (list, dict)) and value in operand) is is_wanted

    return check


class Feed(Protocol):
    """A derived series while a customer is open: told of events, it says which items that takes away and brings.
    `goes_with_time`: time alone can bring some."""

    @property
    def goes_with_time(self) -> bool: ...

    def change(self, entry: Entry, *, stands: bool) -> None:
        """An event begins, or ceases, to stand. Only noted: `refresh` does the work."""
        ...

    def refresh(self, now: Micros) -> tuple[list[Item], list[Item]]:
        """The items that went and those that came since the last time; the first time all come. Series without an end
        are told to at least a year beyond `now`."""
        ...

    @property
    def items(self) -> Iterable[Item]:
        """All items as of the last refresh."""
        ...


class Source(Protocol):
    """Where items come from: an event type, or a derived series with its options. Hashable: a name for the series."""

    @property
    def kinds(self) -> frozenset[str]: ...

    def feed(self, state: CustomerState) -> Feed:
        """Who keeps the derived items of this customer, told of everything that stands already."""
        ...


@dataclass(frozen=True)
class Events:
    """The events of one type, as they are."""

    kind: str

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.kind})

    def feed(self, state: CustomerState) -> Feed:
        raise AssertionError("events are read as they are")


@dataclass(frozen=True)
class Pick:
    """The items of a source that pass a filter; `subject` is the field that names whom they are about, in a rule that
    asks about subjects."""

    source: Source
    where: Filter = Filter()
    subject: Path | None = None
    whole: Pick = field(init=False, repr=False, compare=False)
    """The same items, of all subjects. Equal ones are one object, so that looking a series up compares nothing."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Picks are keys of every index that a step looks into.
        object.__setattr__(self, "_hash", hash((self.source, self.where, self.subject)))
        whole = interned(self if self.subject is None else Pick(self.source, self.where))
        object.__setattr__(self, "whole", whole)

    def __hash__(self) -> int:
        return self._hash


@lru_cache(maxsize=10_000)
def interned(pick: Pick) -> Pick:
    """The one object that stands for all picks equal to it."""
    return pick


@lru_cache(maxsize=1_000)
def events_of(kind: str) -> Events:
    """The source of a type's events, always the same object."""
    return Events(kind)


class Series:
    """Items in their order, with their instants beside them. `changes` counts those that came and went."""

    # Customers of whom little is known have some dozens of them, most of them empty and never asked for groups.
    __slots__ = ("_by", "_gaps", "_totals", "ats", "changes", "items")

    def __init__(self) -> None:
        self.changes = 0
        self.items: list[Item] = []
        self.ats: list[Micros] = []
        self._by: dict[Path, defaultdict[str, Series]] | None = None
        self._totals: dict[object, Totals] | None = None
        self._gaps: list[Micros] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def add(self, item: Item) -> None:
        if not self.ats or item.at > self.ats[-1]:
            index = len(self.ats)
            self.items.append(item)
            self.ats.append(item.at)
        else:
            insort(self.items, item, key=_order)
            index = bisect_left(self.items, item.order, key=_order)
            self.ats.insert(index, item.at)
        self._count_gaps(index, 1)
        self._changed(index)
        for path, groups in (self._by or {}).items():
            groups[_name(path.read(item))].add(item)

    def remove(self, item: Item) -> None:
        index = bisect_left(self.items, item.order, key=_order)
        assert self.items[index].order == item.order, "an item is listed under its own order"
        self._count_gaps(index, -1)
        del self.items[index], self.ats[index]
        self._changed(index)
        for path, groups in (self._by or {}).items():
            name = _name(path.read(item))
            groups[name].remove(item)
            if not groups[name].items:
                del groups[name]

    def gaps_up_to(self, index: int) -> list[Micros]:
        """The sorted gaps between neighbours among items[: index + 1]. Not to be changed."""
        if index + 1 < len(self.ats):
            return _gaps(self.ats[: index + 1])
        if self._gaps is None:
            self._gaps = _gaps(self.ats)
        return self._gaps

    def _count_gaps(self, index: int, sign: int) -> None:
        """The item at `index` parts one gap into two (1), or is about to join two into one (-1)."""
        if self._gaps is None:
            return
        ats = self.ats
        earlier = ats[index - 1] if index else None
        later = ats[index + 1] if index + 1 < len(ats) else None
        parted = [b - a for a, b in ((earlier, ats[index]), (ats[index], later)) if a is not None and b is not None]
        joined = [later - earlier] if earlier is not None and later is not None else []
        for gap in joined if sign > 0 else parted:
            del self._gaps[bisect_left(self._gaps, gap)]
        for gap in parted if sign > 0 else joined:
            insort(self._gaps, gap)

    def _changed(self, index: int) -> None:
        self.changes += 1
        for totals in (self._totals or {}).values():
            totals.forget_from(index)

    def groups(self, path: Path) -> Mapping[str, Series]:
        """The items by the value of a field, each value's in their order."""
        if self._by is None:
            self._by = {}
        groups = self._by.get(path)
        if groups is None:
            groups = self._by[path] = defaultdict(Series)
            for item in self.items:
                groups[_name(path.read(item))].add(item)
        return groups

    def of(self, path: Path, name: str) -> Series:
        """The items whose field has this value."""
        return self.groups(path).get(name) or _EMPTY

    def up_to(self, at: Micros) -> int:
        """How many items lie at or before an instant."""
        return bisect_right(self.ats, at)

    def before(self, at: Micros) -> int:
        """How many items lie before an instant."""
        return bisect_left(self.ats, at)

    def totals(self, name: object, measure: Measure) -> Totals:
        """Running totals of a measure of the items, kept under a name."""
        if self._totals is None:
            self._totals = {}
        totals = self._totals.get(name)
        if totals is None:
            totals = self._totals[name] = Totals(self.items, measure)
        return totals


def _gaps(ats: list[Micros]) -> list[Micros]:
    return sorted(later - earlier for earlier, later in pairwise(ats))


def _order(item: Item) -> tuple[Any, ...]:
    return item.order


def _name(value: Any) -> str:
    return "" if value is None else str(value)


_EMPTY = Series()
