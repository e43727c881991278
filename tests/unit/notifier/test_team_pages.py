"""What a department that is asked to join really gets: one message to each person, until it has joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.notifier.actions import Join
from services.notifier.people import Department
from tests.unit.notifier.making import DIRECTORY, HOUR, NOON, r1
from tests.unit.notifier.office import Office


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
