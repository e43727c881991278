"""What people may do with a case, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from schemas import warnings as wire
from services.notifier.actions import (
    Acknowledge,
    Action,
    Close,
    Comment,
    DecideReview,
    Join,
    OpenReview,
    missing_to_close,
    on_action,
)
from services.notifier.case import Case, Outcome, Verdict
from services.notifier.policy import on_tick, on_warning
from services.notifier.reviews import reviewers
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, make_warning, r1, review


def opened(*warnings: wire.Warning) -> Case:
    case: Case | None = None
    for warning in warnings:
        case = on_warning(case, warning, NOON, DIRECTORY).case
    assert case is not None
    return case


def do(case: Case, action: Action, now: datetime = NOON) -> Outcome:
    return on_action(case, action, now, DIRECTORY)


def after(case: Case, *actions: Action) -> Case:
    for action in actions:
        outcome = do(case, action)
        assert outcome.case is not None, outcome.refusals
        case = outcome.case
    return case


def codes(outcome: Outcome) -> list[str]:
    return [refusal.code for refusal in outcome.refusals]


REVIEWED = (OpenReview("li"), DecideReview("li", "act", "visit them"))
JOINED = (Join("wang", "sales"), Join("chen", "finance", "credit checked"))


def test_the_owners_acknowledgement_does_not_stop_the_reviews_clock() -> None:
    outcome = do(opened(r1()), Acknowledge("wang"))
    assert outcome.case is not None
    assert outcome.case.wake_at == NOON + DAY
    assert [entry.type for entry in outcome.events] == ["case.acknowledged"]


def test_acknowledging_twice_is_recorded_once() -> None:
    assert do(after(opened(r1()), Acknowledge("wang")), Acknowledge("wang")) == Outcome(Verdict.ALREADY_DONE)


@pytest.mark.parametrize("superior", ["li", "chen", "zhao"])
def test_anybody_above_the_owner_stops_the_clock_by_opening_the_review(superior: str) -> None:
    outcome = do(opened(r1()), OpenReview(superior))
    assert outcome.case is not None
    assert outcome.case.wake_at is None
    assert outcome.events[0].actor == superior


@pytest.mark.parametrize("person", ["wang", "sun"])
def test_nobody_else_can_open_or_decide_it(person: str) -> None:
    assert codes(do(opened(r1()), OpenReview(person))) == ["not_a_reviewer"]
    assert codes(do(opened(r1()), DecideReview(person, "act", "note"))) == ["not_a_reviewer"]


def test_an_old_request_for_a_review_opens_none_that_came_after_it() -> None:
    first = after(opened(r1("r1")), OpenReview("li", "r1"))
    both = on_warning(first, r1("r2", review=review(NOON)), NOON, DIRECTORY).case
    assert both is not None
    assert do(both, OpenReview("li", "r1")) == Outcome(Verdict.ALREADY_DONE)
    assert do(both, OpenReview("li", "unheard of")) == Outcome(Verdict.ALREADY_DONE)
    assert do(both, OpenReview("li", "r2")).verdict is Verdict.DONE


def test_who_was_asked_by_escalation_may_review_though_not_above_the_owner() -> None:
    case = opened(r1())
    for day in (1, 2, 3):
        case = on_tick(case, NOON + day * DAY, DIRECTORY).case or case
    assert "sun" in reviewers(case, DIRECTORY)
    assert do(case, OpenReview("sun")).verdict is Verdict.DONE


def test_an_owner_at_the_top_is_reviewed_by_the_fallback() -> None:
    assert reviewers(opened(r1(customer_id="C4")), DIRECTORY) == ("sun",)


def test_a_warning_that_comes_after_the_review_demands_its_own() -> None:
    case = after(opened(r1()), *REVIEWED, *JOINED)
    later = on_warning(case, r1("r2", review=review(NOON)), NOON, DIRECTORY).case
    assert later is not None
    assert later.wake_at == NOON + DAY
    assert [refusal.code for refusal in missing_to_close(later)] == ["review_not_opened"]


def test_deciding_opens_a_review_that_nobody_had_opened() -> None:
    outcome = do(opened(r1()), DecideReview("chen", "watch", "call weekly"))
    assert [entry.type for entry in outcome.events] == ["review.opened", "review.decided"]


def test_a_case_closes_after_a_superiors_decision_and_a_quorum_of_departments() -> None:
    case = after(opened(r1()), *REVIEWED, *JOINED)
    outcome = do(case, Close("wang", "act", "paid up, terms changed"))
    assert outcome.case is not None
    assert (outcome.case.status, outcome.case.decision) == ("closed", "act")
    assert outcome.events[0].note == "paid up, terms changed"


def test_a_refused_close_lists_everything_that_is_missing() -> None:
    outcome = do(opened(r1()), Close("wang", "withdrawn", "  "))
    assert codes(outcome) == ["review_not_opened", "quorum", "decision", "reason"]
    assert outcome.case is None
    assert all(refusal.text.zh and refusal.text.en for refusal in outcome.refusals)


@pytest.mark.parametrize(
    ("done", "missing"),
    [
        ((OpenReview("li"),), ["review_not_decided", "quorum"]),
        (REVIEWED, ["quorum"]),
        ((*REVIEWED, JOINED[0]), ["quorum"]),
        ((*REVIEWED, JOINED[0], Join("zhao", "management")), ["quorum"]),
        (JOINED, ["review_not_opened"]),
        ((*REVIEWED, *JOINED), []),
    ],
)
def test_what_is_missing_shrinks_as_people_act(done: tuple[Action, ...], missing: list[str]) -> None:
    assert [refusal.code for refusal in missing_to_close(after(opened(r1()), *done))] == missing


def test_a_case_without_such_a_warning_closes_with_a_decision_and_a_reason() -> None:
    assert do(opened(make_warning()), Close("wang", "false_alarm", "was on holiday")).verdict is Verdict.DONE


def test_a_withdrawn_warning_demands_nothing() -> None:
    case = on_warning(opened(r1(), make_warning()), r1(revision=2, change="withdrawn"), NOON, DIRECTORY, 1).case
    assert case is not None
    assert missing_to_close(case) == ()


def test_the_state_of_the_review_follows_what_superiors_do() -> None:
    case = opened(r1())
    opened_only, decided = after(case, REVIEWED[0]), after(case, *REVIEWED)
    assert [one.review(NOON) for one in (case, opened_only, decided)] == ["waiting", "opened", "decided"]
    assert (case.review(NOON + DAY), opened(make_warning()).review(NOON)) == ("overdue", "none")


def test_a_department_joins_once_and_must_be_known() -> None:
    case = after(opened(r1()), JOINED[0])
    assert do(case, Join("li", "sales")) == Outcome(Verdict.ALREADY_DONE)
    assert codes(do(case, Join("li", "marketing"))) == ["unknown_department"]


def test_a_closed_case_takes_comments_and_nothing_else() -> None:
    closed = after(opened(make_warning()), Close("wang", "accept", "known"))
    assert do(closed, Comment("wang", "for the record")).verdict is Verdict.DONE
    assert codes(do(closed, Acknowledge("wang"))) == ["closed"]
    assert codes(do(closed, Close("wang", "accept", "again"))) == ["closed"]


def test_nobody_acts_who_is_not_in_the_directory() -> None:
    assert codes(do(opened(make_warning()), Comment("stranger", "hello"))) == ["unknown_person"]


@pytest.mark.parametrize(("text", "code"), [(" \n", "empty_comment"), ("x" * 4001, "too_long")])
def test_a_comment_has_a_text_that_the_wire_can_carry(text: str, code: str) -> None:
    assert codes(do(opened(make_warning()), Comment("wang", text))) == [code]


@pytest.mark.parametrize(
    "action", [Comment("wang", "a\x00b"), Close("wang", "act", "\x00"), Join("wang", "finance", "\x00")]
)
def test_a_text_with_a_nul_is_refused_in_a_sentence(action: Action) -> None:
    refusals = on_action(opened(make_warning()), action, NOON, DIRECTORY).refusals
    assert [reason.code for reason in refusals] == ["nul"]
    assert "NUL" in refusals[0].text.zh


def test_who_is_asked_for_want_of_others_may_review_although_somebody_else_was_asked_before() -> None:
    case = opened(r1(customer_id="C3"))
    held = case.warnings[0]
    assert held.review is not None
    alone = {person: DIRECTORY.people[person] for person in ("sun", "wang")}
    directory = replace(DIRECTORY, people={one.id: replace(one, reports_to=None) for one in alone.values()})
    asked = replace(held.review, holder="sun", asked=("sun", "wang", "sun"))
    case = case.with_held(replace(held, review=asked))
    assert directory.ladder("C3") == ("sun",)
    opened_by = on_action(case, OpenReview("sun"), NOON, directory)
    assert opened_by.verdict is Verdict.DONE
    assert opened_by.case is not None
    assert on_action(opened_by.case, DecideReview("sun", "act", "visit them"), NOON, directory).verdict is Verdict.DONE
