"""PURE: which waiting pages of one channel go out now, in which messages, and when to look again.

In calm weather a page is a message of its own. In a storm a person gets one digest a window, what is critical first and
never held back by the window. What waits, waits in the outbox: nothing is dropped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from schemas.warnings import Severity
from services.notifier.case import PageKind

REPORTS: tuple[PageKind, ...] = ("undelivered", "uncertain")
"""Pages that tell of another one, and not of the warning: each is told, also two about one warning."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Manners:
    """How much a person is told through one channel. All of it counts messages, not pages.

    digest_from      from so many waiting messages on they become one digest
    most             messages that are not critical in any `window`; the last of them carries all that is over
    window           between two digests to one person
    gather           how long the oldest page of a digest has waited for company before it goes
    urgent_burst     messages of critical pages in a minute that go the moment they are there
    urgent_pace      between those beyond the burst: a provider drops what comes faster (WeCom: 30 a minute and member)
    """

    digest_from: int = 4
    most: int = 4
    window: timedelta = timedelta(minutes=10)
    gather: timedelta = timedelta(seconds=15)
    urgent_burst: int = 5
    urgent_pace: timedelta = timedelta(seconds=3)

    def __post_init__(self) -> None:
        if self.digest_from < 2 or self.most < 1 or self.urgent_burst < 1:
            raise ValueError("a digest has two pages at least, and somebody is told something at least once a window")
        if min(self.window, self.gather, self.urgent_pace) < timedelta(0):
            raise ValueError("nobody waits for less than no time")


@dataclass(frozen=True)
class Row:
    """A page that waits in the outbox, for a channel whose turn it is. `critical` is what is_critical says."""

    id: int
    person: str
    warning_id: str
    kind: PageKind
    critical: bool
    created_at: datetime
    round_at: datetime | None = None


@dataclass(frozen=True)
class Sent:
    """A message to a person through this channel that went out, may have, or is on its way: when it was taken in hand,
    whether all of its pages were critical, and whether it was a digest (its key begins with `digest/`)."""

    person: str
    at: datetime
    critical: bool
    digest: bool


@dataclass(frozen=True)
class Bundle:
    """One message to be sent now: the pages `ids`, oldest first. `urgent`: every page in it is critical; `digest`: it
    tells of several things, and not of one that got worse."""

    person: str
    ids: tuple[int, ...]
    urgent: bool
    digest: bool


@dataclass(frozen=True)
class Grouped:
    """`now` in the order in which it is to go out; what is in no bundle waits, and `again_at` is when the first of it
    may go (None: nothing waits). A new page asks again at once."""

    now: tuple[Bundle, ...]
    again_at: datetime | None


def is_critical(kind: PageKind, severity: Severity, *, page_says: bool = False) -> bool:
    """Whether a page waits for no window. That something grave is off can wait; that its page was lost cannot."""
    return page_says or (severity == "critical" and kind != "withdrawn")


def group(rows: Iterable[Row], sent: Iterable[Sent], now: datetime, manners: Manners) -> Grouped:
    """Decide for one channel. `rows` has every critical page whose turn it is, `sent` the messages of the last
    `manners.window` and minute to everybody in `rows`.

    Who calls must see to it that nobody else decides about the same person and channel meanwhile.
    """
    before: dict[str, list[Sent]] = {}
    for one in sent:
        before.setdefault(one.person, []).append(one)
    found: list[Bundle] = []
    later: list[datetime] = []
    for person, mine in groupby(sorted(rows, key=lambda row: (row.person, row.id)), key=lambda row: row.person):
        decided = _of_person(person, list(mine), before.get(person, []), now, manners)
        found += decided.now
        later += [decided.again_at] if decided.again_at is not None else []
    found.sort(key=lambda bundle: (not bundle.urgent, bundle.ids[0]))
    return Grouped(tuple(found), min(later, default=None))


def _of_person(person: str, rows: list[Row], sent: Sequence[Sent], now: datetime, manners: Manners) -> Grouped:
    calm = [one for one in sent if not one.critical]
    others_at = _others_at(calm, now, manners)
    # A round is told in one message, critical or not: it has waited for calm already. Only a window would part it.
    urgent = [row for row in rows if row.critical and (row.round_at is None or others_at > now)]
    taken = {row.id for row in urgent}
    others = [row for row in rows if row.id not in taken]
    bundles, again = _urgent(person, urgent, [one for one in sent if one.critical], now, manners)
    more, later = _others(person, others, len(_after(calm, now - manners.window)), others_at, now, manners)
    waits = [at for at in (again, later) if at is not None]
    return Grouped((*bundles, *more), min(waits, default=None))


def _after(sent: Iterable[Sent], start: datetime) -> list[datetime]:
    """When those after `start` were taken in hand: what is a whole window old binds nobody any more."""
    return sorted(one.at for one in sent if one.at > start)


def _others_at(calm: Sequence[Sent], now: datetime, manners: Manners) -> datetime:
    """From when on the window allows a message that is not critical; `now` or before: it does."""
    recent = _after(calm, now - manners.window)
    free = [one.at + manners.window for one in calm if one.digest]
    if len(recent) >= manners.most:
        free.append(recent[-manners.most] + manners.window)
    return max(free, default=now)


def _urgent(
    person: str, rows: Sequence[Row], sent: Sequence[Sent], now: datetime, manners: Manners
) -> tuple[list[Bundle], datetime | None]:
    if not rows:
        return [], None
    recent = _after(sent, now - _MINUTE)
    free = max(manners.urgent_burst - len(recent), 0)
    if not free and recent[-1] + manners.urgent_pace > now:
        return [], recent[-1] + manners.urgent_pace
    parts = _messages(rows)
    if len(parts) >= min(manners.digest_from, max(free, 1) + 1):
        parts = [list(rows)]
    return [_bundle(person, part) for part in parts], None


def _others(
    person: str, rows: Sequence[Row], recent: int, free_at: datetime, now: datetime, manners: Manners
) -> tuple[list[Bundle], datetime | None]:
    if not rows:
        return [], None
    if free_at > now:
        return [], free_at
    bundles = [_bundle(person, part) for part in _messages(rows)]
    few = len(bundles) < manners.digest_from and sum(bundle.digest for bundle in bundles) < 2
    # The last message of a window must be able to carry whatever is over.
    if few and recent + len(bundles) < manners.most:
        return bundles, None
    gathered = min(row.created_at for row in rows) + manners.gather
    if gathered > now and all(row.round_at is None for row in rows):
        return [], gathered
    return [_bundle(person, rows)], None


def _messages(rows: Iterable[Row]) -> list[list[Row]]:
    """Pages that are one message anyway: of one round of settled warnings, or about one warning (it got worse before
    anybody heard of it)."""
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(row.round_at or _thing(row), []).append(row)
    return list(found.values())


def _thing(row: Row) -> object:
    """What it tells of: of several pages about one warning only the newest says anything new."""
    return row.id if row.kind in REPORTS else row.warning_id


def _bundle(person: str, rows: Sequence[Row]) -> Bundle:
    things = {_thing(row) for row in rows}
    urgent = all(row.critical for row in rows)
    return Bundle(person, tuple(sorted(row.id for row in rows)), urgent, len(things) > 1)
