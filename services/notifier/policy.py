"""PURE: who is paged about a warning, when it escalates, what a case becomes. Time and the directory are arguments."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from schemas import warnings as wire
from services.notifier.case import Case, Entry, Held, Outcome, Page, PageKind, ReviewClock, Role, TaskChange, Verdict
from services.notifier.people import Directory

_CASES = uuid.UUID("8d0a2b5e-6c1f-4f0e-9b51-5a2f1f6f7c11")


def case_for(holding: Case | None, open_case: Case | None, warning: wire.Warning) -> Case | None:
    """The case a warning concerns: the one that holds it, but the customer's open one when the warning must be acted on
    and its own case is closed, so that a customer never has two open cases."""
    if holding is None or holding.status == "open" or open_case is None:
        return holding or open_case
    return open_case if _calls(holding.held(warning.id), warning) else holding


def on_warning(
    case: Case | None, warning: wire.Warning, now: datetime, directory: Directory, known_revision: int = 0
) -> Outcome:
    """Decide on one revision of a warning. `case` is what case_for gave; `known_revision` the highest received so far,
    0 for a warning never seen."""
    if warning.revision <= known_revision:
        return Outcome(Verdict.REPEATED if warning.revision == known_revision else Verdict.OUT_OF_ORDER)
    if warning.output != "warning":
        return _on_task(warning, directory, known_revision)
    held = case.held(warning.id) if case else None
    if case is not None and held is not None and held.state != "withdrawn" and not _returns(case, warning):
        return _on_held(case, held, warning, now, directory)
    if warning.change == "withdrawn":
        return Outcome(Verdict.FILED_NEVER_PAGED)
    if warning.historical:
        return Outcome(Verdict.FILED_HISTORICAL)
    return _take_in(case, warning, now, directory)


def on_tick(case: Case, now: datetime, directory: Directory) -> Outcome:
    """Escalate every review whose deadline has passed: once per deadline, however late the tick comes."""
    ladder = directory.ladder(case.customer_id)
    pages: list[Page] = []
    events: list[Entry] = []
    for held in case.warnings:
        clock = held.clock
        if case.status != "open" or clock is None or not clock.running or now < clock.due:
            continue
        after = _escalate(clock, ladder, now)
        step = f"breached:{held.id}:{held.revision}:{after.breaches}"
        pages.append(Page(step, "breached", after.holder, "escalation", held.id, held.revision, after.due))
        missed = f"due {clock.due.isoformat()}"
        events.append(Entry("review.breached", now, warning_id=held.id, person=clock.holder, note=missed))
        case = case.with_held(replace(held, review=after, paged=_merge(held.paged, after.holder)))
    if not pages:
        return Outcome(Verdict.NOT_DUE)
    return Outcome(Verdict.BREACHED, case, tuple(pages), tuple(events))


def _calls(held: Held | None, warning: wire.Warning) -> bool:
    """True when somebody must act on this revision: it is new to the case, back, or worse than before."""
    if warning.historical or warning.change == "withdrawn":
        return False
    return held is None or held.state == "withdrawn" or warning.pages_again


def _returns(case: Case, warning: wire.Warning) -> bool:
    """A warning of a closed case that is worse than before: people have to look again."""
    return case.status == "closed" and warning.pages_again and not warning.historical and warning.change != "withdrawn"


def _escalate(clock: ReviewClock, ladder: tuple[str, ...], now: datetime) -> ReviewClock:
    """The next rung is asked, with the whole time from now on; beyond the last rung the last one is asked again."""
    left = [person for person in ladder if person not in clock.asked]
    holder = left[0] if left else ladder[-1]
    due = now + timedelta(hours=clock.within_hours)
    return replace(clock, holder=holder, due=due, breaches=clock.breaches + 1, asked=_merge(clock.asked, holder))


def _take_in(case: Case | None, warning: wire.Warning, now: datetime, directory: Directory) -> Outcome:
    clock = _start_clock(warning, directory)
    pages = _pages(warning, "raised", directory, _open_deadline(clock))
    held = Held(
        id=warning.id,
        revision=warning.revision,
        rule=warning.rule,
        name=warning.name,
        severity=warning.severity,
        state="ended" if warning.change == "ended" else "standing",
        paged=tuple(page.person for page in pages),
        review=clock,
    )
    note = None if directory.responsible(warning.customer_id).assigned else _UNASSIGNED
    joined = Entry("case.warning_joined", now, warning_id=warning.id, note=note)
    if case is None or (case.status == "closed" and case.held(warning.id) is None):
        case = Case(_case_id(warning), warning.customer_id, now, warnings=(held,))
        return Outcome(Verdict.OPENED, case, pages, (Entry("case.opened", now, note=note), joined))
    if case.status == "closed":
        case = replace(case, status="open", closed_at=None, decision=None, departments_joined=(), acknowledged_by=())
        return Outcome(Verdict.REOPENED, case.with_held(held), pages, (Entry("case.reopened", now), joined))
    return Outcome(Verdict.JOINED, case.with_held(held), pages, (joined,))


_UNASSIGNED = "the directory names no owner for this customer: the fallback is paged in the owner's place"


def _on_held(case: Case, held: Held, warning: wire.Warning, now: datetime, directory: Directory) -> Outcome:
    if warning.change == "withdrawn":
        return _withdraw(case, held, warning, now, directory)
    clock = held.clock or _start_clock(warning, directory)
    pages = _pages(warning, "amended", directory, _open_deadline(clock)) if _calls(held, warning) else ()
    after = replace(
        held,
        revision=warning.revision,
        severity=warning.severity,
        state=_state(held, warning),
        paged=_merge(held.paged, *(page.person for page in pages)),
        review=clock,
    )
    kind = "case.warning_ended" if warning.change == "ended" else "case.warning_amended"
    verdict = Verdict.PAGED_AGAIN if pages else Verdict.ENDED if warning.change == "ended" else Verdict.UPDATED
    return Outcome(verdict, case.with_held(after), pages, (Entry(kind, now, warning_id=held.id),))


def _state(held: Held, warning: wire.Warning) -> Literal["standing", "ended"]:
    """An amended episode that had ended and has no end any more goes on."""
    still_over = held.state == "ended" and warning.end is not None
    return "ended" if warning.change == "ended" or still_over else "standing"


def _withdraw(case: Case, held: Held, warning: wire.Warning, now: datetime, directory: Directory) -> Outcome:
    """Those who were paged are told. Nothing else standing or ended in the case: it closes by itself."""
    step = f"withdrawn:{warning.id}:{warning.revision}"
    owner = directory.responsible(case.customer_id).owner
    roles: dict[str, Role] = {person: "owner" if person == owner else "superior" for person in held.paged}
    pages = tuple(Page(step, "withdrawn", person, role, warning.id, warning.revision) for person, role in roles.items())
    note = f"merged into {warning.merged_into}" if warning.merged_into else None
    events = [Entry("case.warning_withdrawn", now, warning_id=warning.id, note=note)]
    case = case.with_held(replace(held, revision=warning.revision, state="withdrawn"))
    if case.status == "closed" or any(other.state != "withdrawn" for other in case.warnings):
        return Outcome(Verdict.WITHDRAWN, case, pages, tuple(events))
    events.append(Entry("case.closed", now, decision="withdrawn", note=_NOTHING_LEFT))
    case = replace(case, status="closed", closed_at=now, decision="withdrawn")
    return Outcome(Verdict.WITHDRAWN_AND_CLOSED, case, pages, tuple(events))


_NOTHING_LEFT = "every warning of the case has been withdrawn"


def _on_task(warning: wire.Warning, directory: Directory, known_revision: int) -> Outcome:
    """A task goes to the owner's list with a nudge, a suggestion is only filed. Neither has a case or a deadline."""
    if warning.output == "suggestion":
        return Outcome(Verdict.FILED_SUGGESTION)
    owner = directory.responsible(warning.customer_id).owner
    if warning.change == "ended" or warning.change == "withdrawn":
        return Outcome(Verdict.TASK_ENDED, task=TaskChange(owner, warning.change))
    if warning.historical:
        return Outcome(Verdict.FILED_HISTORICAL)
    calls = known_revision == 0 or warning.change == "raised" or warning.pages_again
    pages = _pages(warning, "nudge", directory) if calls else ()
    return Outcome(Verdict.TASK_SET, pages=pages, task=TaskChange(owner, "open"))


def _pages(
    warning: wire.Warning, kind: PageKind, directory: Directory, due: datetime | None = None
) -> tuple[Page, ...]:
    """The owner and the one above, as the warning's audience says; one page each, whoever they are. A nudge is the
    owner's alone."""
    line = directory.responsible(warning.customer_id)
    told: dict[str, Role] = {}
    if "owner" in warning.audience or kind == "nudge":
        told[line.owner] = "owner" if line.assigned else "fallback"
    if "superior" in warning.audience and kind != "nudge":
        told.setdefault(directory.ladder(warning.customer_id)[0], "superior")
    step = f"{kind}:{warning.id}:{warning.revision}"
    return tuple(Page(step, kind, person, role, warning.id, warning.revision, due) for person, role in told.items())


def _open_deadline(clock: ReviewClock | None) -> datetime | None:
    return clock.due if clock is not None and clock.running else None


def _start_clock(warning: wire.Warning, directory: Directory) -> ReviewClock | None:
    """The review of this warning alone, asked of the superior; a later warning of the case starts its own."""
    review = warning.review
    if review is None:
        return None
    first = directory.ladder(warning.customer_id)[0]
    return ReviewClock(review.within_hours, tuple(review.departments), review.quorum, review.due, first, (first,))


def _merge(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*people, *more)))


def _case_id(warning: wire.Warning) -> str:
    """The same for the same warning and revision: a step done twice opens the same case."""
    return str(uuid.uuid5(_CASES, f"{warning.customer_id}/{warning.id}/{warning.revision}"))
