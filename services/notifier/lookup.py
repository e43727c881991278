"""Reads for the desk: rows of the database as the values of views.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Select, func, or_, select, update

from schemas import warnings as wire
from schemas.warnings import SEVERITIES, Bilingual
from services.notifier import outbox, settling, store, undelivered
from services.notifier.actions import departments, missing_to_close
from services.notifier.case import Case, Held
from services.notifier.delivering import INBOX, Queued
from services.notifier.people import Directory
from services.notifier.reviews import reviewers
from services.notifier.tables import cases, inbox, pages, poison, warnings
from services.notifier.views import (
    CaseFilter,
    CaseLine,
    CaseView,
    Drawn,
    InboxView,
    PageView,
    Related,
    Summary,
    TimelineEntry,
    WarningView,
)

MAX_ROWS = 1000
"""Of any list, whatever is asked for."""


@dataclass(frozen=True)
class Lookup:
    """One look at one instant, inside the caller's transaction."""

    tx: Connection
    directory: Directory
    now: datetime

    def summary(self) -> Summary:
        """How much there is."""
        return Summary(
            cases_open=self._count(select(func.count()).where(cases.c.status == "open")),
            pages=self._count(select(func.count()).select_from(pages)),
            warnings=self._count(select(func.count()).where(warnings.c.current)),
            pages_uncertain=self._count(select(func.count()).where(pages.c.state == "uncertain")),
            settling=settling.count(self.tx),
            rejected=self._count(select(func.count()).select_from(poison)),
            undelivered=undelivered.count(self.tx),
        )

    def cases(self, wanted: CaseFilter) -> list[CaseLine]:
        """Newest first."""
        query = select(cases.c.state).order_by(cases.c.opened_at.desc(), cases.c.id)
        if wanted.status is not None:
            query = query.where(cases.c.status == wanted.status)
        if wanted.severity is not None:
            query = query.where(cases.c.severity == wanted.severity)
        if wanted.customer_id is not None:
            query = query.where(cases.c.customer_id == wanted.customer_id)
        if wanted.person is not None:
            paged = select(pages.c.case_id).where(pages.c.person == wanted.person, pages.c.case_id.is_not(None))
            query = query.where(or_(cases.c.owner == wanted.person, cases.c.id.in_(paged)))
        if wanted.text:
            found = cases.c.customer_id, cases.c.customer_name
            query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in found)))
        states = self.tx.execute(query.limit(min(wanted.limit, MAX_ROWS))).scalars()
        return [self._line(store.read_case(state)) for state in states]

    def case(self, case: Case) -> CaseView:
        """The whole page of a case."""
        current = store.current_warnings(self.tx, [held.id for held in case.warnings])
        return CaseView(
            line=self._line(case),
            warnings=tuple(self._warning(held, current) for held in case.warnings),
            timeline=tuple(self._entry(row) for row in store.timeline_of(self.tx, case.id)),
            pages=tuple(self._page(page) for page in outbox.of_case(self.tx, case.id)),
            missing=missing_to_close(case),
            may_review=reviewers(case, self.directory, self.now),
            departments=departments(case, self.directory),
            departments_joined=case.departments_joined,
            acknowledged_by=case.acknowledged_by,
            related=self.related([current[held.id] for held in case.warnings]),
            team=tuple(self._drawn(case, name) for name in _wanted(case)),
        )

    def related(self, holding: Sequence[wire.Warning]) -> tuple[Related, ...]:
        """What else holds of the customer by what these warnings say, but for themselves: the gravest first. What has
        ended since is left out."""
        own = {warning.id for warning in holding}
        others = {other.id: other for warning in holding for other in warning.others if other.id not in own}
        wanted = warnings.c.id.in_(list(others)), warnings.c.current
        rows = self.tx.execute(select(warnings.c.id, warnings.c.case_id, warnings.c.standing).where(*wanted))
        known = {row.id: row for row in rows}
        found = [
            Related(
                id=other.id,
                name=other.name,
                severity=other.severity,
                start=other.start,
                known=other.id in known,
                case_id=known[other.id].case_id if other.id in known else None,
            )
            for other in others.values()
            if other.id not in known or known[other.id].standing
        ]
        return tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), one.start)))

    def inbox(self, person: str, limit: int) -> list[InboxView]:
        """What the inbox keeps for a person, newest first."""
        query = select(inbox).where(inbox.c.person == person).order_by(inbox.c.id.desc()).limit(min(limit, MAX_ROWS))
        return [
            InboxView(row["id"], row["subject"], row["text"], row["at"], row["case_id"], row["read_at"] is not None)
            for row in self.tx.execute(query).mappings()
        ]

    def mark_read(self, message_id: int, person: str) -> bool:
        """False when the person has no such message."""
        mine = inbox.c.id == message_id, inbox.c.person == person
        read_at = func.coalesce(inbox.c.read_at, self.now)
        key = self.tx.execute(update(inbox).where(*mine).values(read_at=read_at).returning(inbox.c.key)).scalar()
        if key is not None:
            outbox.mark_further(self.tx, INBOX, key, "opened", self.now)
        return key is not None

    def _count(self, query: Select[int]) -> int:
        return self.tx.execute(query).scalar_one()

    def _line(self, case: Case) -> CaseLine:
        owner = self.directory.responsible(case.customer_id).owner
        return CaseLine(
            id=case.id,
            customer_id=case.customer_id,
            customer_name=self.directory.customer_name(case.customer_id),
            owner=owner,
            owner_name=self.name(owner) or owner,
            severity=case.severity,
            status=case.status,
            opened_at=case.opened_at,
            closed_at=case.closed_at,
            warnings=_names(case),
            review=case.review(self.now),
            due=case.wake_at,
            stage=case.stage,
            assignee_name=self.name(case.assignee),
        )

    def _warning(self, held: Held, current: dict[str, wire.Warning]) -> WarningView:
        clock = held.clock
        return WarningView(
            warning=current[held.id],
            state=held.state,
            review=clock.state(self.now) if clock else "none",
            review_due=clock.due if clock else None,
            reviewer=clock.decided_by or clock.opened_by if clock else None,
        )

    def _drawn(self, case: Case, department: str) -> Drawn:
        asked = next((one for one in case.asked if one.department == department), None)
        joined = department in case.departments_joined
        return Drawn(department, joined, asked.people, asked.due) if asked else Drawn(department, joined)

    def _entry(self, row: RowMapping) -> TimelineEntry:
        fields = {name: row[name] for name in row if name != "case_id"}
        return TimelineEntry(**fields, actor_name=self.name(row["actor"]), person_name=self.name(row["person"]))

    def _page(self, page: Queued) -> PageView:
        return PageView(
            person=page.person,
            person_name=self.name(page.person) or page.person,
            role=page.role,
            kind=page.kind,
            channel=page.channel,
            state=page.state,
            at=page.created_at,
            attempts=page.attempts,
            error=page.error,
            sent_at=page.sent_at,
        )

    def name(self, person: str | None) -> str | None:
        """What the directory calls somebody; the id of who is not in it (any more)."""
        found = self.directory.people.get(person) if person else None
        return found.name if found else person


def _wanted(case: Case) -> tuple[str, ...]:
    """The departments that its reviews want, then the others that take part."""
    return tuple(dict.fromkeys((*(name for one in case.clocks for name in one.departments), *case.departments_joined)))


def _names(case: Case) -> tuple[Bilingual, ...]:
    """What the case is about, each once: what stands before what has ended, the gravest first."""
    held = [one for one in case.warnings if one.state != "withdrawn"]
    held.sort(key=lambda one: (one.state != "standing", -SEVERITIES.index(one.severity)))
    return tuple({(one.name.zh, one.name.en): one.name for one in held}.values())
