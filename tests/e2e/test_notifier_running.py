"""What changes while a notifier runs as a process: its routes, and what people prove of their addresses."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from schemas.topics import Topics
from tests.e2e.test_notifier import House
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.providers.wecom import WecomAppServer
from tests.support.waiting import wait_until
from tests.unit.notifier.making import NOON, make_warning

CHANNEL = """
allow: [127.0.0.0/8]
channels: {{wecom: {{kind: wecom_app, corp: ww1, agent: 7, secret: {{env: THE_SECRET}}, home: '{home}'}}}}
"""
PASSWORD = "correct horse battery"


@pytest.fixture
def house(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Iterator[House]:
    made = House(tmp_path, kafka, topics, commands)
    yield made
    made.database.close()


def test_routes_that_are_edited_are_in_force_without_a_restart(house: House, tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text("tell: owner\n", encoding="utf-8")
    house.start(BELLWETHER_ROUTES=str(routes))
    house.send(make_warning("w1", customer_id="C1"))
    wait_until(lambda: [person for person, _ in house.delivered()] == ["wang"], "the owner's page")

    routes.write_text("tell: whoever\n", encoding="utf-8")
    refused = "bellwether_notifier_routes_refused"
    wait_until(lambda: f"{refused} 1.0" in house.get("/metrics").text, "the refusal to be told")
    assert house.status("/readyz") == 200
    routes.write_text("tell: person:chen\n", encoding="utf-8")
    wait_until(lambda: f"{refused} 0.0" in house.get("/metrics").text, "the new routes")
    house.send(make_warning("w2", customer_id="C2"))
    wait_until(lambda: [person for person, _ in house.delivered()] == ["wang", "chen"], "the page by the new routes")


class Reader:
    """Wang at a browser without scripts."""

    def __init__(self, house: House) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{house.port}", follow_redirects=True, timeout=20)
        self.page = self.client.get("/sign-in").text
        self.send("/sign-in", name="wang", password=PASSWORD, next="/methods")

    def send(self, path: str, **fields: str) -> str:
        (csrf, *_) = re.findall(r'name="csrf" value="([^"]+)"', self.page)
        self.page = html.unescape(self.client.post(path, data={**fields, "csrf": csrf}).text)
        return self.page

    def field(self, name: str) -> str:
        return str(re.findall(rf'name="{name}" value="([^"]+)"', self.page)[-1])


def test_somebody_proves_and_tries_their_address_in_the_console(house: House, tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    wang = 'id: wang, methods: [{channel: wecom_app, address: "WangQiang"}]'
    people.write_text(people.read_text(encoding="utf-8").replace("id: wang", wang, 1), encoding="utf-8")
    file = tmp_path / "channels.yaml"
    with WecomAppServer(lambda: NOON, "ww1", "a-secret", 7) as provider:
        file.write_text(CHANNEL.format(home=provider.home), encoding="utf-8")
        house.start(BELLWETHER_CHANNELS_FILE=str(file), THE_SECRET="a-secret")
        house.desk.create_user("wang", "wang", PASSWORD)
        reader = Reader(house)
        assert "WangQiang" not in reader.page
        reader.send("/methods/test", method=reader.field("method"), channel="wecom")
        assert "渠道已接受测试消息" in reader.page
        reader.send("/methods/code", method=reader.field("method"))
        (code,) = re.findall(r"\d{6}", str(provider.accepted[-1]))
        reader.send("/methods/confirm", method=reader.field("method"), code=code)
        assert "该地址已验证" in reader.page
        reader.send("/methods/test", method=reader.field("method"), channel="wecom")
        assert "请 10 秒后再试" in reader.page, "the clock of this house stands still"
        reader.client.close()
