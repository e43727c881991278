"""What stands beside cases: tasks and tickets with their history, suggestions, customers, rejected records."""

from __future__ import annotations

from starlette.types import ASGIApp

from services.notifier import store
from services.notifier.console.story import linked
from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.visitor import Visitor, words

TASK, IDEA, TICKET = "R11-C-1005", "R32-C-1005", "R24cl-C-1005"


def test_a_task_has_a_page_that_says_why_what_to_do_and_what_became_of_it(visitor: Visitor) -> None:
    visitor.sign_in("zhang.wei")
    page = words(visitor.get(f"/findings/{TASK}"))
    for told in ("更新客户档案", "苏州明辉光学", "档案未更新天数 95 (条件：> 92)", "核对四类信息", "张伟", "发现"):
        assert told in page
    answer = visitor.act(f"/findings/{TASK}", f"/tasks/{TASK}/done")
    assert answer.status_code == 303
    assert "张伟 于 2026年3月18日 14:30 完成" in words(visitor.get(f"/findings/{TASK}"))
    assert f'action="/tasks/{TASK}/done"' not in visitor.get(f"/findings/{TASK}").text


def test_a_ticket_says_whose_it_is(colleague: Visitor, superior: Visitor) -> None:
    assert "Ticket for Finance" in words(colleague.get(f"/findings/{TICKET}"))
    assert "王芳" in words(superior.get(f"/findings/{TICKET}"))
    assert "商机需要合同审核" not in words(superior.get("/tasks"))


def test_suggestions_are_the_owners_or_everybodys(superior: Visitor, visitor: Visitor) -> None:
    visitor.sign_in("zhang.wei")
    assert "信用良好，可给优惠" in words(visitor.get("/suggestions"))
    assert "目前没有建议。" in words(superior.get("/suggestions"))
    assert "信用良好，可给优惠" in words(superior.get("/suggestions?whose=all"))
    page = words(superior.get(f"/findings/{IDEA}"))
    assert "仅供参考，没有通知任何人。" in page
    assert "在谁的清单上" not in page


def test_a_customers_page_has_all_that_stands(superior: Visitor, office: Office) -> None:
    page = superior.get("/customers/C-1005")
    for told in ("苏州明辉光学仪器厂", "没有案件", "更新客户档案", "财务部工单", "信用良好，可给优惠"):
        assert told in words(page)
    case = superior.get("/customers/C-1001")
    assert f'href="/cases/{office.case_of("C-1001")}"' in case.text
    assert 'href="/customers/C-1001"' in superior.get(f"/cases/{office.case_of('C-1001')}").text


def test_what_else_is_open_leads_to_its_case_or_its_own_page(superior: Visitor, office: Office) -> None:
    page = superior.get(f"/cases/{office.case_of('C-1001')}").text
    assert f'href="/findings/{TASK}"' in page
    assert f'href="/cases/{office.case_of("C-1004")}#R7-C-1004"' in page
    answer = superior.get("/findings/R7-C-1004")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{office.case_of('C-1004')}#R7-C-1004")


def test_the_condition_shows_what_holds_what_decided_and_the_events_behind(superior: Visitor, office: Office) -> None:
    page = words(superior.get(f"/cases/{office.case_of('C-1001')}"))
    assert "判断依据： 须全部成立（2 项中 2 项成立）" in page
    assert "成立 连续逾期月数 2 (条件：≥ 2) 由此触发 依据的 8 个事件 erp / C-1001-0001" in page
    assert "因此级别升为“严重”： 成立 最长逾期天数 23 (条件：≥ 20)" in page
    assert "怎样解除 到期款项全部按时收到的一个月结束。" in page


def test_what_the_notifier_has_never_heard_of_is_not_found(superior: Visitor) -> None:
    for path in ("/findings/nothing", "/customers/nobody", "/findings/%00", "/customers/%00", "/cases/%00"):
        assert superior.get(path).status_code == 404


def test_rejected_records_are_announced_on_the_list_and_shown_as_text(superior: Visitor, office: Office) -> None:
    assert "/rejected" not in superior.get("/cases").text
    assert "没有被拒绝的记录。" in words(superior.get("/rejected"))
    with office.clerk.database.writing() as tx:
        record = b"C-1", b'{"name": "<script>alert(1)</script>\x00'
        store.keep_poison(tx, ("t.warnings", 3, 4711), record, "revision: beyond", office.now)
    assert "1 条预警记录无法保存" in words(superior.get("/cases"))
    page = superior.get("/rejected")
    assert "<script>" not in page.text
    for told in ("revision: beyond", "主题 t.warnings，分区 3，位置 4711", "<script>alert(1)</script>"):
        assert told in words(page)


def test_strangers_see_none_of_it(console: ASGIApp) -> None:
    stranger = Visitor(console)
    for path in (f"/findings/{TASK}", "/suggestions", "/customers/C-1001", "/rejected"):
        assert stranger.get(path).headers["location"].startswith("/sign-in")


def test_a_link_in_a_message_leads_to_a_page_of_ours_whatever_its_host() -> None:
    text = "甲 http://console/cases/1?x=2\n乙 https://evil.test/findings/w1 http://evil.test/steal http://a/casesX"
    assert [(piece, path) for piece, path in linked(text) if path] == [
        ("http://console/cases/1?x=2", "/cases/1?x=2"),
        ("https://evil.test/findings/w1", "/findings/w1"),
    ]
    assert "".join(piece for piece, _ in linked(text)) == text
