"""Channels of a file in a notifier as a process, on a real Kafka: from the topic to the providers' test servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import Topics
from services.notifier.views import CaseFilter
from tests.e2e.test_notifier import House
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.providers.pagerduty import PagerDutyServer
from tests.support.providers.wecom import WecomBotServer
from tests.support.waiting import wait_until
from tests.unit.notifier.making import NOON, make_warning

SECRET = "bot-key-of-nobody"

FILE = """
allow: [127.0.0.0/8]
channels:
  group: {{kind: wecom_bot, key: {{env: THE_KEY}}, home: '{wecom}'}}
  pager: {{kind: pagerduty, routing_key: {{file: {key}}}, home: '{pager}'}}
"""


@pytest.fixture
def house(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Iterator[House]:
    made = House(tmp_path, kafka, topics, commands)
    yield made
    made.database.close()


def test_a_case_goes_to_the_group_and_is_an_incident_until_it_is_closed(
    house: House, tmp_path: Path, commands: Commands
) -> None:
    (tmp_path / "key").write_text("R" * 32 + "\n", encoding="utf-8")
    file = tmp_path / "channels.yaml"
    with WecomBotServer(lambda: NOON, SECRET) as wecom, PagerDutyServer(lambda: NOON) as pager:
        file.write_text(FILE.format(wecom=wecom.home, pager=pager.home, key=tmp_path / "key"), encoding="utf-8")
        house.start(BELLWETHER_CHANNELS_FILE=str(file), THE_KEY=SECRET)
        house.send(make_warning(audience=["owner"]))
        wait_until(lambda: house.desk.list_cases(CaseFilter()) != [], "the case", 30)
        (case,) = house.desk.list_cases(CaseFilter())
        wait_until(lambda: pager.incidents.get(case.id) == "triggered", "the incident", 30)
        wait_until(lambda: any("江南" in str(one["markdown"]) for one in wecom.accepted), "the page in the group", 30)
        house.desk.acknowledge(case.id, "wang")
        wait_until(lambda: pager.incidents[case.id] == "acknowledged", "the acknowledgement", 60)
        house.desk.close(case.id, "li", "act", "visited")
        wait_until(lambda: case.id not in pager.incidents, "the end of the incident", 60)
        metrics = house.get("/metrics").text
        assert 'pages{channel="group",state="failed"} 0.0' in metrics
    told = metrics + "".join(log.read_text(errors="replace") for log in commands.directory.rglob("*.log"))
    assert "notifier" in told
    assert SECRET not in told
    assert "R" * 32 not in told
