"""What a department that is asked to join really gets: one message to each person, until it has joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.notifier.actions import Join
from services.notifier.contents import Notice
from services.notifier.messages import Letters
from services.notifier.people import Department
from services.notifier.words import load_words
from tests.unit.notifier.making import DAY, DIRECTORY, HOUR, NOON, PEOPLE, r1
from tests.unit.notifier.office import Office

LETTERS = Letters(DIRECTORY, "http://console.example.com", ZoneInfo("Asia/Shanghai"), load_words())
WANG, _LI, CHEN, *_OTHERS = PEOPLE
RAISED = Notice("key-1", "raised", "owner", "case-1", r1(), NOON + DAY)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def sent(office: Office) -> dict[str, str]:
    """Each person's newest message; nobody has two of one round."""
    office.channel.sent.clear()
    office.dispatcher.round()
    people = [message.to.id for message in office.channel.sent]
    assert len(people) == len(set(people))
    return {message.to.id: message.text for message in office.channel.sent}


def test_each_reads_of_their_own_department_also_who_is_told_anyway(office: Office) -> None:
    office.clerk.file([r1()])
    found = sent(office)
    assert set(found) == {"wang", "li", "chen", "sun"}
    assert "介入" not in found["wang"]
    assert "请sales派人介入，共同处理的还有：客户负责人 王强 及其上级、finance、service" in found["li"].replace(
        ", ", "、"
    )
    assert "Please have finance join the intervention." in found["chen"]
    assert "Please have service join the intervention." in found["sun"]


def test_once_it_has_joined_no_page_speaks_of_it_any_more(office: Office) -> None:
    office.clerk.file([r1()])
    sent(office)
    office.clerk.act(office.the_case(), Join("wang", "sales"))
    office.at = NOON + 12 * HOUR
    office.clerk.tick()
    found = sent(office)
    assert set(found) == {"li", "chen", "sun"}
    assert "介入" not in found["li"]
    assert "still waits for finance, and half of the time is over" in found["chen"]


def test_who_leads_two_departments_reads_of_both_in_one_message(office: Office) -> None:
    offices = (Department("finance", "", "chen"), Department("service", "", "chen"))
    office.clerk.people = replace(DIRECTORY, offices=offices)
    office.clerk.file([r1()])
    assert "Please have finance, service join the intervention." in sent(office)["chen"]


JOIN = replace(RAISED, kind="join", role="department", departments=("finance",))


def test_who_is_asked_for_a_department_reads_which_with_whom_by_when_and_where_it_is_recorded() -> None:
    chinese, english = LETTERS.single(JOIN, WANG), LETTERS.single(JOIN, CHEN)
    assert chinese.subject == "【请介入·中】江南精密机械有限公司：客户连续两月回款延迟"
    assert "需要财务部介入" in chinese.text
    assert "共同处理的还有：客户负责人 王强 及其上级、销售部、客服部" in chinese.text
    assert "在控制台的案件页“记录部门加入”" in chinese.text
    assert "须在此前介入\n  2026-03-03 12:00 +0800" in chinese.text
    assert "Please have Finance join the intervention" in english.text
    assert "Also drawn in: 王强 (the owner) with the superior, Sales, Service." in english.text
    assert "Join by\n  2026-03-03 12:00 +0800" in english.text
    for message in (chinese, english):
        assert "开始审核" not in message.text + message.html
        assert "ticket" not in message.text


def test_a_reminder_of_a_department_says_that_it_is_one() -> None:
    late = replace(JOIN, kind="join_due")
    assert "仍在等财务部介入，时间已过半" in LETTERS.single(late, WANG).text
    assert "still waits for Finance, and half of the time is over" in LETTERS.single(late, CHEN).text


def test_who_is_told_anyway_reads_of_the_department_in_the_same_page() -> None:
    text = LETTERS.single(replace(RAISED, role="superior", departments=("sales", "service")), CHEN).text
    assert "You are the superior of its owner, 王强." in text
    assert (
        "Please have Sales, Service join the intervention. Also drawn in: 王强 (the owner) with the superior, Finance."
        in text
    )
    assert "The review must be opened by" in text
    assert "join the intervention" not in LETTERS.single(RAISED, CHEN).text


def test_a_digest_says_what_is_asked_of_the_department() -> None:
    assert (
        "【请介入】中：客户连续两月回款延迟（请财务部介入）  2026-03-03 12:00 前介入"
        in LETTERS.digest([JOIN], WANG).text
    )
    told = replace(RAISED, departments=("sales",))
    assert "（请销售部介入）  2026-03-03 12:00 前开始审核" in LETTERS.digest([told], WANG).text


def test_a_department_that_a_route_tells_of_a_warning_reads_of_no_ticket() -> None:
    text = LETTERS.single(replace(RAISED, role="department"), CHEN).text
    assert "Your department is told of it, too. The owner is 王强." in text
    assert "ticket" not in text
