"""Who works on a case: the forms of its page, and what the page then says to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.types import ASGIApp

from services.notifier.views import CaseFilter
from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.visitor import Visitor, words


@pytest.fixture
def owner(console: ASGIApp) -> Visitor:
    """张伟, who owns most of the customers."""
    visitor = Visitor(console)
    visitor.sign_in("zhang.wei")
    return visitor


def do(visitor: Visitor, path: str, action: str, **fields: str) -> str:
    """The page after an action that went through."""
    answer = visitor.act(path, f"{path}/{action}", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, path), words(answer)
    return words(visitor.get(path))


def test_the_stage_of_a_case_is_shown_as_people_act(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    assert "阶段 已立案" in words(superior.get(path))
    assert "阶段 已确认" in do(superior, path, "acknowledge")
    assert "阶段 审核中" in do(superior, path, "open-review")
    assert "阶段 部门介入" in do(superior, path, "join", department="finance", note="王芳对账")
    assert "部门介入 审核中" in words(superior.get("/cases?q=C-1001"))


def test_a_case_is_given_to_somebody_whose_list_then_has_its_tasks(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    page = do(superior, path, "assign", person="emma.brown", note="她熟悉客户")
    assert "李娜 交给 Emma Brown 处理" in page
    assert "经办人 Emma Brown" in page
    todos = office.desk.list_todos("emma.brown")
    assert {todo.case_id for todo in todos} >= {office.case_of("C-1001")}
    assert office.desk.list_cases(CaseFilter(text="C-1001"))[0].assignee_name == "Emma Brown"


def test_what_a_rule_advises_is_a_task_with_a_date_that_can_be_done(owner: Visitor, office: Office) -> None:
    first = office.desk.list_todos("zhang.wei")[0]
    assert "案件中的待办" in words(owner.get("/tasks"))
    page = do(owner, f"/cases/{first.case_id}", "finish-task", task=first.id)
    assert "待办已完成。" in page
    assert first.id not in {todo.id for todo in office.desk.list_todos("zhang.wei")}


def test_a_task_that_people_add_is_there_once_however_often_it_is_sent(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1002')}"
    task = {"person": "emma.brown", "due": "2026-03-25", "text": "请客户总监吃饭 & 道歉", "key": "k1"}
    assert "请客户总监吃饭 & 道歉" in do(superior, path, "task", **task)
    do(superior, path, "task", **task)
    assert [todo.text for todo in office.desk.list_todos("emma.brown")].count("请客户总监吃饭 & 道歉") == 1


def test_who_stands_in_for_a_superior_may_review(superior: Visitor, colleague: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    assert "The review of this case is for" in words(colleague.get(path))
    page = do(superior, path, "delegate", person="emma.brown", until="2026-03-20", note="出差")
    assert "Emma Brown 代替 李娜，至 2026年3月21日" in page
    assert f'action="{path}/open-review"' in colleague.get(path).text
    do(colleague, path, "open-review")


def test_a_superior_cannot_delegate_the_review_to_the_owner(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    answer = superior.act(path, f"{path}/delegate", person="zhang.wei", until="2026-03-20", note="")
    assert answer.status_code == 422
    assert "审核人不能委托给客户负责人。" in words(answer)


def test_what_is_at_risk_is_told_with_the_closing_decision(owner: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1004')}"
    assert "风险金额 120000 CNY" in do(owner, path, "value", amount="120,000", currency="CNY")
    page = do(owner, path, "close", decision="accept", reason="客户已破产", amount="150000.50", currency="CNY")
    assert "风险金额 150000.50 CNY" in page
    assert "阶段 已关闭" in page


def test_money_that_is_none_is_answered_in_a_sentence(owner: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1004')}"
    for amount, currency in (("much", "CNY"), ("12", "???"), ("", "CNY")):
        answer = owner.act(path, f"{path}/value", amount=amount, currency=currency)
        assert answer.status_code == 422
        assert "请填写金额和币种" in words(answer)


def test_a_case_that_was_closed_too_early_is_opened_again(owner: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1004')}"
    do(owner, path, "close", decision="watch", reason="先观察")
    page = do(owner, path, "reopen", reason="客户又投诉了")
    assert "阶段 重新打开" in page
    assert "客户又投诉了" in page


def test_reviews_and_departments_are_on_record(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    do(superior, path, "decide", decision="act", note="周五前拜访")
    page = do(superior, path, "join", department="finance", note="王芳对账")
    assert "李娜 审核：采取行动" in page
    assert "财务部介入（李娜 记录）" in page


def test_the_page_says_who_was_asked_for_which_department_and_which_has_joined(
    superior: Visitor, office: Office
) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    page = words(superior.get(path))
    assert "财务部：已请 王芳，2026年3月19日 10:30 前加入" in page
    assert "已请财务部介入（王芳）" in page
    page = do(superior, path, "join", department="finance", note="王芳对账")
    assert "财务部：已加入" in page
    assert "客服部：已请 刘洋" in page


def test_the_page_says_when_an_idle_case_comes_back(owner: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1004')}"
    assert "无人跟进时再次通知" in words(owner.get(path))
    office.now += timedelta(days=14)
    office.clerk.tick()
    owner.sign_in("zhang.wei")
    assert "多日无人跟进，再次通知" in words(owner.get(path))
