"""Greetings in SQL: who agreed, who mourns, which occasions there are and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select, tuple_, update

from schemas import warnings as wire
from services.notifier.channels_tables import greeting_consents, greetings, mourning_days
from services.notifier.greetings.deciding import Occasion
from services.notifier.outbox import printable
from services.notifier.tables import tasks, warnings

RULE = "R29"
LOOK_BACK = timedelta(days=7)
"""Beyond the lead: so long a greeting may have waited for the notifier to run; then its day has passed anyway."""
FINAL = ("sending", "accepted", "failed", "uncertain")


@dataclass(frozen=True)
class Mourning:
    """A bereavement that an event told of; `day` None when the event takes another back."""

    source: str
    event_id: str
    customer_id: str
    day: date | None
    supersedes: str | None = None


def record_consent(
    tx: Connection, person: str, at: datetime, recorded_by: str, *, given: bool, note: str | None = None
) -> None:
    """Adds a yes or a no; nothing that was said before is changed."""
    row = {"person": person, "given": given, "at": at, "recorded_by": recorded_by, "note": note}
    tx.execute(insert(greeting_consents).values(row))


def has_agreed(tx: Connection, person: str) -> bool:
    """Whether the newest word of the person is yes."""
    said = select(greeting_consents.c.given).where(greeting_consents.c.person == person)
    return bool(tx.execute(said.order_by(greeting_consents.c.id.desc()).limit(1)).scalar())


def learn_mourning(tx: Connection, told: Iterable[Mourning], at: datetime) -> int:
    """Files each event once; how many were new."""
    first = {(one.source, one.event_id): one for one in told}
    named = tuple_(mourning_days.c.source, mourning_days.c.event_id)
    query = select(mourning_days.c.source, mourning_days.c.event_id).where(named.in_(list(first)))
    known = {(source, event) for source, event in tx.execute(query)} if first else set()
    new = [{**vars(one), "told_at": at} for key, one in first.items() if key not in known]
    if new:
        tx.execute(insert(mourning_days), new)
    return len(new)


def mourned(tx: Connection, customer_id: str) -> list[date]:
    """The customer's days of mourning that no later event has taken back or put right."""
    rows = tx.execute(select(mourning_days).where(mourning_days.c.customer_id == customer_id)).mappings().all()
    over = {(row["source"], row["supersedes"]) for row in rows if row["supersedes"]}
    return [row["day"] for row in rows if row["day"] is not None and (row["source"], row["event_id"]) not in over]


def occasions(tx: Connection, now: datetime, lead_days: int, zone: ZoneInfo) -> list[Occasion]:
    """What R29 called for lately, without what has been sent or tried already."""
    since = now - timedelta(days=lead_days) - LOOK_BACK
    joined = select(warnings.c.body, tasks.c.status, tasks.c.done_by, greetings.c.state).join_from(
        warnings, tasks, tasks.c.id == warnings.c.id
    )
    joined = joined.outerjoin(greetings, greetings.c.warning_id == warnings.c.id)
    of_rule = warnings.c.current, warnings.c.received_at >= since, warnings.c.body.like(f'%"rule":"{RULE}"%')
    found = []
    for row in tx.execute(joined.where(*of_rule).order_by(warnings.c.id)).mappings():
        warning = wire.decode_warning(row["body"].encode())
        if warning.rule == RULE and row["state"] not in FINAL:
            found.append(_occasion(warning, row, lead_days, zone))
    return found


def _occasion(warning: wire.Warning, row: Any, lead_days: int, zone: ZoneInfo) -> Occasion:
    day = warning.start.astimezone(zone).date() + timedelta(days=lead_days)
    off = warning.change == "withdrawn" or warning.historical
    done = row["done_by"] is not None or row["status"] == "done"
    return Occasion(warning.id, warning.customer_id, warning.subject, day, done, off)


def claim(tx: Connection, occasion: Occasion, signer: str | None, now: datetime) -> bool:
    """Write first: a crash from here on leaves the greeting in doubt, and nobody is greeted twice. False when another
    notifier was quicker."""
    state = tx.execute(select(greetings.c.state).where(greetings.c.warning_id == occasion.warning_id)).scalar()
    if state in FINAL:
        return False
    note(tx, occasion, "sending", "send", now, signer=signer)
    return True


def note(
    tx: Connection,
    occasion: Occasion,
    state: str,
    verdict: str,
    now: datetime,
    *,
    signer: str | None = None,
    provider_id: str | None = None,
    error: str | None = None,
) -> None:
    """What has become of a greeting."""
    said = {"state": state, "verdict": verdict, "updated_at": now, "signer": signer}
    said |= {"provider_id": provider_id and printable(provider_id)[:500], "error": error and printable(error)}
    at = greetings.c.warning_id == occasion.warning_id
    if tx.execute(select(greetings.c.state).where(at)).scalar() is None:
        known = {"warning_id": occasion.warning_id, "customer_id": occasion.customer_id, "day": occasion.day}
        tx.execute(insert(greetings).values({**known, **said}))
    else:
        tx.execute(update(greetings).where(at).values(said))


def give_up_interrupted(tx: Connection, now: datetime, after: timedelta) -> int:
    """Whatever was being sent when a process ended may have arrived: it is not sent again."""
    left = greetings.c.state == "sending", greetings.c.updated_at <= now - after
    said = {"state": "uncertain", "error": "发送过程被中断。 / Sending was interrupted.", "updated_at": now}
    return int(tx.execute(update(greetings).where(*left).values(said)).rowcount)
