"""The oracle's answer: every rule asked of every customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.events import Event
from tests.oracle import stretches
from tests.oracle.knobs import Knobs
from tests.oracle.money import parts_of
from tests.oracle.standing import Standing, standing
from tests.oracle.streaks import late_months_running, overdue_months_running


class Found(NamedTuple):
    """An episode: instants in UTC; no end while it holds, end = start for a point."""

    rule: str
    customer_id: str
    subject: str
    start: datetime
    end: datetime | None


def episodes(events: list[Event], knobs: Knobs, zone: ZoneInfo, clock: datetime) -> set[Found]:
    """Every episode that these events amount to when time has come to `clock`."""
    customers = {event.subject for event in events if event.subject is not None}
    return {
        Found(rule, customer_id, subject, start, end)
        for customer_id in customers
        for rule, subject, start, end in _of_customer(standing(events, customer_id), knobs, zone, clock)
    }


def _of_customer(
    events: list[Standing], knobs: Knobs, zone: ZoneInfo, clock: datetime
) -> Iterator[tuple[str, str, datetime, datetime | None]]:
    now = clock.astimezone(UTC)
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
        "R7": stretches.not_followed_up(events, knobs, zone, now),
    }
    for rule, found in whole.items():
        for start, end in found:
            yield rule, "", start, end
