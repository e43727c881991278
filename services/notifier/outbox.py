"""The outbox of pages: written down before they are sent, and what became of each. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from services.notifier import recording
from services.notifier.case import Page, PageKind, Role
from services.notifier.people import Person
from services.notifier.tables import pages, settling
from services.notifier.views import PageState

MAX_ATTEMPTS = 6
"""Of one page. That a whole channel is away is not counted: a mail server that restarts is no reason to give up."""
LONGEST_OUTAGE = timedelta(hours=24)
"""A page that has waited so long for an absent channel is given up, and the fallback told."""
FIRST_BACKOFF_S = 15.0
LONGEST_BACKOFF_S = 15 * 60.0
INBOX = "inbox"


@dataclass(frozen=True)
class Queued:
    """A row of the outbox. `about` is the page that this one reports on, for kinds undelivered and uncertain."""

    id: int
    key: str
    case_id: str | None
    warning_id: str
    revision: int
    step: str
    kind: PageKind
    role: Role
    person: str
    channel: str
    due_at: datetime | None
    state: PageState
    attempts: int
    created_at: datetime
    error: str | None
    about: int | None
    message_key: str | None
    sent_at: datetime | None = None
    round_at: datetime | None = None


_CALLS: tuple[PageKind, ...] = ("raised", "amended", "breached", "nudge", "due_soon")
"""Pages that ask somebody to act on a warning that holds."""

_RECORDED = [pages.c[name] for name in recording.PAGE]
_COLUMNS = [pages.c[name] for name in Queued.__dataclass_fields__]


def channels_for(person: Person | None, configured: Sequence[str]) -> tuple[str, ...]:
    """The inbox always; e-mail only for who has an address."""
    reachable = [name for name in configured if name != "email" or (person is not None and person.email)]
    return tuple(dict.fromkeys((INBOX, *reachable)))


def backoff_s(attempts: int) -> float:
    """Seconds until the next attempt after so many: doubling, bounded."""
    return min(FIRST_BACKOFF_S * float(2 ** max(attempts - 1, 0)), LONGEST_BACKOFF_S)


def printable(text: str) -> str:
    """What a provider said, fit to be kept: PostgreSQL takes no NUL, and a terminal obeys control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def enqueue(
    tx: Connection,
    case_id: str | None,
    wanted: Iterable[tuple[Page, str]],
    now: datetime,
    about: int | None = None,
    round_at: datetime | None = None,
) -> None:
    """Write (page, channel) pairs down, to be sent from now on, or when the round is decided to its end. The same
    (case, step, person, channel) again changes nothing."""
    rows = [{**_row(case_id, page, channel, now, about), "round_at": round_at} for page, channel in wanted]
    known = set(tx.execute(select(pages.c.key).where(pages.c.key.in_([row["key"] for row in rows]))).scalars())
    new = [row for row in rows if row["key"] not in known]
    if new:
        tx.execute(insert(pages), new)
        recording.pages_became(tx, new, "pending", now)


def _row(case_id: str | None, page: Page, channel: str, now: datetime, about: int | None) -> dict[str, Any]:
    return {
        "key": f"{case_id or 'task'}/{page.step}/{page.person}/{channel}",
        "case_id": case_id,
        "warning_id": page.warning_id,
        "revision": page.revision,
        "step": page.step,
        "kind": page.kind,
        "role": page.role,
        "person": page.person,
        "channel": channel,
        "due_at": page.due,
        "state": "pending",
        "attempts": 0,
        "next_at": page.not_before or now,
        "created_at": now,
        "updated_at": now,
        "about": about,
    }


def pending(tx: Connection, channel: str, now: datetime, limit: int = 5000) -> list[Queued]:
    """What is to be sent through the channel now, oldest first: enough for a first import to make one digest each."""
    wanted = pages.c.channel == channel, pages.c.state == "pending", pages.c.next_at <= now
    # A round that is still being decided would be told in pieces.
    undecided = select(settling.c.round_at).where(settling.c.round_at.is_not(None))
    whole = or_(pages.c.round_at.is_(None), pages.c.round_at.not_in(undecided))
    rows = tx.execute(select(*_COLUMNS).where(*wanted, whole).order_by(pages.c.id).limit(limit))
    return [Queued(*row) for row in rows]


def in_flight(tx: Connection, channel: str) -> list[Queued]:
    """Pages that were being sent when the last process ended."""
    wanted = pages.c.channel == channel, pages.c.state == "sending"
    return [Queued(*row) for row in tx.execute(select(*_COLUMNS).where(*wanted).order_by(pages.c.id))]


def find(tx: Connection, page_id: int) -> Queued | None:
    """One page."""
    row = tx.execute(select(*_COLUMNS).where(pages.c.id == page_id)).first()
    return None if row is None else Queued(*row)


def of_case(tx: Connection, case_id: str) -> list[Queued]:
    """Every page about a case, oldest first."""
    return select_pages(tx, pages.c.case_id == case_id)


def select_pages(tx: Connection, *wanted: ColumnElement[bool]) -> list[Queued]:
    """Pages for which all of it is true, oldest first."""
    return [Queued(*row) for row in tx.execute(select(*_COLUMNS).where(*wanted).order_by(pages.c.id))]


def still_pending(tx: Connection, ids: Sequence[int]) -> set[int]:
    """Those of them that nobody has cancelled or taken since they were read."""
    found = select(pages.c.id).where(pages.c.id.in_(ids), pages.c.state == "pending")
    return set(tx.execute(found).scalars())


def cancel(tx: Connection, warning_id: str, now: datetime) -> None:
    """The warning is withdrawn: what has not gone out about it stays here, visibly unsent."""
    waiting = pages.c.warning_id == warning_id, pages.c.state == "pending", pages.c.kind.in_(_CALLS)
    cancelled = update(pages).where(*waiting).values(state="cancelled", updated_at=now)
    recording.pages_became(tx, tx.execute(cancelled.returning(*_RECORDED)).mappings(), "cancelled", now)


def reached(tx: Connection, warning_id: str, person: str) -> set[str]:
    """The channels by which the person was told, or may have been, that the warning holds, and not that it is off."""
    about = pages.c.warning_id == warning_id, pages.c.person == person, pages.c.kind.in_((*_CALLS, "withdrawn"))
    told = select(pages.c.channel, pages.c.kind).where(*about, pages.c.state.in_(("sending", "accepted", "uncertain")))
    found: set[str] = set()
    for channel, kind in tx.execute(told.order_by(pages.c.id)):
        if kind == "withdrawn":
            found.discard(channel)
        else:
            found.add(channel)
    return found


def mark_sending(tx: Connection, ids: Sequence[int], message_key: str, now: datetime) -> None:
    """Write first: from here on a crash leaves them in `sending`, and nobody takes them for unsent."""
    values = {"state": "sending", "message_key": message_key, "attempts": pages.c.attempts + 1, "updated_at": now}
    tx.execute(update(pages).where(pages.c.id.in_(ids)).values(values))


def mark_accepted(tx: Connection, ids: Sequence[int], provider_id: str, now: datetime) -> None:
    """The provider has taken them over."""
    known_as = printable(provider_id)[:500]
    accepted = {"state": "accepted", "provider_id": known_as, "sent_at": now}
    changed = update(pages).where(pages.c.id.in_(ids)).values({**accepted, "error": None, "updated_at": now})
    became = tx.execute(changed.returning(*_RECORDED)).mappings()
    recording.pages_became(tx, became, "accepted", now, known_as)


def mark_pending(tx: Connection, ids: Sequence[int], after_s: float, error: str | None, now: datetime) -> None:
    """To be sent again, `after_s` seconds from now."""
    values = {
        "state": "pending",
        "next_at": now + timedelta(seconds=after_s),
        "error": error and printable(error),
        "updated_at": now,
    }
    tx.execute(update(pages).where(pages.c.id.in_(ids)).values(values))


def mark_untried(tx: Connection, ids: Sequence[int], after_s: float, error: str, now: datetime) -> None:
    """To be sent again, `after_s` seconds from now, and the last attempt was none."""
    mark_pending(tx, ids, after_s, error, now)
    tx.execute(update(pages).where(pages.c.id.in_(ids)).values(attempts=pages.c.attempts - 1))


def mark_lost(tx: Connection, ids: Sequence[int], state: PageState, error: str, now: datetime) -> None:
    """`failed` for good, or `uncertain`: it may have been sent and may not."""
    said = printable(error)
    changed = update(pages).where(pages.c.id.in_(ids)).values(state=state, error=said, updated_at=now)
    recording.pages_became(tx, tx.execute(changed.returning(*_RECORDED)).mappings(), state, now, said)


def count_by_state(tx: Connection) -> dict[tuple[str, str], int]:
    """How many pages there are, by channel and state."""
    query = select(pages.c.channel, pages.c.state, func.count()).group_by(pages.c.channel, pages.c.state)
    return {(channel, state): number for channel, state, number in tx.execute(query)}


def oldest_pending(tx: Connection) -> datetime | None:
    """When the page was written that has waited longest."""
    query = select(func.min(pages.c.created_at)).where(pages.c.state.in_(("pending", "sending")))
    return tx.execute(query).scalar()
