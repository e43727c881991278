"""What of messages, templates and holds is wired into a running notifier: through the outbox, and from settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.cases import Money
from services.common.settings import BadSetting, read_settings
from services.notifier import store
from services.notifier.config import read_notifier_settings
from services.notifier.docket import Docket
from services.notifier.holds import Hold
from services.notifier.views import CaseFilter
from tests.unit.notifier.making import DAY, NOON, make_warning, r1
from tests.unit.notifier.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_what_people_say_is_at_risk_in_a_case_is_told_in_its_next_page(office: Office) -> None:
    office.clerk.file([r1()])
    (line,) = office.desk.list_cases(CaseFilter())
    with office.database.writing() as tx:
        case = store.find_case(tx, line.id)
        assert case is not None
        said = replace(case, value=Money(amount=Decimal("350000.00"), currency="CNY"))
        docket = Docket(tx, office.now())
        docket.save(said, office.clerk.directory)
        docket.write()
    office.dispatcher.round()
    assert all(
        "风险金额\n  350,000.00 CNY" in message.text for message in office.channel.sent if message.to.language == "zh"
    )
    assert {message.data["value"] for message in office.channel.sent} == {"350,000.00 CNY"}


def test_a_case_of_which_nobody_said_what_is_at_risk_has_no_such_row(office: Office) -> None:
    office.clerk.file([r1()])
    office.dispatcher.round()
    assert office.channel.sent
    assert not any("风险金额" in message.text for message in office.channel.sent)


def test_what_a_hold_keeps_back_reaches_no_channel_until_it_ends(office: Office) -> None:
    hold = Hold("h", "exemption", "R7", "C1", "agreed", "li", NOON, NOON + DAY)
    office.desk.hold(hold)
    office.clerk.file([make_warning()])
    office.dispatcher.round()
    office.inbox.round()
    assert (office.channel.sent, office.states()) == ([], [])
    office.pass_seconds(DAY.total_seconds())
    office.clerk.release()
    office.dispatcher.round()
    assert [message.to.id for message in office.channel.sent] == ["wang", "li"]


def test_the_window_and_the_folder_of_templates_come_from_settings(tmp_path: Path) -> None:
    usual = read_notifier_settings({}, read_settings({}))
    assert (usual.digest_window_s, usual.templates) == (timedelta(minutes=10).total_seconds(), None)
    env = {"BELLWETHER_DIGEST_WINDOW_S": "60", "BELLWETHER_TEMPLATES": str(tmp_path)}
    own = read_notifier_settings(env, read_settings({}))
    assert (own.digest_window_s, own.templates) == (60, tmp_path)
    for wrong in ("-1", "1e9", "86401", "ten"):
        with pytest.raises(BadSetting, match="BELLWETHER_DIGEST_WINDOW_S"):
            read_notifier_settings({"BELLWETHER_DIGEST_WINDOW_S": wrong}, read_settings({}))
