"""The whole way, once, on the manual clock: from finance events to people who are told, and told that it is over."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.topics import Topics
from services.common.clock import set_manual_clock
from tests.support.commands import Commands
from tests.support.fixtures import Kafka
from tests.support.system import Installation, standing
from tests.support.waiting import wait_until

CUSTOMER = "JN-0042"
PEOPLE = """
people:
  - {id: zhang.wei, name: 张伟, department: sales, language: zh, reports_to: li.na, email: zhang.wei@example.com}
  - {id: li.na, name: 李娜, department: sales, language: zh, reports_to: chen.jing, email: li.na@example.com}
  - {id: chen.jing, name: Chen Jing, department: management, language: en, email: chen.jing@example.com}
  - {id: wang.fang, name: 王芳, department: finance, language: zh, reports_to: chen.jing, email: wang.fang@example.com}
  - {id: he.jie, name: 何洁, department: service, language: zh, reports_to: chen.jing, email: he.jie@example.com}
departments:
  - {id: finance, name: 财务部, head: wang.fang}
  - {id: service, name: 客服部, head: he.jie}
customers:
  - {id: JN-0042, name: 江南精密机械有限公司, owner: zhang.wei, region: 华东}
fallback: chen.jing
"""


def at(text: str) -> datetime:
    """An instant in the company's zone."""
    return datetime.fromisoformat(f"{text}+08:00")


class Story:
    """The company of this story: its services, its clock, and the inbox of its people."""

    def __init__(self, system: Installation, folder: Path) -> None:
        self.system = system
        self.clock = folder / "clock"
        self.inbox = folder / "data" / "inbox.jsonl"
        self.seen = 0

    def it_is(self, text: str) -> None:
        set_manual_clock(self.clock, at(text))

    def finance_says(self, kind: str, time: str, **data: Any) -> None:
        """One event through ingest, answered only when it is durable."""
        event = {
            "specversion": "1.0",
            "id": f"{kind}-{'-'.join(str(value) for name, value in data.items() if name.endswith('_id'))}",
            "source": "finance",
            "type": f"bellwether.{kind}",
            "time": at(time).isoformat(),
            "subject": CUSTOMER,
            "data": data,
        }
        answer = httpx.post(f"{self.system.url('ingest')}/v1/events", json=event, timeout=30)
        assert answer.status_code == 202, answer.text

    def finance_issues(self, month: str, amount: str) -> None:
        """An invoice of the 5th of a month, due on the 20th."""
        dates = {"issue_date": f"{month}-05", "due_date": f"{month}-20"}
        data = {"invoice_id": month, "amount": amount, "currency": "CNY", **dates}
        self.finance_says("invoice.issued", f"{month}-05 09:00:00", **data)

    def pages(self, number: int, why: str) -> dict[str, str]:
        """The next `number` pages, subject by person."""
        wait_until(lambda: len(self._delivered()) >= self.seen + number, why)
        new = self._delivered()[self.seen :]
        assert len(new) == number, f"{why}: {new}"
        self.seen += number
        return {line["person"]: line["subject"] for line in new}

    def reminds(self, *people: str, at: str, sent: str) -> None:
        """Pages that are written down at an instant, and go with what else came for the person a moment later."""
        before = self.summary()["pages"]
        self.it_is(at)
        wait_until(lambda: self.summary()["pages"] != before, f"{people} to be reminded")
        self.it_is(sent)
        assert set(self.pages(len(people), "the reminders")) == set(people)

    def _delivered(self) -> list[dict[str, str]]:
        if not self.inbox.exists():
            return []
        return [json.loads(line) for line in self.inbox.read_text(encoding="utf-8").splitlines()]

    def summary(self) -> dict[str, object]:
        return self.system.get_json("notifier", "/api/summary")


@pytest.fixture
def story(tmp_path: Path, kafka: Kafka, topics: Topics, commands: Commands) -> Story:
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    env = {
        "BELLWETHER_CLOCK": f"manual:{tmp_path / 'clock'}",
        "BELLWETHER_DIRECTORY": str(tmp_path / "people.yaml"),
    }
    told = Story(Installation(commands, kafka.bootstrap, topics, tmp_path, env), tmp_path)
    told.it_is("2026-01-05 09:00:00")
    told.system.start("ingest", "rules", "notifier")
    return told


def test_two_late_months_are_noticed_escalated_and_taken_back(story: Story) -> None:
    # An invoice a month, each due on the 20th. One that is late is not yet a warning.
    story.finance_issues("2026-01", "120000.00")
    story.it_is("2026-02-05 09:00:00")
    story.finance_issues("2026-02", "80000.00")
    story.system.wait_for_rules()
    assert standing(story.system.warnings()) == {}

    # The second one passes its due date unpaid: no event says so, only the clock.
    story.it_is("2026-02-21 08:00:00")
    told = story.pages(4, "owner and superior to be paged at once, and who heads finance and service")
    assert set(told) == {"zhang.wei", "li.na", "wang.fang", "he.jie"}
    assert told["wang.fang"].startswith("【请介入")
    check_warning(story)

    # 24 hours pass and nobody opens the review: at half of them and an hour before their end the superior is reminded,
    # at half of them the departments are, of which none has joined;
    story.reminds("li.na", "wang.fang", "he.jie", at="2026-02-21 20:00:00", sent="2026-02-21 20:05:00")
    story.reminds("li.na", at="2026-02-22 07:00:00", sent="2026-02-22 07:05:00")
    # then the next manager is paged, and not a minute before.
    story.it_is("2026-02-22 07:59:00")
    assert story.summary()["pages"] == 8
    story.it_is("2026-02-22 08:00:00")
    assert set(story.pages(1, "the next manager to be paged")) == {"chen.jing"}

    # The bank's file was booked late: the money of February had come on the 18th.
    story.finance_says(
        "payment.received",
        "2026-02-22 08:00:00",
        payment_id="P-1",
        amount="80000.00",
        currency="CNY",
        value_date="2026-02-18",
        allocations=[{"invoice_id": "2026-02", "amount": "80000.00"}],
    )
    told = story.pages(5, "all who were paged to be told")
    assert set(told) == {"zhang.wei", "li.na", "chen.jing", "wang.fang", "he.jie"}
    assert standing(story.system.warnings()) == {}
    assert story.summary()["cases_open"] == 0, "nothing holds the case any more"


def check_warning(story: Story) -> None:
    """R1, with its evidence and 24 hours for the review, in one open case."""
    [warning] = standing(story.system.warnings()).values()
    assert (warning.rule, warning.start, warning.end) == ("R1", at("2026-02-21 00:00:00"), None)
    assert warning.review is not None
    assert warning.review.due == warning.detected_at + timedelta(hours=24)
    assert {ref.id for ref in warning.evidence.events} == {"invoice.issued-2026-01", "invoice.issued-2026-02"}
    assert story.summary()["cases_open"] == 1
