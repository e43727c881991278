"""Holds in SQL, and the pages that they keep back. Every function works inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from schemas import warnings as wire
from services.notifier import recording, store, team
from services.notifier.calling import pages_about, remembered
from services.notifier.case import Case, Entry, Outcome, Page, PageKind, Verdict
from services.notifier.docket import Docket
from services.notifier.holds import Hold, Holds, may_be_held
from services.notifier.house import House
from services.notifier.people import Directory
from services.notifier.policy import CUSTOMER_MERGED
from services.notifier.routing import matter_of
from services.notifier.tables import held_pages, holds, warnings

BATCH = 50
"""Holds whose end is dealt with in one transaction."""

OURSELVES = "bellwether"
"""Who ends a hold that has gone to another customer."""

_MERGES = uuid.UUID("3d6c0f5e-52c4-4f57-9f0e-0a1c6a7d5b21")

LISTED = 500
"""At most, in any list."""


@dataclass(frozen=True)
class Listed:
    """A hold with how many pages it has kept back, about how many warnings, and what the directory calls people."""

    hold: Hold
    pages: int
    warnings: int
    customer: str
    author: str
    ended_by: str | None


def of_customer(tx: Connection, customer_id: str, now: datetime) -> Holds:
    """Those that are not over."""
    still = holds.c.customer_id == customer_id, holds.c.ended_at.is_(None), holds.c.expires_at > now
    return Holds(tuple(_hold(row) for row in tx.execute(select(holds).where(*still)).mappings()))


def find(tx: Connection, hold_id: str) -> Hold | None:
    """One hold, over or not."""
    row = tx.execute(select(holds).where(holds.c.id == hold_id)).mappings().first()
    return None if row is None else _hold(row)


def listed(
    tx: Connection, directory: Directory, now: datetime, customer_id: str | None = None, *, over: bool = False
) -> list[Listed]:
    """Holds, the next to end first; with `over` also those that have ended, the newest first."""
    query: Select[tuple[object, ...]] = select(holds)
    if not over:
        query = query.where(holds.c.ended_at.is_(None), holds.c.expires_at > now).order_by(holds.c.expires_at)
    if customer_id is not None:
        query = query.where(holds.c.customer_id == customer_id)
    rows = tx.execute(query.order_by(holds.c.created_at.desc(), holds.c.id).limit(LISTED)).mappings().all()
    kept: dict[str, list[str]] = {row["id"]: [] for row in rows}
    pages = select(held_pages.c.hold_id, held_pages.c.warning_id).where(held_pages.c.hold_id.in_(list(kept)))
    for hold_id, warning_id in tx.execute(pages):
        kept[hold_id].append(warning_id)
    return [_listed(_hold(row), kept[row["id"]], directory) for row in rows]


def _listed(hold: Hold, kept: list[str], directory: Directory) -> Listed:
    def name(person: str) -> str:
        return directory.people[person].name if person in directory.people else person

    customer, ended_by = directory.customer_name(hold.customer_id), hold.ended_by and name(hold.ended_by)
    return Listed(hold, len(kept), len(set(kept)), customer, name(hold.author), ended_by)


def demands_review(tx: Connection, rule: str, customer_id: str) -> bool:
    """Whether what the rule has said of the customer so far demands a review. Of what it has never said nobody here
    knows: keep_back looks at each page again."""
    query = select(warnings.c.body).where(warnings.c.customer_id == customer_id, warnings.c.current)
    found = (wire.decode_warning(body.encode()) for body in tx.execute(query).scalars())
    return any(warning.rule == rule and warning.review is not None for warning in found)


def begin(tx: Connection, hold: Hold) -> None:
    """It counts from now on, and the customer's open case says so."""
    row = {name: getattr(hold, name) for name in _SAME}
    pause_s = None if hold.pause is None else int(hold.pause.total_seconds())
    tx.execute(insert(holds).values(**row, pause_s=pause_s, next_at=hold.expires_at))
    recording.hold_became(tx, hold, "set", hold.author, hold.created_at)
    note = f"{hold.rule} → {_minute(hold.expires_at)}: {hold.reason.strip()}"
    _tell(tx, hold, Entry("hold.set", hold.created_at, actor=hold.author, note=note))


def lift(tx: Connection, hold: Hold, actor: str, now: datetime) -> bool:
    """It ends now, and what it kept back is looked at at once; False when it was over already."""
    still = holds.c.id == hold.id, holds.c.ended_at.is_(None), holds.c.expires_at > now
    ended = update(holds).where(*still).values(ended_at=now, ended_by=actor, next_at=now)
    return tx.execute(ended).rowcount > 0


def follow_merge(tx: Connection, merged: str, into: str, now: datetime) -> int:
    """A customer turned out to be another: what was held back about it is held back about that one from now on, as long
    and by whom as before; how many holds. Again: nothing. Nobody is paged for it: what stands of the former customer is
    about to be withdrawn."""
    if merged == into:
        return 0
    moved = of_customer(tx, merged, now).known
    for hold in moved:
        same = uuid.uuid5(_MERGES, f"{hold.id}/{into}").hex
        begin(tx, replace(hold, id=same, customer_id=into, created_at=now))
        over = {"ended_at": now, "ended_by": OURSELVES, "next_at": None}
        tx.execute(update(holds).where(holds.c.id == hold.id).values(over))
        tx.execute(update(held_pages).where(held_pages.c.hold_id == hold.id).values(released=True))
        recording.hold_became(tx, hold, "ended", OURSELVES, now)
        _tell(tx, hold, Entry("hold.ended", now, note=CUSTOMER_MERGED + into))
    return len(moved)


def keep_back(
    tx: Connection, outcome: Outcome, now: datetime, directory: Directory, task: wire.Warning | None = None
) -> Outcome:
    """The outcome without the pages that are held, and with what the timeline says of them. `task` is the warning where
    no case has it. Verdict and case stay as they are."""
    case = outcome.case
    if not outcome.pages:
        return outcome
    if case is None and task is None:
        # A reminder of a task, which is about its warning.
        task = store.current_warnings(tx, [outcome.pages[0].warning_id]).get(outcome.pages[0].warning_id)
    customer_id = case.customer_id if case is not None else task.customer_id if task is not None else None
    if customer_id is None:
        return outcome
    known = of_customer(tx, customer_id, now)
    if not known.known:
        return outcome
    sent, told = [], []
    for page in outcome.pages:
        about = _about(case, task, page)
        above = directory.ladder(customer_id) if _is_reviewed(case, page) else None
        hold = known.held(about[0], customer_id, now, about[1], above) if about and may_be_held(page) else None
        if hold is None:
            sent.append(page)
            continue
        _keep(tx, hold, page, now)
        recording.page_held(tx, hold, page, case.id if case else None, now)
        note = f"{hold.kind} → {_minute(hold.silent_until())}: {hold.reason}"
        told.append(Entry("case.page_held", now, hold.author, page.warning_id, page.person, note=note))
    for rule in {about[0] for page in sent if may_be_held(page) and (about := _about(case, task, page))}:
        for cooldown in known.let_through(rule, customer_id, now):
            tx.execute(update(holds).where(holds.c.id == cooldown.id).values(paged_at=now))
    return replace(outcome, pages=tuple(sent), events=(*outcome.events, *told))


def _about(case: Case | None, task: wire.Warning | None, page: Page) -> tuple[str, wire.Severity] | None:
    """The rule and the severity of what a page is about."""
    if case is None:
        return (task.rule, task.severity) if task is not None else None
    held = case.held(page.warning_id)
    return (held.rule, held.severity) if held is not None else None


def _is_reviewed(case: Case | None, page: Page) -> bool:
    held = case.held(page.warning_id) if case is not None else None
    return held is not None and held.clock is not None


def _keep(tx: Connection, hold: Hold, page: Page, now: datetime) -> None:
    row = {"hold_id": hold.id, "warning_id": page.warning_id, "revision": page.revision}
    tx.execute(insert(held_pages).values(**row, kind=page.kind, person=page.person, at=now))
    tx.execute(update(holds).where(holds.c.id == hold.id).values(next_at=hold.silent_until()))


def release(
    tx: Connection, directory: Directory, now: datetime, house: House
) -> Iterator[tuple[Outcome, wire.Warning | None]]:
    """What becomes of what the holds that are due kept back, warning by warning: it is told to those who answer for it
    now, if it still holds and nobody has closed its case. Another hold may keep it back again."""
    due = select(holds).where(holds.c.next_at <= now).order_by(holds.c.next_at, holds.c.id).limit(BATCH)
    for row in tx.execute(due).mappings().all():
        hold = _hold(row)
        over = not hold.in_force(now)
        tx.execute(update(holds).where(holds.c.id == hold.id).values(next_at=None if over else hold.expires_at))
        if over:
            recording.hold_became(tx, hold, "ended", hold.ended_by, now)
            _tell(tx, hold, Entry("hold.ended", now, actor=hold.ended_by, note=hold.rule))
        for warning in _standing(tx, hold, only_kept=hold.pause is not None):
            outcome = _call(tx, hold, warning, directory, now, house)
            if outcome is not None:
                yield outcome, warning
        tx.execute(update(held_pages).where(held_pages.c.hold_id == hold.id).values(released=True))


def _standing(tx: Connection, hold: Hold, *, only_kept: bool) -> list[wire.Warning]:
    """The warnings of the hold's rule about its customer that hold now; of a cooldown only those of which it has kept
    a page back since it last let one through: whoever was told is not told again."""
    query = select(warnings.c.id, warnings.c.body).where(
        warnings.c.customer_id == hold.customer_id, warnings.c.standing
    )
    if only_kept:
        kept = held_pages.c.hold_id == hold.id, held_pages.c.released.is_(False)
        query = query.where(warnings.c.id.in_(select(held_pages.c.warning_id).where(*kept)))
    found = [wire.decode_warning(row.body.encode()) for row in tx.execute(query.order_by(warnings.c.id))]
    return [warning for warning in found if warning.rule == hold.rule and not warning.historical]


def _call(
    tx: Connection, hold: Hold, warning: wire.Warning, directory: Directory, now: datetime, house: House
) -> Outcome | None:
    """The pages about a warning that still holds; None where nobody has to act on it any more."""
    case = store.find_holding_case(tx, warning.id) if warning.output == "warning" else None
    held = case.held(warning.id) if case is not None else None
    if warning.output == "warning":
        if case is None or case.status == "closed" or held is None or held.state != "standing":
            return None
    elif not store.task_people(tx, warning.id):
        return None
    plan = house.plan(matter_of(warning, directory), case, now, directory)
    step = f"released:{hold.id}:{warning.id}:{warning.revision}:{int(now.timestamp())}"
    kind: PageKind = "raised" if warning.output == "warning" else "nudge"
    clock = held.clock if held is not None else None
    pages = pages_about(warning, kind, plan, now, directory, case=case, clock=clock, step=step)
    outcome = Outcome(Verdict.RELEASED, case, pages)
    return remembered(outcome if held is None else team.ask_still(outcome, held, plan, step, now, house))


def _minute(at: datetime) -> str:
    return at.isoformat(timespec="minutes")


def _tell(tx: Connection, hold: Hold, entry: Entry) -> None:
    """The customer's open case says so, where it is about what the hold is about."""
    case = store.find_open_case(tx, hold.customer_id)
    if case is not None and any(held.rule == hold.rule for held in case.warnings):
        docket = Docket(tx, entry.at)
        docket.append(case.id, [entry])
        docket.write()


_SAME = [name for name in Hold.__dataclass_fields__ if name != "pause"]


def _hold(row: RowMapping) -> Hold:
    pause = None if row["pause_s"] is None else timedelta(seconds=row["pause_s"])
    return Hold(**{name: row[name] for name in _SAME}, pause=pause)
