"""Which pages a hold keeps back, and who may make one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.warnings import SEVERITIES
from services.notifier.case import Page, PageKind
from services.notifier.holds import GRAVEST, LONGEST, Hold, Holds, against, may_be_held
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON

SNOOZE = Hold("s", "snooze", "R7", "C1", "the customer is on holiday", "wang", NOON, NOON + 3 * DAY, "high")
EXEMPTION = replace(SNOOZE, id="e", kind="exemption", author="li", expires_at=NOON + 90 * DAY, up_to="critical")
COOLDOWN = replace(SNOOZE, id="c", kind="cooldown", author="li", pause=HOUR)


def test_a_hold_is_about_one_rule_and_one_customer_from_its_making_to_its_expiry() -> None:
    holds = Holds((SNOOZE,))
    assert holds.held("R7", "C1", NOON) == SNOOZE
    assert holds.held("R7", "C1", NOON + 3 * DAY - timedelta(microseconds=1)) == SNOOZE
    assert holds.held("R7", "C1", NOON + 3 * DAY) is None
    assert holds.held("R7", "C1", NOON - HOUR) is None
    assert holds.held("R6", "C1", NOON) is None
    assert holds.held("R7", "C2", NOON) is None
    assert Holds().held("R7", "C1", NOON) is None


def test_one_that_was_lifted_keeps_nothing_back_any_more() -> None:
    lifted = replace(SNOOZE, ended_at=NOON + HOUR, ended_by="li")
    assert Holds((lifted,)).held("R7", "C1", NOON) == lifted
    assert Holds((lifted,)).held("R7", "C1", NOON + HOUR) is None


def test_a_snooze_lets_what_is_critical_through_and_an_exemption_does_not() -> None:
    assert [Holds((SNOOZE,)).held("R7", "C1", NOON, one) is not None for one in SEVERITIES] == [True, True, True, False]
    assert all(Holds((EXEMPTION,)).held("R7", "C1", NOON, one) for one in SEVERITIES)
    assert (GRAVEST["snooze"], GRAVEST["cooldown"], GRAVEST["exemption"]) == ("high", "high", "critical")


def test_of_several_the_one_counts_that_is_silent_longest() -> None:
    assert Holds((EXEMPTION, SNOOZE, COOLDOWN)).held("R7", "C1", NOON) == EXEMPTION


def test_a_cooldown_lets_a_page_through_and_then_none_for_its_pause() -> None:
    def at(hold: Hold, minutes: int) -> bool:
        return Holds((hold,)).held("R7", "C1", NOON + timedelta(minutes=minutes)) is not None

    paged = replace(COOLDOWN, paged_at=NOON)
    assert not at(COOLDOWN, 1), "nothing has been said yet"
    assert [at(paged, minutes) for minutes in (0, 1, 59, 60, 61)] == [False, True, True, False, False]
    assert Holds((COOLDOWN, SNOOZE)).let_through("R7", "C1", NOON) == (COOLDOWN,)


@pytest.mark.parametrize("by_operator", [False, True])
def test_where_a_review_is_demanded_a_hold_is_for_those_above_the_owner(by_operator: bool) -> None:
    wished = replace(SNOOZE, rule="R1", up_to="critical")
    (reason,) = against(wished, DIRECTORY, NOON, by_operator=by_operator, reviewed=True)
    assert reason.code == "review_demanded"
    assert "Please ask one of them: 李娜, Chen Jie, 赵敏, 孙丽." in reason.text.en
    for above in ("li", "chen", "zhao", "sun"):
        assert against(replace(wished, author=above), DIRECTORY, NOON, reviewed=True) == ()


def test_where_a_review_is_demanded_nobody_elses_snooze_counts_of_those_there_are() -> None:
    def held(*holds: Hold) -> Hold | None:
        return Holds(holds).held("R7", "C1", NOON, above=("li", "chen"))

    theirs = replace(SNOOZE, id="t", author="li")
    assert held(SNOOZE) is None
    assert held(SNOOZE, theirs) == theirs
    # Only who was above could make these, whoever is by now.
    assert held(replace(EXEMPTION, author="zhao")) is not None


@pytest.mark.parametrize(
    ("kind", "held"),
    [("raised", True), ("amended", True), ("nudge", True), ("breached", True)]
    + [(kind, False) for kind in ("withdrawn", "undelivered", "uncertain", "assigned")],
)
def test_news_of_what_was_told_before_is_never_held(kind: PageKind, held: bool) -> None:
    assert may_be_held(Page("s", kind, "wang", "owner", "w1", 1)) is held


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"reason": " \n"}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"rule": ""}, "rule"),
        ({"rule": "R7\nR8"}, "rule"),
        ({"expires_at": NOON}, "expiry"),
        ({"expires_at": NOON + LONGEST["snooze"] + HOUR}, "expiry"),
        ({"pause": HOUR}, "pause"),
        ({"kind": "cooldown", "author": "li"}, "pause"),
        ({"kind": "cooldown", "author": "li", "pause": timedelta(seconds=1)}, "pause"),
        ({"author": "nobody"}, "unknown_person"),
        ({"kind": "exemption"}, "not_your_customer"),
        ({"author": "sun", "customer_id": "C1", "kind": "exemption"}, ""),
    ],
)
def test_a_hold_that_nobody_may_make_is_refused_with_the_reason(wrong: dict[str, object], code: str) -> None:
    wished = replace(SNOOZE, **wrong)  # type: ignore[arg-type]  # the names are those of the fields
    assert [reason.code for reason in against(wished, DIRECTORY, NOON)] == ([code] if code else [])


def test_owners_snooze_superiors_do_all_and_the_operator_acts_for_anybody() -> None:
    assert against(SNOOZE, DIRECTORY, NOON) == ()
    assert against(EXEMPTION, DIRECTORY, NOON) == ()
    assert against(COOLDOWN, DIRECTORY, NOON) == ()
    assert against(replace(EXEMPTION, author="wang"), DIRECTORY, NOON, by_operator=True) == ()
