"""The shapes of facts that a rule file may declare. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from services.rules.calendar import BEGINNING, DAY, Micros, month_of_day
from services.rules.entries import Entry, Key
from services.rules.facts import INFINITY, Pick, Point, Question, Span, Value, put, read, says
from services.rules.ledger import LEDGER_KINDS, ledger_of, receipts
from services.rules.periods import LatePolicy, Periods, late_months, overdue_month_ends
from services.rules.state import CustomerState


@dataclass(frozen=True)
class Streak:
    """How many months in a row failed, up to the newest. Back to 0 when a month has closed without failing."""

    series: str
    policy: LatePolicy
    elapsed: bool = False
    reach: Micros = 400 * DAY
    kinds: frozenset[str] = LEDGER_KINDS

    def course(self, question: Question) -> list[Point]:
        periods = self._periods(question)
        points = [Point(BEGINNING, 0)]
        low = high = 0
        for month in self._months(periods):
            period = periods.by_month.get(month)
            if period is None:
                if high:
                    points.append(Point(periods.closed_at(month, question.calendar), 0))
                low = high = 0
            elif period.failed_at is None:
                low, high = 0, high + 1
                points.append(Point(periods.closed_at(month, question.calendar), Span(0, high)))
            else:
                low, high = low + 1, high + 1
                run = low if low == high else Span(low, high)
                # A point for each fault: the evidence grows then, though the run does not.
                points += [Point(at, run) for at in sorted({fault.known_at for fault in period.faults})]
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        """The events of the months whose failing made the run that holds between the two instants."""
        periods, seen = self._periods(question), min(stop, question.now)
        run: list[Key] = []
        for month in self._months(periods):
            period = periods.by_month.get(month)
            failed_at = period.failed_at if period else None
            if failed_at is not None and failed_at > seen:
                break
            if period is not None:
                run.extend(key for fault in period.faults if fault.known_at <= seen for key in fault.keys)
            elif periods.closed_at(month, question.calendar) <= start:
                run = []
            else:
                break
        return run

    def _periods(self, question: Question) -> Periods:
        ledger = ledger_of(question.state)
        if self.series == "late_months":
            return late_months(ledger, self.policy, question.calendar)
        return overdue_month_ends(ledger, self.policy, question.calendar, question.now)

    @staticmethod
    def _months(periods: Periods) -> range:
        months = periods.by_month
        return range(min(months), max(months) + 2) if months else range(0)

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return ()  # open money keeps itself


@dataclass(frozen=True)
class DistinctDays:
    """On how many of the company's days something happened, within the last `window`."""

    pick: Pick
    window: Micros
    elapsed: bool = False

    @property
    def reach(self) -> Micros:
        return self.window

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.pick.kind})

    def course(self, question: Question) -> list[Point]:
        changes: list[tuple[Micros, int, int]] = []
        for entry in self.pick.items(question.state):
            day = question.calendar.day_of(entry.at)
            changes += [(entry.at, 1, day), (entry.at + self.window, -1, day)]
        points, count = [Point(BEGINNING, 0)], defaultdict[int, int](int)
        for at, step, day in sorted(changes):
            count[day] += step
            if not count[day]:
                del count[day]
            put(points, at, len(count))
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        items = self.pick.items(question.state)
        return [entry.key for entry in items if start - self.window < entry.at <= stop]

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return ()


@dataclass(frozen=True)
class BestMonth:
    """The greatest sum of receipts in one of the last `months` full months, in one currency.

    Receipts in another currency make the sum uncertain from below: no rate is known here.
    """

    currency: str
    months: int
    elapsed: bool = False
    kinds: frozenset[str] = frozenset({"payment.received", "payment.reversed"})

    @property
    def reach(self) -> Micros:
        return (self.months + 1) * 31 * DAY

    def course(self, question: Question) -> list[Point]:
        low: dict[int, Decimal] = defaultdict(Decimal)
        unclear: set[int] = set()
        for payment in receipts(question.state):
            data = payment.data or {}
            month = month_of_day(data["value_date"])
            low[month] += Decimal(data["amount"]) if data["currency"] == self.currency else 0
            if data["currency"] != self.currency:
                unclear.add(month)
        points = [Point(BEGINNING, Decimal(0))]
        for month in range(min(low), max(low) + self.months + 2) if low else ():
            past = range(month - self.months, month)
            best = max(low.get(one, Decimal(0)) for one in past)
            value = Span(best, INFINITY) if unclear.intersection(past) else best
            put(points, question.calendar.start_of_month(month), value)
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        month = question.calendar.month_of(start)
        past = range(month - self.months, month)
        return [item.key for item in receipts(question.state) if month_of_day((item.data or {})["value_date"]) in past]

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        return ()


@dataclass(frozen=True)
class Latest:
    """The newest value that some event gave a field; `default` before there was one, and after it was cleared."""

    pick: Pick
    path: str
    default: Value
    elapsed: bool = False
    reach: Micros = 0

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.pick.kind})

    def _items(self, question: Question) -> list[Entry]:
        return [entry for entry in self.pick.items(question.state) if says(entry, self.path)]

    def course(self, question: Question) -> list[Point]:
        points = [Point(BEGINNING, self.default)]
        for entry in self._items(question):
            value = read(entry, self.path)
            put(points, entry.at, self.default if value is None else value)
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        return [entry.key for entry in self._items(question) if entry.at <= start][-1:]

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        entries = [entry for entry in self.pick.items(state) if says(entry, self.path)]
        return [entry.key for entry in entries if entry.at < line][-1:]


@dataclass(frozen=True)
class SinceLast:
    """The time since something last happened. Before it ever did: since the latest of the `otherwise` grounds,
    which are the instant from which a condition has held, and the newest event of a kind."""

    pick: Pick
    since_condition: str | None
    since_events: Pick | None
    elapsed: bool = True
    reach: Micros = 0

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.pick.kind} | ({self.since_events.kind} if self.since_events else set()))

    def course(self, question: Question) -> list[Point]:
        items = self.pick.items(question.state)
        first = items[0].at if items else None
        points = [point for point in self._otherwise(question) if first is None or point.at < first]
        for entry in items:
            put(points, entry.at, entry.at)
        return points

    def _otherwise(self, question: Question) -> list[Point]:
        """Nobody has ever been in contact: from becoming important, or from the newest assignment, what is later."""
        started: Micros | None = None
        changes: list[tuple[Micros, bool, Micros | None]] = []
        for point in question.holds(self.since_condition) if self.since_condition else ():
            started = (point.at if started is None else started) if point.value else None
            changes.append((point.at, False, started))
        assigned = self.since_events.items(question.state) if self.since_events else []
        changes += [(entry.at, True, entry.at) for entry in assigned]
        points = [Point(BEGINNING, None)]
        since: dict[bool, Micros | None] = {False: None, True: None}
        for at, is_event, value in sorted(changes, key=lambda change: (change[0], change[1])):
            since[is_event] = value
            known = [anchor for anchor in since.values() if anchor is not None]
            put(points, at, max(known, default=None))
        return points

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        picks = [self.pick] + ([self.since_events] if self.since_events else [])
        for pick in picks:
            before = [entry.key for entry in pick.items(question.state) if entry.at <= start]
            if before:
                return before[-1:]
        return []

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        picks = [self.pick] + ([self.since_events] if self.since_events else [])
        return [key for pick in picks for key in pick.last_before(state, line)]


@dataclass(frozen=True)
class Waiting:
    """The time since the subject's `after` event while no `until` event has come, whenever that was."""

    after: Pick
    subject_path: str
    first_only: bool
    answer: Pick
    elapsed: bool = True
    reach: Micros = 0

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.after.kind, self.answer.kind})

    def subjects(self, state: CustomerState) -> list[str]:
        """Those for whom something may be waited: with `first_only` the first of the customer's life."""
        items = self.after.items(state)
        if self.first_only:
            items = [entry for entry in items if entry.at == items[0].at]
        return list(dict.fromkeys(str(read(entry, self.subject_path)) for entry in items))

    def course(self, question: Question) -> list[Point]:
        begun = self._begun(question)
        if begun is None:
            return [Point(BEGINNING, None)]
        answers = self.answer.items(question.state)
        points = [Point(BEGINNING, None)]
        if not answers or answers[0].at > begun.at:
            points.append(Point(begun.at, begun.at))
            if answers:
                points.append(Point(answers[0].at, None))
        return points

    def _begun(self, question: Question) -> Entry | None:
        for entry in self.after.items(question.state):
            if str(read(entry, self.subject_path)) == question.subject:
                return entry
        return None

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Iterable[Key]:
        begun = self._begun(question)
        return [begun.key] if begun else []

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        begun = {}
        for entry in reversed(self.after.items(state)):
            begun[str(read(entry, self.subject_path))] = entry.key
        return [*begun.values(), *(entry.key for entry in self.answer.items(state)[:1])]
