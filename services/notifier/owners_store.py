"""Owners told by events, in SQL: every event once, and what follows from all of a customer's as a claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select, tuple_, update

from services.notifier import directory_store
from services.notifier.directory_entries import EVENTS, Said
from services.notifier.directory_tables import owner_events
from services.notifier.owners import OwnerEvent, owner_by_events

CHUNK = 400

_COLUMNS = [owner_events.c[name] for name in OwnerEvent.__dataclass_fields__]


def learn(tx: Connection, events: Sequence[OwnerEvent], now: datetime) -> int:
    """File the events and find out who owns their customers now; how many were new. One that is known is ignored."""
    first = {event.key: event for event in reversed(events)}
    known: set[tuple[str, str]] = set()
    keys = list(first)
    for start in range(0, len(keys), CHUNK):
        named = tuple_(owner_events.c.source, owner_events.c.id)
        query = select(owner_events.c.source, owner_events.c.id).where(named.in_(keys[start : start + CHUNK]))
        known.update((source, id) for source, id in tx.execute(query))
    new = [event for key, event in first.items() if key not in known]
    if new:
        rows = [{name: getattr(one, name) for name in OwnerEvent.__dataclass_fields__} for one in new]
        tx.execute(insert(owner_events), [{**row, "waits": row["at"] > now} for row in rows])
        conclude(tx, {event.customer_id for event in new}, now)
    return len(new)


def due(tx: Connection, now: datetime, limit: int = CHUNK) -> set[str]:
    """Customers of whom an event was heard before it was true, and is true now."""
    query = select(owner_events.c.customer_id).where(owner_events.c.waits, owner_events.c.at <= now)
    return set(tx.execute(query.limit(limit)).scalars())


def conclude(tx: Connection, customers: Iterable[str], now: datetime) -> None:
    """Claim for each customer what its events say; when none stands, what files and the API say counts."""
    wanted = sorted(customers)
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        theirs: dict[str, list[OwnerEvent]] = {customer: [] for customer in chunk}
        for row in tx.execute(select(*_COLUMNS).where(owner_events.c.customer_id.in_(chunk))):
            event = OwnerEvent(*row)
            theirs[event.customer_id].append(event)
        chosen = [(customer, owner_by_events(events, now)) for customer, events in theirs.items()]
        directory_store.claim_again(tx, EVENTS, [_claim(*one) for one in chosen], now, EVENTS)
        over = owner_events.c.customer_id.in_(chunk), owner_events.c.waits, owner_events.c.at <= now
        tx.execute(update(owner_events).where(*over).values(waits=False))


def _claim(customer: str, chosen: OwnerEvent | None) -> tuple[Said, datetime]:
    if chosen is None:
        return Said("owner", customer, None), directory_store.NEVER
    return Said("owner", customer, {"owner": chosen.owner}), chosen.at
