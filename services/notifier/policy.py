"""PURE: who is paged about a warning, when it escalates, what a case becomes. Time and the directory are arguments."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from schemas import warnings as wire
from schemas.cases import CaseEventType
from services.notifier.case import Case, Entry, Held, Outcome, Page, PageKind, ReviewClock, Role, TaskChange, Verdict
from services.notifier.people import Directory

_CASES = uuid.UUID("8d0a2b5e-6c1f-4f0e-9b51-5a2f1f6f7c11")

LATE_AFTER = timedelta(hours=24)
"""Between an episode's start and its being found, or between that and its coming here. What is found as it happens
comes within a day, the pace of a nightly export; what comes later was told of after the fact, and what belongs to it
(the payment of an old invoice) is likely to follow at once."""

LONGEST_SETTLING = timedelta(minutes=15)
"""An import may go on for hours; people are not kept waiting for its end."""

PAST_AFTER = timedelta(days=7)
"""An episode that was over for so long is historical (design.md, decision 7): here by the clock of the people."""


def as_seen(warning: wire.Warning, now: datetime, *, worse: bool = False) -> wire.Warning:
    """The warning as it looks to people who hear of it now.

    The rules service may have found it in time by another clock than theirs (the events' own), or long before it could
    be told: what has been over for a week by then is the past, and the past is not paged. `worse`: a revision before
    this one, not acted on yet, was worse than all before.
    """
    if warning.historical or (warning.end is not None and now - warning.end > PAST_AFTER):
        return warning.model_copy(update={"historical": True, "pages_again": False})
    return warning.model_copy(update={"pages_again": True}) if worse else warning


def repeated(warning: wire.Warning, known_revision: int) -> Verdict | None:
    """The verdict on a revision that is not new. `known_revision` is the highest received so far, 0 for none."""
    if warning.revision > known_revision:
        return None
    return Verdict.REPEATED if warning.revision == known_revision else Verdict.OUT_OF_ORDER


def must_settle(
    warning: wire.Warning, holding: Case | None, now: datetime, *, task_is_open: bool, task_was_set: bool = False
) -> bool:
    """Whether to wait until things are calm before anybody is paged: it was found or told late, and nobody is at work
    on it yet. `holding` is the case in which it was filed, `task_is_open` says that it is on somebody's list, and
    `task_was_set` that it is or has been."""
    late = warning.first_detected_at - warning.start > LATE_AFTER or now - warning.detected_at > LATE_AFTER
    if not late or warning.output == "suggestion":
        return False
    if warning.output == "task":
        calls = warning.change == "raised" or (
            warning.change == "amended" and (warning.pages_again or not task_was_set)
        )
        return calls and not task_is_open and not warning.historical
    held = holding.held(warning.id) if holding else None
    if holding is not None and holding.status == "open" and held is not None and held.state != "withdrawn":
        return False
    return _calls(held, warning)


def settled_since(oldest: datetime, newest: datetime, now: datetime, quiet: timedelta) -> datetime | None:
    """Of the warnings that wait, those first received up to the instant returned are to be decided; None: none yet.

    `oldest` is when the first of them was first received, `newest` when the last revision of any was.
    """
    if now - newest >= quiet:
        return now
    # The latest arrivals wait on: they may be taken back any moment, and a round for each would be a page for each.
    return now - quiet if now - oldest >= LONGEST_SETTLING else None


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
    nothing_new = repeated(warning, known_revision)
    if nothing_new is not None:
        return Outcome(nothing_new)
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
        missed = f"期限 / due: {clock.due.isoformat()}"
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
    clock = _start_clock(warning, now, directory)
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


_UNASSIGNED = (
    "通讯录中没有此客户的负责人，因此通知后备联系人。 / "
    "The directory names no owner for this customer: the fallback is paged in the owner's place."
)


def _on_held(case: Case, held: Held, warning: wire.Warning, now: datetime, directory: Directory) -> Outcome:
    if warning.change == "withdrawn":
        return _withdraw(case, held, warning, now, directory)
    calls = _calls(held, warning)
    clock = held.clock
    if clock is None or (calls and not clock.running):
        # A review that was held before it got worse says nothing about what is worse now.
        clock = _start_clock(warning, now, directory) or clock
    pages = _pages(warning, "amended", directory, _open_deadline(clock)) if calls else ()
    after = replace(
        held,
        revision=warning.revision,
        severity=warning.severity,
        state=_state(held, warning),
        paged=_merge(held.paged, *(page.person for page in pages)),
        review=clock,
    )
    kind: CaseEventType = "case.warning_ended" if warning.change == "ended" else "case.warning_amended"
    verdict = Verdict.PAGED_AGAIN if pages else Verdict.ENDED if warning.change == "ended" else Verdict.UPDATED
    return Outcome(verdict, case.with_held(after), pages, (Entry(kind, now, warning_id=held.id),))


def _state(held: Held, warning: wire.Warning) -> Literal["standing", "ended"]:
    """An amended episode that had ended and has no end any more goes on."""
    still_over = held.state == "ended" and warning.end is not None
    return "ended" if warning.change == "ended" or still_over else "standing"


def _withdraw(case: Case, held: Held, warning: wire.Warning, now: datetime, directory: Directory) -> Outcome:
    """Those who were paged are told (the outbox leaves out whom no page has reached). Nothing else standing or ended in
    the case: it closes by itself."""
    step = f"withdrawn:{warning.id}:{warning.revision}"
    owner = directory.responsible(case.customer_id).owner
    roles: dict[str, Role] = {person: "owner" if person == owner else "superior" for person in held.paged}
    pages = tuple(Page(step, "withdrawn", person, role, warning.id, warning.revision) for person, role in roles.items())
    note = _merged(warning)
    events = [Entry("case.warning_withdrawn", now, warning_id=warning.id, note=note)]
    case = case.with_held(replace(held, revision=warning.revision, state="withdrawn"))
    if case.status == "closed" or any(other.state != "withdrawn" for other in case.warnings):
        return Outcome(Verdict.WITHDRAWN, case, pages, tuple(events))
    events.append(Entry("case.closed", now, decision="withdrawn", note=_NOTHING_LEFT))
    case = replace(case, status="closed", closed_at=now, decision="withdrawn")
    return Outcome(Verdict.WITHDRAWN_AND_CLOSED, case, pages, tuple(events))


CUSTOMER_MERGED = "客户已并入 / the customer was merged into: "
"""What the note of a withdrawal begins with whose customer turned out to be another."""


def _merged(warning: wire.Warning) -> str | None:
    if warning.customer_merged_into:
        return CUSTOMER_MERGED + warning.customer_merged_into
    return f"已并入 / merged into: {warning.merged_into}" if warning.merged_into else None


_NOTHING_LEFT = "所有预警都已撤回。 / Every warning of the case has been withdrawn."


def _on_task(warning: wire.Warning, directory: Directory, known_revision: int) -> Outcome:
    """A task goes to people's lists with a nudge, a suggestion is only filed. Neither has a case or a deadline."""
    if warning.output == "suggestion":
        return Outcome(Verdict.FILED_SUGGESTION)
    told = _people_of_task(warning, directory)
    if warning.change == "ended" or warning.change == "withdrawn":
        return Outcome(Verdict.TASK_ENDED, task=TaskChange(tuple(told), warning.change, warning.department))
    if warning.historical:
        return Outcome(Verdict.FILED_HISTORICAL)
    # A ticket is opened once: that more is known of it is no reason to call a whole department again.
    worse = warning.pages_again and warning.department is None
    calls = known_revision == 0 or warning.change == "raised" or worse
    pages = _to(told, warning, "nudge") if calls else ()
    return Outcome(Verdict.TASK_SET, pages=pages, task=TaskChange(tuple(told), "open", warning.department))


def _people_of_task(warning: wire.Warning, directory: Directory) -> dict[str, Role]:
    """In whose lists it stands: a ticket in those of its department's people, or of the owner and the superior where
    the department has nobody; any other task in those of its audience."""
    if warning.department is None:
        # A task is always somebody's: with no audience at all it is the owner's.
        return _audience(warning.audience or ("owner",), warning.customer_id, directory)
    people = directory.people_of(warning.department)
    if people:
        return dict.fromkeys(people, "department")
    return _audience(("owner", "superior"), warning.customer_id, directory)


def _audience(audience: Iterable[str], customer_id: str, directory: Directory) -> dict[str, Role]:
    """The owner and the one above, as far as they are to be told; each once, whoever they are."""
    line = directory.responsible(customer_id)
    told: dict[str, Role] = {}
    if "owner" in audience:
        told[line.owner] = "owner" if line.assigned else "fallback"
    if "superior" in audience:
        told.setdefault(directory.ladder(customer_id)[0], "superior")
    return told


def _pages(
    warning: wire.Warning, kind: PageKind, directory: Directory, due: datetime | None = None
) -> tuple[Page, ...]:
    return _to(_audience(warning.audience, warning.customer_id, directory), warning, kind, due)


def _to(
    told: Mapping[str, Role], warning: wire.Warning, kind: PageKind, due: datetime | None = None
) -> tuple[Page, ...]:
    step = f"{kind}:{warning.id}:{warning.revision}"
    return tuple(Page(step, kind, person, role, warning.id, warning.revision, due) for person, role in told.items())


def _open_deadline(clock: ReviewClock | None) -> datetime | None:
    return clock.due if clock is not None and clock.running else None


def _start_clock(warning: wire.Warning, now: datetime, directory: Directory) -> ReviewClock | None:
    """The review of this warning alone, asked of the superior; a later warning of the case starts its own."""
    review = warning.review
    if review is None:
        return None
    first = directory.ladder(warning.customer_id)[0]
    # A deadline that was over before anybody could be told of it is nobody's failure: the time counts from now. Else
    # whatever was found while the notifier was away, or on the events' own clock, would escalate as it comes in.
    due = review.due if now < review.due else now + timedelta(hours=review.within_hours)
    return ReviewClock(review.within_hours, tuple(review.departments), review.quorum, due, first, (first,))


def _merge(people: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*people, *more)))


def _case_id(warning: wire.Warning) -> str:
    """The same for the same warning and revision: a step done twice opens the same case."""
    return str(uuid.uuid5(_CASES, f"{warning.customer_id}/{warning.id}/{warning.revision}"))
