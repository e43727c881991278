"""The outbox of pages: written down before they are sent, and what became of each. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from services.common.columns import UtcInstant
from services.notifier import recording
from services.notifier.calling import Stale
from services.notifier.case import Page, PageKind
from services.notifier.delivering import INBOX, Queued
from services.notifier.people import Person
from services.notifier.tables import pages, recipients
from services.notifier.views import PageState

_CALLS: tuple[PageKind, ...] = ("raised", "amended", "breached", "nudge", "due_soon", "join", "join_due")
"""Pages that ask somebody to act on a warning that holds."""

_OFF: tuple[PageKind, ...] = (*_CALLS, "uncertain")
"""Pages that nobody needs any more once the warning is withdrawn."""

_NEWS: tuple[PageKind, ...] = (*_CALLS, "idle", "reminder", "assigned")
"""Pages from which somebody may know of a warning at all."""

TOLD: tuple[PageState, ...] = ("sending", "accepted", "delivered", "opened", "uncertain")
"""Of a page that has reached its reader, or may have."""

LOST: tuple[PageState, ...] = ("failed", "uncertain")

_RECORDED = [pages.c[name] for name in recording.PAGE]
_KNOWN_KEYS = select(pages.c.key).where(pages.c.key.in_(bindparam("found", expanding=True)))
_EXPECTED = select(recipients.c.channel, recipients.c.person).where(
    recipients.c.person.in_(bindparam("people", expanding=True))
)
_COLUMNS = [pages.c[name] for name in Queued.__dataclass_fields__]

# Made once: to put a statement together costs more than SQLite takes to carry it out.
_AT = bindparam("at", type_=UtcInstant)
_THOSE = update(pages).where(pages.c.id.in_(bindparam("page_ids", expanding=True)))
_TAKEN = _THOSE.values(
    state="sending", claimed_by=bindparam("replica"), attempts=pages.c.attempts + 1, taken_at=_AT, updated_at=_AT
)
_TAKEN_ALONE = _TAKEN.values(message_key=pages.c.key)
_TAKEN_TOGETHER = _TAKEN.values(message_key=bindparam("message"))
_ACCEPTANCE = {"state": "accepted", "provider_id": bindparam("known"), "sent_at": _AT, "updated_at": _AT, "error": None}
_ACCEPTED = _THOSE.values(_ACCEPTANCE)
_ONE_ACCEPTED = update(pages).where(pages.c.id == bindparam("page")).values(_ACCEPTANCE)
_FOUND = select(*_COLUMNS).where(pages.c.id.in_(bindparam("ids", expanding=True)))


class Way(NamedTuple):
    """A channel by which a page goes, and those that are tried in turn once it has failed for good."""

    channel: str
    later: tuple[str, ...] = ()


def by_address(channel: str, person: Person | None) -> bool:
    """E-mail only reaches who has an address."""
    return channel != "email" or (person is not None and bool(person.email))


Reaches = Callable[[str, Person | None], bool]
"""Whether a channel of that name has a way to somebody."""


def ways(
    person: Person | None, configured: Sequence[str], wanted: Sequence[str] = (), reaches: Reaches = by_address
) -> tuple[Way, ...]:
    """The inbox always. Where channels are `wanted`, the first by which the person can be reached, and the others if it
    fails; else, or where none of them reaches, every one of those configured, at once."""
    named = [name for name in wanted if name in configured and name != INBOX and reaches(name, person)]
    usable = named or [name for name in configured if name != INBOX and reaches(name, person)]
    if named:
        return Way(INBOX), Way(usable[0], tuple(dict.fromkeys(usable[1:])))
    return (Way(INBOX), *(Way(name) for name in dict.fromkeys(usable)))


def channels_for(person: Person | None, configured: Sequence[str], reaches: Reaches = by_address) -> tuple[str, ...]:
    """The channels by which somebody is paged when nothing says by which: the inbox, and all that reach the person."""
    return tuple(way.channel for way in ways(person, configured, (), reaches))


def printable(text: str) -> str:
    """What a provider said, fit to be kept: PostgreSQL takes no NUL, and a terminal obeys control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def enqueue(
    tx: Connection,
    case_id: str | None,
    wanted: Iterable[tuple[Page, Way]],
    now: datetime,
    about: int | None = None,
    after_s: float = 0.0,
) -> None:
    """Write pages down with their ways, to be sent from now on (or from Page.not_before, or in `after_s` seconds). The
    same (case, step, person, channel) again changes nothing."""
    put_down(tx, rows_of(case_id, wanted, now, about, after_s=after_s), now)


def rows_of(
    case_id: str | None,
    wanted: Iterable[tuple[Page, Way]],
    now: datetime,
    about: int | None = None,
    round_at: datetime | None = None,
    after_s: float = 0.0,
) -> list[dict[str, Any]]:
    """Pages with their ways as `put_down` takes them; those of a round go when it is decided to its end."""
    at = now + timedelta(seconds=after_s)
    return [{**_row(case_id, page, way, at, now), "about": about, "round_at": round_at} for page, way in wanted]


def put_down(tx: Connection, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Those of the rows whose key is new, the first of each."""
    by_key: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        by_key.setdefault(row["key"], row)
    if not by_key:
        return
    known = set(tx.execute(_KNOWN_KEYS, {"found": list(by_key)}).scalars())
    new = [row for key, row in by_key.items() if key not in known]
    if new:
        _expect(tx, new)
        tx.execute(insert(pages), new)
        recording.pages_became(tx, new, "pending", now)


def _row(case_id: str | None, page: Page, way: Way, at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "key": f"{case_id or 'task'}/{page.step}/{page.person}/{way.channel}",
        "case_id": case_id,
        "warning_id": page.warning_id,
        "revision": page.revision,
        "step": page.step,
        "kind": page.kind,
        "role": page.role,
        "person": page.person,
        "channel": way.channel,
        "due_at": page.due,
        "state": "pending",
        "attempts": 0,
        "next_at": max(at, page.not_before or at),
        "created_at": now,
        "updated_at": now,
        "critical": page.critical,
        "later": ",".join(way.later),
    }


def _expect(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each channel knows its recipients; who has a critical page now is looked at again at once."""
    found = {(row["channel"], row["person"]) for row in rows}
    people = {person for _, person in found}
    new = sorted(found - {(channel, person) for channel, person in tx.execute(_EXPECTED, {"people": sorted(people)})})
    if new:
        tx.execute(insert(recipients), [{"channel": channel, "person": person} for channel, person in new])
    urgent = {row["person"] for row in rows if row["critical"]}
    if urgent:
        tx.execute(update(recipients).where(recipients.c.person.in_(urgent)).values(held_until=None))


def find(tx: Connection, page_id: int) -> Queued | None:
    """One page."""
    row = tx.execute(select(*_COLUMNS).where(pages.c.id == page_id)).first()
    return None if row is None else Queued(*row)


def find_all(tx: Connection, page_ids: Collection[int]) -> dict[int, Queued]:
    """Those pages, by id."""
    if not page_ids:
        return {}
    return {row.id: Queued(*row) for row in tx.execute(_FOUND, {"ids": list(page_ids)})}


def of_case(tx: Connection, case_id: str) -> list[Queued]:
    """Every page about a case, oldest first."""
    return select_pages(tx, pages.c.case_id == case_id)


def select_pages(tx: Connection, *wanted: ColumnElement[bool]) -> list[Queued]:
    """Pages for which all of it is true, oldest first."""
    return [Queued(*row) for row in tx.execute(select(*_COLUMNS).where(*wanted).order_by(pages.c.id))]


def cancel(tx: Connection, warning_id: str, now: datetime) -> None:
    """The warning is withdrawn: what has not gone out about it stays here, visibly unsent."""
    waiting = pages.c.warning_id == warning_id, pages.c.state == "pending", pages.c.kind.in_(_OFF)
    _became(tx, waiting, "cancelled", now)


def call_off(tx: Connection, case_id: str, stale: Stale, now: datetime) -> None:
    """Somebody has done what these pages of a case would ask for: those that wait stay here, visibly unsent."""
    waiting = [pages.c.case_id == case_id, pages.c.state == "pending", pages.c.kind.in_(stale.kinds)]
    if stale.warnings is not None:
        waiting.append(pages.c.warning_id.in_(stale.warnings))
    if stale.people is not None:
        waiting.append(pages.c.person.in_(stale.people))
    _became(tx, waiting, "cancelled", now)


def reached(tx: Connection, warning_id: str, person: str) -> set[str]:
    """The channels by which the person was told, or may have been, that the warning holds, and not that it is off."""
    about = pages.c.warning_id == warning_id, pages.c.person == person, pages.c.kind.in_((*_NEWS, "withdrawn"))
    told = select(pages.c.channel, pages.c.kind).where(*about, pages.c.state.in_(TOLD))
    found: set[str] = set()
    for channel, kind in tx.execute(told.order_by(pages.c.id)):
        if kind == "withdrawn":
            found.discard(channel)
        else:
            found.add(channel)
    return found


def mark_sending(tx: Connection, messages: Iterable[tuple[str, Sequence[Queued]]], replica: str, now: datetime) -> None:
    """Messages by their keys, each with its pages. Write first: from here on a crash leaves them in `sending`, and
    nobody takes them for unsent."""
    common, alone = {"replica": replica, "at": now}, list[int]()
    for key, about in messages:
        if [page.key for page in about] == [key]:
            alone.append(about[0].id)
        else:
            tx.execute(_TAKEN_TOGETHER, {**common, "message": key, "page_ids": [page.id for page in about]})
    if alone:
        tx.execute(_TAKEN_ALONE, {**common, "page_ids": alone})


def mark_accepted(tx: Connection, sent: Iterable[tuple[Queued, str]], now: datetime) -> None:
    """The provider has taken them over, each under an id. All at once: a busy outbox does this most of the time."""
    by_id: dict[str, list[Queued]] = {}
    for page, provider_id in sent:
        by_id.setdefault(printable(provider_id)[:500], []).append(page)
    # Many a provider gives no ids: one statement for all then, where each has its own one for each.
    own = [{"page": known[0].id, "known": known_as, "at": now} for known_as, known in by_id.items() if len(known) == 1]
    if own:
        tx.execute(_ONE_ACCEPTED, own)
    for known_as, known in by_id.items():
        if len(known) > 1:
            tx.execute(_ACCEPTED, {"page_ids": [page.id for page in known], "known": known_as, "at": now})
        told = [{name: getattr(page, name) for name in recording.PAGE} for page in known]
        recording.pages_became(tx, told, "accepted", now, known_as)


def mark_pending(tx: Connection, ids: Sequence[int], after_s: float, error: str | None, now: datetime) -> None:
    """To be sent again, `after_s` seconds from now."""
    _move(tx, ids, "pending", now, **_waiting(after_s, error, now))


def mark_untried(tx: Connection, ids: Sequence[int], after_s: float, error: str | None, now: datetime) -> None:
    """To be sent again, `after_s` seconds from now, and the last attempt was none."""
    _move(tx, ids, "pending", now, attempts=pages.c.attempts - 1, **_waiting(after_s, error, now))


def _waiting(after_s: float, error: str | None, now: datetime) -> dict[str, Any]:
    said = error and printable(error)
    return {"next_at": now + timedelta(seconds=after_s), "error": said, "claimed_by": None, "taken_at": None}


def mark_lost(tx: Connection, ids: Sequence[int], state: PageState, error: str, now: datetime) -> None:
    """`failed` for good, or `uncertain`: it may have been sent and may not. It is for people to look at (again)."""
    _move(tx, ids, state, now, error=printable(error), handled_by=None, handled_at=None, handled_note=None)


def mark_handled(tx: Connection, ids: Sequence[int], by: str, note: str, now: datetime) -> None:
    """Nobody needs to look at them any more, and why."""
    handled = {"handled_by": by, "handled_at": now, "handled_note": printable(note)}
    tx.execute(update(pages).where(pages.c.id.in_(ids), pages.c.handled_at.is_(None)).values(**handled))


def mark_dropped(tx: Connection, page_id: int, by: str, reason: str, now: datetime) -> None:
    """Nobody will send it; `by` and `reason` stay with it."""
    handled = {"handled_by": by, "handled_at": now, "handled_note": printable(reason)}
    _became(tx, [pages.c.id == page_id], "dropped", now, **handled)


def send_again(tx: Connection, page_id: int, by: str, note: str, now: datetime) -> None:
    """Somebody wants it sent, whatever became of it before: a page like one that was never tried. What is asked now
    waits for no window."""
    fresh = {"attempts": 0, "next_at": now, "claimed_by": None, "taken_at": None, "handled_by": by, "handled_at": now}
    at = update(pages).where(pages.c.id == page_id)
    again = at.values(state="pending", updated_at=now, handled_note=printable(note), **fresh)
    row = tx.execute(again.returning(*_RECORDED)).mappings().one()
    recording.pages_became(tx, [dict(row)], "pending", now, f"{by}: {printable(note)}")
    whose = recipients.c.channel == row["channel"], recipients.c.person == row["person"]
    tx.execute(update(recipients).where(*whose).values(held_until=None))


def mark_further(tx: Connection, channel: str, message_key: str, state: PageState, now: datetime) -> None:
    """`delivered` or `opened`, as the channel tells of a message that it had accepted. Never back again."""
    before = ("accepted",) if state == "delivered" else ("accepted", "delivered")
    told = pages.c.channel == channel, pages.c.message_key == message_key, pages.c.state.in_(before)
    ids = list(tx.execute(select(pages.c.id).where(*told)).scalars())
    if ids:
        _move(tx, ids, state, now)


def _move(tx: Connection, ids: Sequence[int], state: PageState, now: datetime, **values: Any) -> None:
    _became(tx, [pages.c.id.in_(ids)], state, now, **values)


def _became(
    tx: Connection, which: Iterable[ColumnElement[bool]], state: PageState, now: datetime, **values: Any
) -> None:
    """Where a page changes its state, but for mark_sending, mark_accepted and send_again. The ledger is told of what
    matters to people: not that a page is taken in hand or waits once more."""
    changed = update(pages).where(*which).values(state=state, updated_at=now, **values)
    if state in ("pending", "sending"):
        tx.execute(changed)
        return
    said = values.get("provider_id") or values.get("error") or values.get("handled_note")
    rows = tx.execute(changed.returning(*_RECORDED)).mappings()
    recording.pages_became(tx, map(dict, rows), state, now, said)


def count_by_state(tx: Connection) -> dict[tuple[str, str], int]:
    """How many pages there are, by channel and state."""
    query = select(pages.c.channel, pages.c.state, func.count()).group_by(pages.c.channel, pages.c.state)
    return {(channel, state): number for channel, state, number in tx.execute(query)}


def oldest_pending(tx: Connection) -> datetime | None:
    """When the page was written that has waited longest."""
    query = select(func.min(pages.c.created_at)).where(pages.c.state.in_(("pending", "sending")))
    return tx.execute(query).scalar()
