"""PURE: what people may do with a case, and what stands in the way. Every refusal lists all of its reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from schemas.cases import Decision, Money
from services.notifier.calling import remembered
from services.notifier.case import Case, Entry, Held, Outcome, ReviewClock, Verdict
from services.notifier.handing import Assign, Delegate, FinishTask, SetTask, assign, delegate, finish_task, set_task
from services.notifier.house import House
from services.notifier.people import Directory
from services.notifier.policy import HOUSE, closed, reopened
from services.notifier.refusals import done, refusal, refused
from services.notifier.reviews import merged, reviewers
from services.notifier.stages import moved
from services.notifier.views import Refusal

MAX_NOTE = 4000
"""Characters of a comment or reason; the cases topic takes no more."""

DECISIONS: tuple[Decision, ...] = ("act", "watch", "accept", "false_alarm")
"""What people can decide; "withdrawn" is the service's own."""


@dataclass(frozen=True)
class Acknowledge:
    actor: str


@dataclass(frozen=True)
class OpenReview:
    """`because_of`: the warning whose review was asked for. Once that is opened or withdrawn, nothing is done: whoever
    follows an old request has not seen what came after it."""

    actor: str
    because_of: str | None = None


@dataclass(frozen=True)
class DecideReview:
    actor: str
    decision: Decision
    note: str


@dataclass(frozen=True)
class Join:
    """`actor` records that the department takes part."""

    actor: str
    department: str
    note: str = ""


@dataclass(frozen=True)
class Comment:
    actor: str
    text: str


@dataclass(frozen=True)
class Assess:
    """What would be lost with the customer, as far as anybody can say."""

    actor: str
    value: Money


@dataclass(frozen=True)
class Close:
    """`value`: what was at risk; without one, what was said before stands."""

    actor: str
    decision: Decision
    reason: str
    value: Money | None = None


@dataclass(frozen=True)
class Reopen:
    """The case was closed too early."""

    actor: str
    reason: str


Action = (
    Acknowledge
    | OpenReview
    | DecideReview
    | Join
    | Comment
    | Assess
    | Assign
    | Delegate
    | SetTask
    | FinishTask
    | Close
    | Reopen
)


def on_action(case: Case, action: Action, now: datetime, directory: Directory, house: House = HOUSE) -> Outcome:
    """Decide on what somebody wants to do. Outcome.refusals says why not, and then nothing is changed. Whatever people
    do gives an open case its days anew."""
    outcome = remembered(_decided(case, action, now, directory, house))
    after = outcome.case
    if after is None or after.status != "open":
        return outcome
    owner = after.owner or directory.responsible(after.customer_id).owner
    return replace(outcome, case=replace(after, idle_at=house.clocks.idle_at(now), returns=0, owner=owner))


def _decided(case: Case, action: Action, now: datetime, directory: Directory, house: House) -> Outcome:
    reasons = [*_not_now(case, action, directory), *_unfit(action)]
    if reasons:
        return refused(*reasons)
    match action:
        case OpenReview():
            outcome = _open_review(case, action, now, directory)
        case DecideReview():
            outcome = _decide(case, action, now, directory)
        case Join():
            outcome = _join(case, action, now, directory)
        case Close():
            outcome = _close(case, action, now)
        case Reopen():
            outcome = _reopen(case, action, now)
        case Assess():
            outcome = _assess(case, action, now)
        case Assign() | Delegate() | SetTask() | FinishTask():
            outcome = _hand(case, action, now, directory, house)
        case Acknowledge():
            outcome = _acknowledge(case, action, now)
        case _:
            outcome = _comment(case, action, now)
    return outcome


def _hand(
    case: Case, action: Assign | Delegate | SetTask | FinishTask, now: datetime, directory: Directory, house: House
) -> Outcome:
    match action:
        case Assign():
            return assign(case, action, now, directory)
        case Delegate():
            return delegate(case, action, now, directory, house)
        case SetTask():
            return set_task(case, action, now, directory, house)
        case FinishTask():
            return finish_task(case, action, now, directory)


def missing_to_close(case: Case) -> tuple[Refusal, ...]:
    """What the case's warnings still demand; empty when a decision and a reason are enough."""
    return tuple(reason for held in case.warnings for reason in _demands(held, case.departments_joined))


def _demands(held: Held, joined: tuple[str, ...]) -> list[Refusal]:
    clock = held.clock
    if clock is None:
        return []
    found = []
    if clock.running:
        found.append(
            refusal(
                "review_not_opened",
                f"“{held.name.zh}”尚无上级开始审核。",
                f"No superior has opened the review of “{held.name.en}” yet.",
            )
        )
    elif clock.decided_by is None:
        found.append(
            refusal(
                "review_not_decided",
                f"“{held.name.zh}”的审核尚无结论。",
                f"The review of “{held.name.en}” is not decided yet.",
            )
        )
    there = sum(department in clock.departments for department in joined)
    if there < clock.quorum:
        found.append(_no_quorum(held, clock, there))
    return found


def _no_quorum(held: Held, clock: ReviewClock, there: int) -> Refusal:
    names = ", ".join(clock.departments)
    return refusal(
        "quorum",
        f"“{held.name.zh}”要求 {names} 中至少 {clock.quorum} 个部门介入，目前 {there} 个。",
        f"“{held.name.en}” demands at least {clock.quorum} of the departments {names}; {there} joined so far.",
    )


def _acknowledge(case: Case, action: Acknowledge, now: datetime) -> Outcome:
    if action.actor in case.acknowledged_by:
        return Outcome(Verdict.ALREADY_DONE)
    stage = moved(case.stage, "acknowledge")
    after = replace(case, acknowledged_by=(*case.acknowledged_by, action.actor), stage=stage)
    return done(after, Entry("case.acknowledged", now, actor=action.actor))


def _open_review(case: Case, action: OpenReview, now: datetime, directory: Directory) -> Outcome:
    reason = _not_a_reviewer(case, action.actor, now, directory)
    if reason:
        return refused(reason)
    if action.because_of is not None:
        held = case.held(action.because_of)
        if held is None or held.clock is None or not held.clock.running:
            return Outcome(Verdict.ALREADY_DONE)
    after, events = _open_all(case, action.actor, now)
    return done(after, *events) if events else Outcome(Verdict.ALREADY_DONE)


def _open_all(case: Case, actor: str, now: datetime) -> tuple[Case, list[Entry]]:
    """Stops every clock that runs now. A warning that comes later starts its own."""
    events: list[Entry] = []
    for held in case.warnings:
        clock = held.clock
        if clock is not None and clock.running:
            case = case.with_held(replace(held, review=replace(clock, opened_by=actor)))
            events.append(Entry("review.opened", now, actor=actor, warning_id=held.id))
    return replace(case, stage=moved(case.stage, "review")) if events else case, events


def _decide(case: Case, action: DecideReview, now: datetime, directory: Directory) -> Outcome:
    """Deciding opens what nobody has opened yet. The first decision counts; that of each further superior is recorded
    beside it."""
    reasons = [_not_a_reviewer(case, action.actor, now, directory), *_undecided(action.decision, action.note)]
    found = [reason for reason in reasons if reason]
    if found:
        return refused(*found)
    case, events = _open_all(case, action.actor, now)
    decided = Entry("review.decided", now, action.actor, decision=action.decision, note=action.note.strip())
    for held in case.warnings:
        clock = held.clock
        if clock is not None and action.actor not in clock.decided_all:
            after = replace(clock, decided_all=merged(clock.decided_all, action.actor))
            if clock.decided_by is None:
                after = replace(after, decided_by=action.actor, decision=action.decision)
            case = case.with_held(replace(held, review=after))
            events.append(replace(decided, warning_id=held.id))
    return done(case, *events) if events else Outcome(Verdict.ALREADY_DONE)


def _join(case: Case, action: Join, now: datetime, directory: Directory) -> Outcome:
    known = departments(case, directory)
    if action.department not in known:
        listed = ", ".join(known)
        zh, en = (
            f"没有“{action.department}”部门，可选：{listed}。",
            f"There is no department “{action.department}”; there are {listed}.",
        )
        return refused(refusal("unknown_department", zh, en))
    if action.department in case.departments_joined:
        return Outcome(Verdict.ALREADY_DONE)
    stage = moved(case.stage, "intervene")
    after = replace(case, departments_joined=(*case.departments_joined, action.department), stage=stage)
    entry = Entry("intervention.joined", now, actor=action.actor, department=action.department)
    return done(after, replace(entry, note=action.note.strip() or None))


def departments(case: Case, directory: Directory) -> tuple[str, ...]:
    """Those the case's warnings ask for, then the others that the directory knows."""
    asked = [name for clock in case.clocks for name in clock.departments]
    return tuple(dict.fromkeys((*asked, *sorted(directory.departments()))))


def _comment(case: Case, action: Comment, now: datetime) -> Outcome:
    if not action.text.strip():
        return refused(refusal("empty_comment", "留言不能为空。", "A comment needs a text."))
    return done(case, Entry("case.commented", now, actor=action.actor, note=action.text.strip()))


def _close(case: Case, action: Close, now: datetime) -> Outcome:
    reasons = [*missing_to_close(case), *_undecided(action.decision, action.reason)]
    if reasons:
        return refused(*reasons)
    value = action.value or case.value
    entry = Entry("case.closed", now, actor=action.actor, decision=action.decision, note=action.reason.strip())
    return done(replace(closed(case, action.decision, now), value=value), replace(entry, value=value))


def _reopen(case: Case, action: Reopen, now: datetime) -> Outcome:
    if case.status == "open":
        return Outcome(Verdict.ALREADY_DONE)
    if not action.reason.strip():
        return refused(refusal("reason", "请说明理由。", "Please give a reason."))
    return done(reopened(case), Entry("case.reopened", now, actor=action.actor, note=action.reason.strip()))


def _assess(case: Case, action: Assess, now: datetime) -> Outcome:
    if action.value == case.value:
        return Outcome(Verdict.ALREADY_DONE)
    return done(replace(case, value=action.value), Entry("case.valued", now, actor=action.actor, value=action.value))


def _undecided(decision: Decision, reason: str) -> list[Refusal]:
    found = []
    if decision not in DECISIONS:
        listed = ", ".join(DECISIONS)
        found.append(refusal("decision", f"请选择决定：{listed}。", f"Choose a decision: {listed}."))
    if not reason.strip():
        found.append(refusal("reason", "请说明理由。", "Please give a reason."))
    return found


def _not_now(case: Case, action: Action, directory: Directory) -> list[Refusal]:
    found = []
    if action.actor not in directory.people:
        zh, en = f"通讯录中没有 {action.actor}。", f"{action.actor} is not in the directory."
        found.append(refusal("unknown_person", zh, en))
    if case.status == "closed" and not isinstance(action, Comment | Reopen):
        found.append(refusal("closed", "案件已关闭，只能留言。", "The case is closed; you can still comment."))
    return found


def _unfit(action: Action) -> list[Refusal]:
    """What no database or topic takes."""
    text = "".join(getattr(action, name, "") for name in ("note", "text", "reason"))
    found = []
    if len(text) > MAX_NOTE:
        zh, en = f"文字太长：最多 {MAX_NOTE} 个字符。", f"The text is too long: at most {MAX_NOTE} characters."
        found.append(refusal("too_long", zh, en))
    if "\x00" in text:
        zh, en = (
            "文字中有不可见的空字符（NUL），请删除后再提交。",
            "The text has a NUL character, which cannot be kept.",
        )
        found.append(refusal("nul", zh, en))
    return found


def _not_a_reviewer(case: Case, actor: str, now: datetime, directory: Directory) -> Refusal | None:
    allowed = reviewers(case, directory, now)
    if actor in allowed:
        return None
    names = ", ".join(directory.people[person].name for person in allowed if person in directory.people)
    return refusal("not_a_reviewer", f"这个案件由上级审核：{names}。", f"The review is for a superior: {names}.")
