"""How far a case comes: the table of stages, and that what people do moves a case along it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import pytest

from schemas.cases import Money
from services.notifier.actions import (
    Acknowledge,
    Action,
    Assess,
    Close,
    Comment,
    DecideReview,
    Join,
    OpenReview,
    Reopen,
    on_action,
)
from services.notifier.case import Case, Outcome, Verdict
from services.notifier.handing import Assign, Delegate, FinishTask, SetTask
from services.notifier.policy import on_warning
from services.notifier.stages import OPEN, TABLE, Move, moved
from services.notifier.views import Stage
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1


def opened() -> Case:
    case = on_warning(None, r1(), NOON, DIRECTORY).case
    assert case is not None
    return case


def do(case: Case, *actions: Action) -> Case:
    for action in actions:
        outcome = on_action(case, action, NOON, DIRECTORY)
        assert outcome.case is not None, outcome.refusals
        case = outcome.case
    return case


def codes(case: Case, action: Action) -> list[str]:
    return [refusal.code for refusal in on_action(case, action, NOON, DIRECTORY).refusals]


def told(outcome: Outcome) -> list[tuple[str, str]]:
    return [(page.kind, page.person) for page in outcome.pages]


def test_every_open_case_can_be_closed_and_only_a_closed_one_opened_again() -> None:
    assert {stage for stage, move in TABLE if move == "close"} == set(OPEN)
    assert [stage for stage, move in TABLE if move == "reopen"] == ["closed"]
    assert set(OPEN) | {"closed"} == set(get_args(Stage))


def test_no_move_takes_a_case_back_but_that_nobody_works_on_it_or_that_it_is_opened_again() -> None:
    order: tuple[Stage, ...] = ("reopened", "opened", "acknowledged", "in_review", "intervention", "closed")
    for (stage, move), result in TABLE.items():
        assert move in ("come_back", "reopen") or order.index(result) > order.index(stage)


@pytest.mark.parametrize("stage", get_args(Stage))
@pytest.mark.parametrize("move", get_args(Move))
def test_what_the_table_does_not_name_changes_nothing(stage: Stage, move: Move) -> None:
    assert moved(stage, move) == TABLE.get((stage, move), stage)


def test_a_case_goes_from_its_opening_to_its_close_and_back() -> None:
    stages, case = [], opened()
    for action in (
        Acknowledge("wang"),
        OpenReview("li"),
        DecideReview("li", "act", "visit"),
        Join("wang", "sales"),
        Acknowledge("li"),
        Join("chen", "finance"),
        Close("wang", "act", "settled", Money(amount="120000.00", currency="CNY")),  # type: ignore[arg-type]
        Reopen("li", "they complain again"),
        Acknowledge("wang"),
    ):
        case = do(case, action)
        stages.append(case.stage)
    assert stages == [
        "acknowledged",
        "in_review",
        "in_review",
        "intervention",
        "intervention",
        "intervention",
        "closed",
        "reopened",
        "acknowledged",
    ]
    assert str(case.value) == "120000.00 CNY"
    assert case.departments_joined == ()


def test_the_closing_decision_bears_what_is_at_risk() -> None:
    case = on_warning(None, make_warning(), NOON, DIRECTORY).case
    assert case is not None
    money = Money(amount="5", currency="EUR")  # type: ignore[arg-type]
    valued = do(case, Assess("wang", money))
    assert on_action(valued, Assess("wang", money), NOON, DIRECTORY).verdict is Verdict.ALREADY_DONE
    closing = on_action(valued, Close("wang", "accept", "bankrupt"), NOON, DIRECTORY)
    assert closing.events[0].value == money


def test_who_is_given_a_case_is_told_and_has_its_tasks() -> None:
    outcome = on_action(opened(), Assign("li", "sun"), NOON, DIRECTORY)
    assert told(outcome) == [("assigned", "sun")]
    assert outcome.case is not None
    assert [todo.person for todo in outcome.case.todos] == ["sun"]
    assert on_action(outcome.case, Assign("li", "sun"), NOON, DIRECTORY).verdict is Verdict.ALREADY_DONE
    later = on_warning(outcome.case, make_warning("w2"), NOON, DIRECTORY)
    assert told(later) == [("raised", "wang"), ("raised", "li"), ("raised", "sun")]


def test_a_task_is_finished_by_who_has_it_or_is_above() -> None:
    case = do(opened(), SetTask("li", "wang", date(2026, 3, 5), "call", "k"))
    assert codes(case, FinishTask("sun", "k")) == ["not_your_task"]
    assert codes(case, FinishTask("wang", "other")) == ["no_task"]
    done = on_action(case, FinishTask("li", "k"), NOON, DIRECTORY)
    assert [(entry.type, entry.actor, entry.note) for entry in done.events] == [("task.done", "li", "call")]
    assert done.case is not None
    assert on_action(done.case, FinishTask("li", "k"), NOON, DIRECTORY).verdict is Verdict.ALREADY_DONE


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (Assign("li", "nobody"), "unknown_person"),
        (Delegate("li", "nobody", NOON + DAY), "unknown_person"),
        (Delegate("li", "li", NOON + DAY), "yourself"),
        (Delegate("li", "wang", NOON + DAY), "owner"),
        (Delegate("li", "chen", NOON), "until"),
        (Delegate("li", "chen", NOON + 400 * DAY), "until"),
        (SetTask("li", "wang", date(2026, 3, 1), "call", "k"), "due"),
        (SetTask("li", "wang", date(2026, 3, 5), " ", "k"), "empty_task"),
        (SetTask("li", "nobody", date(2026, 3, 5), "call", "k"), "unknown_person"),
        (Reopen("li", "why not"), ""),
    ],
)
def test_what_does_not_make_sense_is_refused_with_its_reason(action: Action, code: str) -> None:
    assert codes(opened(), action) == ([code] if code else [])


def test_a_closed_case_has_nothing_left_to_do_and_waits_for_nobody() -> None:
    case = do(opened(), DecideReview("li", "act", "x"), Join("li", "sales"), Join("li", "finance"))
    closed = do(case, Close("li", "act", "settled"))
    assert closed.deadlines == ()
    assert [todo.status for todo in closed.todos] == ["ended"]
    assert codes(closed, Comment("li", "for the record")) == []
    assert codes(closed, Assign("li", "sun")) == ["closed"]


def test_who_stands_in_for_the_owner_does_not_review() -> None:
    case = do(opened(), Delegate("wang", "li", NOON + 48 * HOUR))
    assert [clock.holder for clock in case.clocks] == ["chen"]
    assert case.wake_at == NOON + timedelta(days=1)
