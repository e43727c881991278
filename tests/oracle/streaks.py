"""R1 and R1b: months in a row that failed.

A month fails at the instant at which that is known, and closes without failing at its end. The streak holds from
the n-th failed month in a row until the first month after it has closed without failing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.oracle.knobs import Lateness
from tests.oracle.money import ZERO, Part
from tests.oracle.standing import last_of_month, midnight, months_between, next_month, previous_month
from tests.oracle.worlds import OPTIMIST, PESSIMIST, Span, spans

Month = tuple[int, int]
FailedAt = Callable[[Month, bool], datetime | None]
"""When it is known that the month failed, in one of the worlds; None when it did not."""
Day = timedelta(days=1)


def late_months_running(parts: list[Part], knobs: Lateness, zone: ZoneInfo, clock: datetime) -> list[Span]:
    """R1."""
    counted = [part for part in parts if not (part.disputed and knobs.exclude_disputed)]
    grace = timedelta(days=knobs.grace_days)

    def late_at(month: Month, unknowns: bool) -> datetime | None:
        deadlines = [
            part.due + grace
            for part in counted
            if (part.due.year, part.due.month) == month
            and part.uncovered_at_end_of(part.due + grace) > knobs.tolerance
            and (unknowns or not part.uncertain)
        ]
        return midnight(min(deadlines) + Day, zone) if deadlines else None

    def closed_at(month: Month) -> datetime:
        return midnight(last_of_month(month) + grace + Day, zone)

    return _streaks(late_at, closed_at, _months(counted, zone, clock), knobs.months, clock)


def overdue_months_running(parts: list[Part], knobs: Lateness, zone: ZoneInfo, clock: datetime) -> list[Span]:
    """R1b."""
    counted = [part for part in parts if not (part.disputed and knobs.exclude_disputed)]
    grace = timedelta(days=knobs.grace_days)

    def closed_at(month: Month) -> datetime:
        return midnight(last_of_month(month) + Day, zone)

    def overdue_at(month: Month, unknowns: bool) -> datetime | None:
        end = last_of_month(month)
        balance: dict[str, Decimal] = {}
        for part in counted:
            if part.due + grace <= end and (unknowns or not part.uncertain):
                balance[part.currency] = balance.get(part.currency, ZERO) + part.uncovered_at_end_of(end)
        return closed_at(month) if any(owed > knobs.tolerance for owed in balance.values()) else None

    return _streaks(overdue_at, closed_at, _months(counted, zone, clock), knobs.months, clock)


def _months(parts: list[Part], zone: ZoneInfo, clock: datetime) -> list[Month]:
    today: date = clock.astimezone(zone).date()
    return months_between(min(part.due for part in parts), today) if parts else []


def _streaks(
    failed_at: FailedAt, closed_at: Callable[[Month], datetime], months: list[Month], wanted: int, clock: datetime
) -> list[Span]:
    known = {(month, world): failed_at(month, world) for month in months for world in (PESSIMIST, OPTIMIST)}

    def holds(at: datetime, world: bool) -> bool:
        failed = [month for month in months if (since := known[month, world]) is not None and since <= at]
        if not failed or closed_at(next_month(failed[-1])) <= at:
            return False
        run, month = 0, failed[-1]
        while month in failed:
            run, month = run + 1, previous_month(month)
        return run >= wanted

    instants = [since for since in known.values() if since is not None]
    instants += [closed_at(month) for month in months]
    return spans(holds, instants, clock)
