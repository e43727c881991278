"""A rule that nobody has written before: one file of YAML beside the shipped ones, and it works to the last page."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.topics import Topics
from schemas.warnings import Bilingual, Branch, Warning
from services.common.clock import set_manual_clock
from services.rules.books import SHIPPED
from tests.support.commands import Commands, call_bellwether
from tests.support.fixtures import Kafka
from tests.support.system import Installation, standing
from tests.support.waiting import wait_until

CUSTOMER = "HX-7"
RULE = """
id: X1
name: {zh: “跟着促销走”的客户, en: "Buys \\"with the campaigns\\" only"}
kind: stretch
output: warning
severity: high
clause:
  zh: 半年内两次随促销更换产品、且一个月无人致电的客户，应弄清其真实需求。
  en: Find out what a customer really needs who bought with two campaigns and was not called for a month.
  source: 测试制度 1
summary:
  zh: 近 {months} 个月随促销更换 {switches} 次，最近一次活动为“{campaign}”，一个月内通话 {calls} 次。
  en: "{switches} changes with a campaign in {months} months, the last with '{campaign}', and {calls} calls in a month."
advice: {zh: 打电话问清真实需求。, en: Call and ask what is really needed.}
clears: {zh: 与客户通话后解除。, en: Ends with a call.}
params:
  times: {type: int, default: 2, min: 1, max: 12, label: {zh: 次数, en: changes}}
  months: {type: int, default: 6, min: 1, max: 36, label: {zh: 月数, en: months}}
  patience: {type: duration, default: 30d, label: {zh: 无人致电, en: uncalled for}}
facts:
  switches:
    {shape: changes, of: orders, field: campaign, window: {months: $months}, label: {zh: 更换次数, en: changes}}
  campaign: {shape: latest, of: orders, field: campaign, default: "", label: {zh: 活动, en: campaign}}
  calls:
    {shape: count, of: activity.logged, where: {kind: {is: call}}, window: $patience, label: {zh: 通话, en: calls}}
conditions:
  uncalled: {not: {fact: calls, op: ">=", value: 1}}
when:
  all:
    - {fact: switches, op: ">=", value: $times}
    - {fact: campaign, op: not_in, value: ["", "无"]}
    - {condition: uncalled}
escalates:
  - {to: critical, when: {fact: switches, op: ">=", value: 3}, audience: [superior]}
audience: [owner]
examples:
  - name: two changes
    events:
      - type: order.placed
        time: "2026-01-05T10:00:00+08:00"
        data: {order_id: O1, currency: CNY, campaign: 春, lines: [{product_id: P, quantity: "1", unit_price: "1"}]}
      - type: order.placed
        time: "2026-02-05T10:00:00+08:00"
        data: {order_id: O2, currency: CNY, campaign: 夏, lines: [{product_id: P, quantity: "1", unit_price: "1"}]}
      - type: order.placed
        time: "2026-03-05T10:00:00+08:00"
        data: {order_id: O3, currency: CNY, campaign: 春, lines: [{product_id: P, quantity: "1", unit_price: "1"}]}
    until: "2026-03-06T00:00:00+08:00"
    fires: [["2026-03-05T10:00:00+08:00", null]]
  - {name: nothing at all, events: [], until: "2026-03-06T00:00:00+08:00", fires: []}
"""
PEOPLE = """
people:
  - {id: zhang.wei, name: 张伟, department: sales, language: zh, reports_to: li.na, email: zhang.wei@example.com}
  - {id: li.na, name: Li Na, department: sales, language: en, email: li.na@example.com}
customers:
  - {id: HX-7, name: 宏兴贸易, owner: zhang.wei, region: 华东}
fallback: li.na
"""


class Company:
    """An installation under a manual clock, and the rulebook that somebody keeps in a folder."""

    def __init__(self, kafka: Kafka, topics: Topics, commands: Commands, folder: Path) -> None:
        (folder / "people.yaml").write_text(PEOPLE, encoding="utf-8")
        self.clock, self.inbox = folder / "clock", folder / "data" / "inbox.jsonl"
        env = {
            "BELLWETHER_CLOCK": f"manual:{self.clock}",
            "BELLWETHER_DIRECTORY": str(folder / "people.yaml"),
        }
        self.system = Installation(commands, kafka.bootstrap, topics, folder, env)
        self.rules = folder / "rules"
        shutil.copytree(SHIPPED, self.rules)
        (self.rules / "X1_buys_with_campaigns.yaml").write_text(RULE, encoding="utf-8")

    def publish(self) -> None:
        """Puts the folder in force."""
        done = call_bellwether("rules", "publish", str(self.rules), env=self.system.env)
        assert done.returncode == 0, done.stderr
        assert "60 rules are published" in done.stdout

    def says(self, kind: str, time: str, /, **data: Any) -> None:
        """One event through ingest; the clock comes to its time."""
        set_manual_clock(self.clock, at(time))
        event = {
            "specversion": "1.0",
            "id": f"{kind}-{time}",
            "source": "crm",
            "type": f"bellwether.{kind}",
            "time": at(time).isoformat(),
            "subject": CUSTOMER,
            "data": data,
        }
        answer = httpx.post(f"{self.system.url('ingest')}/v1/events", json=event, timeout=30)
        assert answer.status_code == 202, answer.text

    def orders(self, time: str, campaign: str) -> None:
        line = {"product_id": "P", "quantity": "2", "unit_price": "1999.50"}
        self.says("order.placed", time, order_id=f"O-{time}", currency="CNY", campaign=campaign, lines=[line])

    def warning(self, change: str) -> Warning:
        """The newest revision of the new rule's only warning, as soon as it tells of this change."""

        def found() -> list[Warning]:
            revisions = [one for one in self.system.warnings() if one.rule == "X1"]
            return [one for one in standing(revisions).values() if one.change == change]

        wait_until(lambda: len(found()) == 1, f"the new rule's warning to be {change}", 60)
        return found()[0]

    def pages(self) -> dict[str, str]:
        """Who was told of the new rule, and in which words."""
        if not self.inbox.exists():
            return {}
        lines = map(json.loads, self.inbox.read_text(encoding="utf-8").splitlines())
        told = ((line["person"], f"{line['subject']}\n{line['text']}") for line in lines)
        return {person: text for person, text in told if "跟着促销走" in text or "with the campaigns" in text}


def at(text: str) -> datetime:
    """An instant in the company's zone."""
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.fixture
def company(kafka: Kafka, topics: Topics, commands: Commands, tmp_path: Path) -> Company:
    made = Company(kafka, topics, commands, tmp_path)
    set_manual_clock(made.clock, at("2026-03-02T09:00"))
    return made


def test_a_rule_published_beside_running_workers_judges_what_has_been(company: Company) -> None:
    company.system.start("ingest", "rules", "notifier")
    three_orders(company)
    company.system.wait_for_rules()
    assert [one for one in company.system.warnings() if one.rule == "X1"] == []
    company.publish()
    check(company)


# Nightly: the other way round of the test above.
@pytest.mark.nightly
def test_a_rule_published_before_the_first_worker_judges_what_comes(company: Company) -> None:
    company.publish()
    company.system.start("ingest", "rules", "notifier")
    three_orders(company)
    check(company)


def three_orders(company: Company) -> None:
    company.orders("2026-03-02T10:00", "春季")
    company.orders("2026-04-01T10:00", "夏季")
    company.orders("2026-04-20T10:00", "\"春'季\\")


def check(company: Company) -> None:
    """Raised with all its words, paged to the owner; a fourth order makes it worse, a call ends it."""
    warning = company.warning("raised")
    assert (warning.severity, warning.start, warning.end) == ("high", at("2026-04-20T10:00"), None)
    evidence = warning.evidence
    assert evidence.summary == Bilingual(
        zh="近 6 个月随促销更换 2 次，最近一次活动为“\"春'季\\”，一个月内通话 0 次。",
        en="2 changes with a campaign in 6 months, the last with '\"春'季\\', and 0 calls in a month.",
    )
    assert warning.clears == Bilingual(zh="与客户通话后解除。", en="Ends with a call.")
    assert evidence.tree == Branch(mode="all", of=[Branch(mode="leaf", leaf=number) for number in range(3)])
    assert [(one.fact, one.value, one.op, one.threshold, one.held) for one in evidence.compared] == [
        ("switches", "2", ">=", "2", True),
        ("campaign", "\"春'季\\", "not in", ", 无", True),
        ("calls", "0", "<", "1", True),
    ]
    assert [one.decisive for one in evidence.compared] == [True, False, False]
    # The first campaign is no change: it stands behind nothing.
    assert {ref.id for ref in evidence.events} == {"order.placed-2026-04-01T10:00", "order.placed-2026-04-20T10:00"}
    wait_until(lambda: set(company.pages()) == {"zhang.wei"}, "the owner to be paged", 60)
    assert evidence.summary.zh in company.pages()["zhang.wei"]

    company.orders("2026-04-22T10:00", "夏季")
    assert company.warning("amended").severity == "critical"
    wait_until(lambda: set(company.pages()) == {"zhang.wei", "li.na"}, "the superior to be paged", 60)
    assert "3 changes with a campaign in 6 months" in company.pages()["li.na"]

    company.says("activity.logged", "2026-04-23T10:00", kind="call", channel="phone")
    assert company.warning("ended").end == at("2026-04-23T10:00")
