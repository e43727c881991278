"""Holds on every database: pages wait, verdicts and cases do not, and what still holds at the end pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from schemas import warnings as wire
from schemas.topics import Topics
from services.common.database import Database
from services.notifier import outbox, tables
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.desk import Desk, NotFound, Refused
from services.notifier.handing import Assign
from services.notifier.holds import Hold, HoldKind
from services.notifier.house import House
from services.notifier.owners_follower import OwnersFollower
from services.notifier.routing_file import parse_routes
from services.notifier.views import CaseFilter, CaseView
from tests.contract.notifier.clocks import Clock
from tests.support.records import Rec
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, make_warning, r1

PAGED = ["wang", "li"]
ASKED = ["chen", "sun"]
"""For finance and for service, where there is a review."""


def hold(kind: HoldKind = "exemption", rule: str = "R7", **fields: object) -> Hold:
    made = Hold(f"h-{kind}-{rule}", kind, rule, "C1", "a strike at the customer's", "li", NOON, NOON + 7 * DAY)
    return replace(made, **fields)  # type: ignore[arg-type]  # the names are those of the fields


def test_while_it_counts_pages_wait_but_verdict_case_and_clock_are_as_without_it(clerk: Clerk, desk: Desk) -> None:
    desk.hold(hold(rule="R1"))
    assert clerk.file([r1()]) == {Verdict.OPENED: 1}
    case = the_case(desk)
    assert paged(case) == []
    assert (case.line.review, case.line.due) == ("waiting", r1().review and NOON + DAY)
    told = [(entry.type, entry.person, entry.note) for entry in case.timeline if entry.type == "case.page_held"]
    assert [(type, person) for type, person, _ in told] == [("case.page_held", person) for person in [*PAGED, *ASKED]]
    assert all("a strike at the customer's" in str(note) for _, _, note in told)
    (listed,) = desk.list_holds()
    assert (listed.pages, listed.warnings, listed.author) == (4, 1, "李娜")


def test_departments_that_have_not_joined_are_asked_when_the_hold_is_over(
    clerk: Clerk, desk: Desk, clock: Clock
) -> None:
    desk.hold(hold(rule="R1"))
    clerk.file([r1()])
    desk.join(the_case(desk).line.id, "wang", "finance")
    clock.at = NOON + 12 * HOUR
    clerk.tick()
    assert paged(the_case(desk)) == []
    clock.at = NOON + 7 * DAY
    clerk.release()
    assert paged(the_case(desk)) == [*PAGED, "sun"]


def test_a_department_whose_time_ran_out_under_a_hold_has_it_anew(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    desk.hold(hold(rule="R1"))
    clerk.file([r1()])
    for days in (2, 7):
        clock.at = NOON + days * DAY
        clerk.tick()
        clerk.release()
    with clerk.database.reading() as tx:
        asked = [page.due_at for page in outbox.select_pages(tx, tables.pages.c.kind == "join")]
    assert asked
    assert set(asked) == {clock.at + DAY}
    clock.at += 13 * HOUR
    clerk.tick()
    assert paged(the_case(desk)).count("sun") == 2, "reminded"


def test_other_rules_and_other_customers_page_as_ever(clerk: Clerk, desk: Desk) -> None:
    desk.hold(hold())
    clerk.file([make_warning(customer_id="C2"), make_warning("w2", rule="R6"), make_warning("w3")])
    assert paged(the_case(desk, "C2")) == PAGED
    assert paged(the_case(desk)) == PAGED, "of R6 alone"


def test_an_owner_cannot_silence_a_rule_that_demands_a_superiors_review(clerk: Clerk, desk: Desk) -> None:
    wished = hold("snooze", "R1", author="wang", up_to="critical")
    clerk.file([r1(), make_warning(rule="R6", id="w6")])
    with pytest.raises(Refused) as refused:
        desk.hold(wished)
    assert [reason.code for reason in refused.value.reasons] == ["review_demanded"]
    assert desk.list_holds() == []
    desk.hold(replace(wished, author="li"))
    desk.hold(hold("snooze", "R6", author="wang"))
    desk.hold(hold("snooze", "R1", customer_id="C2", author="wang", id="other"))


def test_a_snooze_that_an_owner_made_in_advance_holds_no_page_where_a_review_is_demanded(
    clerk: Clerk, desk: Desk, clock: Clock
) -> None:
    desk.hold(hold("snooze", "R1", author="wang", up_to="critical", expires_at=NOON + 20 * DAY))
    clerk.file([make_warning(rule="R1")])
    assert paged(the_case(desk)) == [], "it demands none"
    clerk.file([r1(customer_id="C1")])
    assert paged(the_case(desk)) == [*PAGED, "chen", "sun"], "the departments' heads too"
    clock.at += 25 * HOUR
    clerk.tick()
    assert "chen" in paged(the_case(desk))[4:]


def test_at_expiry_what_still_holds_pages_those_who_answer_for_it_now(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    desk.hold(hold())
    clerk.file([make_warning()])
    clock.at = NOON + 7 * DAY - HOUR
    assert clerk.release() == 0
    clock.at += HOUR
    assert clerk.release() == 1
    assert clerk.release() == 0, "once"
    case = the_case(desk)
    assert paged(case) == PAGED
    assert case.timeline[-1].type == "hold.ended"


def test_who_was_told_before_a_snooze_is_told_again_at_its_end(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    clerk.file([make_warning()])
    desk.hold(hold("snooze", author="wang"))
    clock.at = NOON + 7 * DAY
    clerk.release()
    assert paged(the_case(desk)) == [*PAGED, *PAGED]


@pytest.mark.parametrize("over", ["ended", "withdrawn", "closed"])
def test_what_is_over_by_then_pages_nobody(over: str, clerk: Clerk, desk: Desk, clock: Clock) -> None:
    desk.hold(hold())
    clerk.file([make_warning()])
    case = the_case(desk)
    if over == "closed":
        desk.close(case.line.id, "li", "accept", "we know")
    else:
        clerk.file([make_warning(revision=2, change=over, end=NOON)])
    clock.at = NOON + 7 * DAY
    clerk.release()
    assert paged(the_case(desk)) == []


def test_lifted_early_it_pages_at_once_and_says_who_lifted_it(clerk: Clerk, desk: Desk) -> None:
    wanted = hold()
    desk.hold(wanted)
    clerk.file([make_warning()])
    with pytest.raises(Refused):
        desk.lift_hold(wanted.id, "wang")
    desk.lift_hold(wanted.id, "chen")
    clerk.release()
    case = the_case(desk)
    assert paged(case) == PAGED
    assert (case.timeline[-1].type, case.timeline[-1].actor) == ("hold.ended", "chen")
    assert desk.list_holds() == []
    (over,) = desk.list_holds(over=True)
    assert over.ended_by == "Chen Jie"
    for hold_id in (wanted.id, "unknown"):
        with pytest.raises(NotFound):
            desk.lift_hold(hold_id, "chen")


def test_a_hold_that_is_set_on_an_open_case_is_on_its_timeline(clerk: Clerk, desk: Desk) -> None:
    clerk.file([make_warning()])
    desk.hold(hold())
    entry = the_case(desk).timeline[-1]
    assert (entry.type, entry.actor) == ("hold.set", "li")
    assert "R7" in str(entry.note)
    assert "a strike at the customer's" in str(entry.note)


def test_where_two_holds_meet_the_pages_wait_for_the_later_end(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    desk.hold(hold("snooze", author="wang", expires_at=NOON + DAY))
    desk.hold(hold(expires_at=NOON + 2 * DAY))
    clerk.file([make_warning()])
    clock.at = NOON + DAY
    clerk.release()
    assert paged(the_case(desk)) == []
    clock.at = NOON + 2 * DAY
    clerk.release()
    assert paged(the_case(desk)) == PAGED


def test_a_cooldown_pages_once_a_pause_and_only_about_what_it_kept_back(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    def worse(revision: int) -> wire.Warning:
        return make_warning(revision=revision, change="amended", pages_again=True)

    desk.hold(hold("cooldown", pause=HOUR, up_to="high"))
    clerk.file([make_warning()])
    assert paged(the_case(desk)) == PAGED
    clock.at += timedelta(minutes=10)
    clerk.file([worse(2), worse(3)])
    assert paged(the_case(desk)) == PAGED
    clock.at = NOON + HOUR
    clerk.release()
    assert paged(the_case(desk)) == [*PAGED, *PAGED], "the newest of what was kept back"
    clock.at = NOON + 3 * HOUR
    assert clerk.release() == 0
    clock.at = NOON + 7 * DAY
    assert clerk.release() == 0
    assert paged(the_case(desk)) == [*PAGED, *PAGED]


def test_a_task_waits_too_and_comes_to_its_list_all_the_same(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    desk.hold(hold())
    clerk.file([make_warning(output="task")])
    assert len(desk.list_tasks("wang")) == 1
    assert desk.summary().pages == 0
    clock.at = NOON + 7 * DAY
    clerk.release()
    assert desk.summary().pages == 3, "one by each channel"


def test_a_tasks_reminders_wait_as_well(clerk: Clerk, desk: Desk, clock: Clock) -> None:
    clerk.file([make_warning(output="task")])
    before = desk.summary().pages
    desk.hold(hold(expires_at=NOON + 60 * DAY))
    clock.at = NOON + 50 * DAY
    while clerk.tick():
        pass
    assert desk.summary().pages == before
    assert desk.list_holds()[0].pages > 0


def test_an_escalation_is_held_like_the_page_before_it_and_counted_all_the_same(
    clerk: Clerk, desk: Desk, clock: Clock
) -> None:
    desk.hold(hold(rule="R1"))
    clerk.file([r1()])
    clock.at = NOON + DAY
    clerk.tick()
    case = the_case(desk)
    assert paged(case) == []
    assert "review.breached" in [entry.type for entry in case.timeline]


def test_what_a_hold_lets_go_of_goes_by_the_channels_of_its_route_to_all_who_would_be_told(
    database: Database, clock: Clock
) -> None:
    tree = parse_routes(b"tell: [owner]\nescalate: [superior]\nchannels: [webhook, email]\n", Path("routes.yaml"))
    clerk = Clerk(database, DIRECTORY, clock, channels=("email", "webhook"), house=House(routes=tree))
    desk = Desk(clerk)
    desk.hold(hold(rule="R1"))
    clerk.file([r1()])
    desk.do(the_case(desk).line.id, Assign("li", "zhao"))
    clock.at = NOON + DAY
    clerk.tick()
    clock.at = NOON + 7 * DAY
    clerk.release()
    sent = [(page.person, page.role, page.channel) for page in the_case(desk).pages if page.kind == "raised"]
    assert sent == [
        ("wang", "owner", "inbox"),
        ("wang", "owner", "webhook"),
        ("zhao", "assignee", "inbox"),
        ("zhao", "assignee", "email"),
        ("zhao", "assignee", "webhook"),
        ("sun", "escalation", "inbox"),
        ("sun", "escalation", "webhook"),
    ], "the owner by the first channel of the route, who works on it, and who is asked for the review by now"


@pytest.mark.parametrize("kind", ["exemption", "cooldown"])
def test_holds_follow_a_customer_that_turned_out_to_be_another(
    kind: HoldKind, clerk: Clerk, desk: Desk, clock: Clock
) -> None:
    clerk.file([make_warning("other", customer_id="C2", rule="R6")])
    made = hold(kind, pause=2 * DAY if kind == "cooldown" else None)
    desk.hold(made)
    desk.hold(hold("snooze", rule="R6", expires_at=NOON + HOUR))
    clerk.file([make_warning(), make_warning("w2", rule="R6")])
    clock.at = NOON + DAY
    follower = OwnersFollower("127.0.0.1:1", Topics("t"), clerk.database, clock)
    for _ in range(2):
        follower.keep([merge("C1", into="C2")])
        assert [(one.hold.customer_id, one.hold.rule) for one in desk.list_holds()] == [("C2", "R7")], "and once"
    (moved,) = desk.list_holds()
    same = ("kind", "reason", "author", "expires_at", "up_to", "pause")
    assert [getattr(moved.hold, name) for name in same] == [getattr(made, name) for name in same]
    clerk.release()
    clerk.file([make_warning("w3", customer_id="C2")])
    before = [page.kind for page in the_case(desk, "C1").pages]
    assert paged(the_case(desk, "C2")) == PAGED, "of R6, before"
    assert [entry.type for entry in the_case(desk, "C1").timeline if entry.type == "hold.ended"] == ["hold.ended"] * 2
    clock.at = NOON + 7 * DAY
    clerk.release()
    assert paged(the_case(desk, "C2")) == [*PAGED, *PAGED], "it ends when it would have ended"
    assert [page.kind for page in the_case(desk, "C1").pages] == before


def merge(customer: str, into: str) -> Rec:
    document = {
        "specversion": "1.0",
        "id": "m1",
        "source": "crm",
        "type": "bellwether.customer.merged",
        "time": "2026-03-03T09:00:00+08:00",
        "subject": into,
        "data": {"merged_customer_id": customer},
    }
    return Rec(0, None, orjson.dumps(document))


def the_case(desk: Desk, customer: str = "C1") -> CaseView:
    (line,) = desk.list_cases(CaseFilter(status=None, customer_id=customer))
    return desk.get_case(line.id)


def paged(case: CaseView) -> list[str]:
    return [page.person for page in case.pages if page.channel == "inbox"]
