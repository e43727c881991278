"""The oracle's answer: every rule asked of every customer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.events import CustomerEvent, Event, Retraction
from tests.oracle import stretches
from tests.oracle.book_care import care_rules
from tests.oracle.book_classes import CLASSES, SCORES
from tests.oracle.book_sales import sales_rules
from tests.oracle.knobs import Knobs
from tests.oracle.known import View
from tests.oracle.money import parts_of
from tests.oracle.reference import reference_of
from tests.oracle.rules import PointRule, StretchRule
from tests.oracle.standing import Standing, standing
from tests.oracle.streaks import late_months_running, overdue_months_running


class Found(NamedTuple):
    """An episode: instants in UTC; no end while it holds, end = start for a point."""

    rule: str
    customer_id: str
    subject: str
    start: datetime
    end: datetime | None


def episodes(
    events: list[Event],
    knobs: Knobs,
    zone: ZoneInfo,
    clock: datetime,
    reference: Iterable[Event] = (),
    rules: Collection[str] | None = None,
) -> set[Found]:
    """Every episode that these events amount to when time has come to `clock`; of these rules only, when given."""
    found = set()
    for view in views(events, zone, clock, reference):
        whole = {*_of_money_and_people(view, knobs), *_of_the_book(view, knobs, rules)}
        found |= {
            Found(rule, view.customer_id, subject, start, end)
            for rule, subject, start, end in whole
            if rules is None or rule in rules
        }
    return found


def views(events: list[Event], zone: ZoneInfo, clock: datetime, reference: Iterable[Event] = ()) -> Iterator[View]:
    """Each customer of whom the events tell."""
    about = reference_of(reference)
    customers = {event.subject for event in events if isinstance(event, CustomerEvent | Retraction)}
    for customer_id in sorted(customers):
        yield View(customer_id, standing(events, customer_id), zone, clock.astimezone(UTC), about)


def standings(view: View, at: datetime, rules: Collection[str] | None = None) -> dict[str, str | None]:
    """The class or score of each such rule at the instant; None where it is inconclusive."""
    told = [rule for rule in (*CLASSES, *SCORES) if rules is None or rule.id in rules]
    return {rule.id: rule.shown(view, at.astimezone(UTC)) for rule in told}


Episode = tuple[str, str, datetime, datetime | None]


def _of_the_book(view: View, knobs: Knobs, rules: Collection[str] | None) -> Iterator[Episode]:
    for rule in (*care_rules(knobs), *sales_rules()):
        if isinstance(rule, StretchRule | PointRule) and (rules is None or rule.id in rules):
            for subject, (start, end) in rule.episodes(view):
                yield rule.id, subject, start, end


def _of_money_and_people(view: View, knobs: Knobs) -> Iterator[Episode]:
    """The first rules, each written out by itself."""
    events: list[Standing] = view.events
    now, zone = view.clock, view.zone
    parts = parts_of(events)
    for contact, at in stretches.key_contact_changes(events):
        if at <= now:
            yield "R2", contact, at, at
    for contract, found in stretches.unconfirmed(events, knobs.r5_limit, None, now).items():
        for start, end in found:
            yield "R5", contract, start, end
    for contract, found in stretches.unconfirmed(events, knobs.r5a_from, knobs.r5a_limit, now).items():
        for start, end in found:
            yield "R5a", contract, start, end
    whole = {
        "R1": late_months_running(parts, knobs.r1, zone, now),
        "R1b": overdue_months_running(parts, knobs.r1b, zone, now),
        "R3": stretches.meets_competitors(events, knobs, zone, now),
    }
    for rule, found in whole.items():
        for start, end in found:
            yield rule, "", start, end
