"""The notifier carries what every shipped rule says: it is filed, people are told, and its page reads well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import warnings as wire
from schemas.warnings import Bilingual
from services.notifier.case import Verdict
from services.notifier.channels.inbox import InboxChannel
from services.notifier.clerk import Clerk
from services.notifier.console.app import build_console
from services.notifier.console.texts import LANGUAGES, Language, load_texts
from services.notifier.desk import Desk
from services.notifier.dispatcher import Dispatcher
from services.notifier.explaining import Leaf, explain, lines
from services.notifier.grouping import Manners
from services.notifier.messages import Letters
from services.notifier.people import Customer, Directory, Person
from services.notifier.tables import open_database
from services.notifier.views import CaseFilter, CaseView
from services.notifier.words import load_words
from tests.contract.notifier.rules_at_work import (
    CUSTOMER,
    TROUBLED,
    TROUBLED_UNTIL,
    announced,
    definitions,
    examples_of,
    sent_by,
)
from tests.support.databases import open_migrated
from tests.unit.notifier_console.scene import PASSWORD
from tests.unit.notifier_console.visitor import Visitor, words

PEOPLE = (
    Person("wang", "王强", "sales", "zh", "li"),
    Person("li", "李娜", "sales", "en", "zhao"),
    Person("zhao", "赵敏", "management", "zh"),
    Person("qian", "钱工", "technical", "zh", "zhao"),
    Person("emma", "Emma", "technical", "en", "zhao"),
    Person("chen", "陈洁", "legal", "zh", "zhao"),
)
DIRECTORY = Directory(
    {person.id: person for person in PEOPLE}, {CUSTOMER: Customer(CUSTOMER, "江南精密机械有限公司", "wang")}, "zhao"
)
NOW = datetime.fromisoformat(TROUBLED_UNTIL)
REVIEWED = {"R1", "R1b", "R2", "R3"}
"""R4: only these must be reviewed by a superior within 24 hours."""

_CODE = re.compile(r"[a-z]_[a-z]")
_HOLE = re.compile(r"\{\w*\}")


@dataclass
class House:
    """A notifier without Kafka: what it is sent happens at the instant at which the rules found it."""

    folder: Path
    directory: Directory = DIRECTORY
    at: datetime = NOW
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_migrated(open_database, self.folder / "n.db")
        self.clerk = Clerk(self.database, self.directory, lambda: self.at)
        self.desk = Desk(self.clerk)

    def hear(self, *warnings: wire.Warning) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for warning in warnings:
            self.at = max(self.at, warning.detected_at) if verdicts else warning.detected_at
            verdicts += self.clerk.file([warning])
        return verdicts

    def told(self) -> list[str]:
        """Everybody who has been sent a message by now, in its order."""
        letters = Letters(self.directory, "http://console", ZoneInfo("Asia/Shanghai"), load_words())
        channel = InboxChannel(self.database, self.folder / "inbox.jsonl", self.clerk.now)
        # Whoever hears of fifty rules at once would be told of them in one digest.
        unhurried = Manners(digest_from=1000, most=1000, window=timedelta(0))
        while Dispatcher(self.database, channel, letters, self.clerk.now, manners=unhurried).round():
            pass
        messages = [(message.id, person) for person in self.directory.people for message in self.desk.inbox(person)]
        return [person for _, person in sorted(messages)]

    def read(self, path: str, person: str) -> str:
        """The page's text as somebody reads it."""
        if person not in self._readers:
            self.desk.create_user(person, person, PASSWORD)
            self._readers[person] = self._sign_in(person)
        answer = self._readers[person].get(path)
        if answer.status_code == 303:
            # Sessions end by the house's clock, which goes where the rules' examples are.
            self._readers[person] = self._sign_in(person)
            answer = self._readers[person].get(path)
        assert answer.status_code == 200, path
        return words(answer)

    def _sign_in(self, person: str) -> Visitor:
        visitor = Visitor(build_console(self.desk))
        visitor.sign_in(person)
        return visitor

    _readers: dict[str, Visitor] = field(default_factory=dict)

    def only_case(self) -> CaseView:
        (line,) = self.desk.list_cases(CaseFilter(status=None))
        return self.desk.get_case(line.id)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.database.close()


def the_gravest(rule: str) -> wire.Warning:
    """Of a rule's examples, the one with the most to compare, as if it had just been raised and still held."""
    found = max(examples_of(rule), key=lambda one: len(one.evidence.compared))
    end = found.start if found.kind == "point" else None
    return found.model_copy(update={"change": "raised", "revision": 1, "end": end, "historical": False})


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which each rule speaks of a customer of its own."""
    customers = {rule: Customer(rule, f"{rule} Ltd", "wang") for rule in announced()}
    made = House(tmp_path_factory.mktemp("busy"), Directory(DIRECTORY.people, customers, "zhao"))
    yield made
    made.database.close()


@pytest.mark.parametrize("rule", announced())
def test_what_a_rule_says_is_filed_told_and_shown_in_both_languages(rule: str, busy: House) -> None:
    warning = the_gravest(rule).model_copy(update={"customer_id": rule})
    expected = {"warning": Verdict.OPENED, "task": Verdict.TASK_SET, "suggestion": Verdict.FILED_SUGGESTION}
    before = len(busy.told())
    assert busy.hear(warning) == [expected[warning.output]]
    told = busy.told()[before:]
    assert (told == []) is (warning.output == "suggestion")
    path = f"/findings/{warning.id}"
    if warning.output == "warning":
        (line,) = busy.desk.list_cases(CaseFilter(customer_id=rule))
        path = f"/cases/{line.id}"
    readers: list[tuple[str, Language]] = [("wang", "zh"), ("li", "en")]
    for person, language in readers:
        page = busy.read(path, person)
        assert load_texts()[language].of(warning.name) in page
        assert not _HOLE.search(page)
        leaves = [leaf for _, _, leaf in told_condition(warning, language) if leaf is not None]
        assert all(f"{leaf.label} {leaf.value} (" in page for leaf in leaves)
    for person in told:
        assert not _HOLE.search(busy.desk.inbox(person)[0].text)


def told_condition(warning: wire.Warning, language: Language) -> list[tuple[int, str, Leaf | None]]:
    texts = load_texts()[language]
    group = explain(warning.evidence, texts.of, texts.known)
    return list(lines(group, texts.known)) if group else []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rule", announced())
def test_a_condition_is_told_without_the_names_of_the_code(rule: str, language: Language) -> None:
    texts = load_texts()[language]
    for warning in examples_of(rule):
        group = explain(warning.evidence, texts.of, texts.known)
        assert group is not None
        assert group.held or warning.change == "ended"
        for _, heading, leaf in lines(group, texts.known):
            said = heading if leaf is None else f"{leaf.label} {leaf.value} {leaf.condition}"
            assert not _CODE.search(said), said
            assert not _HOLE.search(said), said


def test_only_late_payment_a_change_of_contact_and_competitors_demand_a_review() -> None:
    assert {rule for rule, one in definitions().items() if one.review is not None} == REVIEWED
    assert {rule for rule in announced() for one in examples_of(rule) if one.review is not None} == REVIEWED


def test_four_rules_about_one_customer_are_one_case_of_the_highest_severity_each_with_its_own_reasons(
    house: House,
) -> None:
    house.hear(*sent_by(["R6", "R7", "R10b", "R23a"], TROUBLED, TROUBLED_UNTIL))
    case = house.only_case()
    assert (case.line.severity, case.line.review, case.line.due) == ("high", "none", None)
    standing = [held.warning for held in case.warnings if held.state == "standing"]
    assert sorted(one.rule for one in standing) == ["R10b", "R23a", "R6", "R7"]
    page = house.read(f"/cases/{case.line.id}", "wang")
    for said in (
        "近几个完整月份的最高月回款 600,000.00 (条件：≥ 500,000.00)",
        "距上次联系 30 天 (条件：≥ 30 天) 由此触发",
        "延迟付款次数 3 (条件：≥ 3) 由此触发",
        "价值 高 (条件：高)",
        "至少一项成立即可（3 项中 1 项成立）",
        "example / inv-C",
    ):
        assert said in page
    assert page.count("怎样解除") == len(standing)
    assert page.index("客户有流失风险") < page.index("重要客户超过30天未跟进")


def test_a_review_is_demanded_by_the_late_payment_alone_when_it_joins_them(house: House) -> None:
    house.hear(*sent_by(["R1", "R6", "R7", "R10b", "R23a"], TROUBLED, TROUBLED_UNTIL))
    case = house.only_case()
    assert {held.warning.rule for held in case.warnings if held.review != "none"} == {"R1"}
    house.desk.open_review(case.line.id, "li")
    house.desk.decide_review(case.line.id, "li", "act", "we visit them")
    house.desk.join(case.line.id, "wang", "finance")
    house.desk.join(case.line.id, "wang", "service")
    assert house.only_case().missing == ()


def test_a_ticket_is_in_the_list_of_everybody_of_the_department_once(house: House) -> None:
    ticket = the_gravest("R24c")
    house.hear(ticket)
    assert sorted(house.told()) == ["emma", "qian"]
    amended = [ticket.model_copy(update={"revision": n, "change": "amended", "pages_again": True}) for n in (2, 3)]
    house.hear(*amended)
    assert sorted(house.told()) == ["emma", "qian"]
    assert [len(house.desk.list_tasks(person)) for person in ("qian", "emma", "wang", "li")] == [1, 1, 0, 0]
    assert "技术部工单" in house.read("/tasks", "qian")
    house.desk.finish_task(ticket.id, "emma")
    assert house.desk.list_tasks() == []
    assert "Emma 于" in house.read("/tasks?state=over", "qian")


def test_a_ticket_for_a_department_without_people_goes_to_the_owner_and_the_superior_and_says_so(
    tmp_path: Path,
) -> None:
    here = {person.id: person for person in PEOPLE if person.department != "legal"}
    house = House(tmp_path, Directory(here, DIRECTORY.customers, "zhao"))
    house.hear(the_gravest("R24cl"))
    assert sorted(house.told()) == ["li", "wang"]
    assert "通讯录中该部门没有人员" in house.desk.inbox("wang")[0].text
    assert "the directory names nobody there" in house.read("/tasks", "li")
    house.database.close()


def test_a_task_for_the_superior_is_in_the_superiors_list_alone(house: House) -> None:
    house.hear(the_gravest("R23"))
    assert house.told() == ["li"]
    assert [len(house.desk.list_tasks(person)) for person in ("li", "wang")] == [1, 0]


def test_unanswered_feedback_pages_the_owner_and_the_superior_only_once_it_is_grave(house: House) -> None:
    asked = {
        "type": "feedback.raised",
        "time": "2026-03-01T09:00:00+08:00",
        "data": {"feedback_id": "F1", "topic": "terms"},
    }
    said = sent_by(["R14"], [asked], "2026-05-01T00:00:00+08:00")
    assert [(one.severity, one.audience) for one in said] == [("medium", ["owner"]), ("high", ["owner", "superior"])]
    house.hear(said[0])
    assert house.told() == ["wang"]
    house.hear(said[1])
    assert house.told() == ["wang", "wang", "li"]


@pytest.mark.parametrize("change", ["ended", "withdrawn"])
def test_a_task_that_is_no_longer_needed_leaves_the_list_by_itself_and_keeps_its_history(
    house: House, change: str
) -> None:
    task = the_gravest("R39")
    house.hear(task, task.model_copy(update={"revision": 2, "change": change, "end": task.detected_at}))
    assert house.desk.list_tasks("wang") == []
    assert {"ended": "自动结束", "withdrawn": "已撤回"}[change] in house.read("/tasks?state=over", "wang")
    page = house.read(f"/findings/{task.id}", "wang")
    assert {"ended": "情况已解除", "withdrawn": "按现有信息并不成立"}[change] in page
    assert "发现" in page


def test_a_suggestion_is_on_the_owners_list_and_the_customers_page_until_it_ends_and_pages_nobody(
    house: House,
) -> None:
    idea = the_gravest("R32")
    house.hear(idea)
    name = idea.name.zh
    assert house.told() == []
    for path in ("/suggestions", "/suggestions?whose=all", f"/customers/{CUSTOMER}"):
        assert name in house.read(path, "wang")
    assert house.desk.list_suggestions("li") == []
    house.hear(idea.model_copy(update={"revision": 2, "change": "ended", "end": idea.detected_at}))
    for path in ("/suggestions?whose=all", f"/customers/{CUSTOMER}"):
        assert name not in house.read(path, "wang")
    assert (house.told(), house.desk.summary().pages) == ([], 0)


def test_what_else_is_open_leads_to_its_case_or_its_own_page_and_what_has_ended_is_left_out(house: House) -> None:
    owed, idea, stuck = the_gravest("R39"), the_gravest("R32"), the_gravest("R31")
    house.hear(owed, idea, stuck)
    others = [
        wire.Other(id=one.id, rule=one.rule, name=one.name, severity=one.severity, start=one.start)
        for one in (owed, idea, stuck)
    ]
    unheard = wire.Other(
        id="x", rule="R", name=Bilingual(zh="还没收到的", en="unheard"), severity="low", start=owed.start
    )
    late = the_gravest("R12").model_copy(update={"others": [*others, unheard]})
    house.hear(late, owed.model_copy(update={"revision": 2, "change": "ended", "end": owed.detected_at}))
    related = house.only_case().related
    assert [(one.id, one.known) for one in related] == [(idea.id, True), ("x", False)]
    task = the_gravest("R33").model_copy(update={"others": others})
    house.hear(task)
    found = house.desk.find(task.id).related
    assert {one.id: one.case_id for one in found} == {stuck.id: house.only_case().line.id, idea.id: None}
