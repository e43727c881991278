"""The list, the inbox, the tasks, and the language."""

from __future__ import annotations

from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.visitor import Visitor, words


def test_the_list_starts_with_the_overdue_and_says_how_many_there_are(superior: Visitor) -> None:
    page = words(superior.get("/cases"))
    assert "5 个案件待处理，其中 1 个审核已逾期。" in page
    order = [page.index(name) for name in ("深圳市蓝海", "Northwind", "华东精密", "成都恒信")]
    assert order == sorted(order)


def test_the_list_can_be_narrowed(superior: Visitor, colleague: Visitor) -> None:
    overdue = superior.get("/cases?state=overdue").text
    assert "深圳市蓝海" in overdue
    assert "Northwind" not in overdue
    mine = colleague.get("/cases?whose=mine").text
    assert "Northwind" in mine
    assert "华东精密" not in mine
    assert "华东精密" in superior.get("/cases?q=C-1001&severity=critical").text
    assert "没有符合条件的案件。" in superior.get("/cases?state=closed").text


def test_an_address_that_makes_no_sense_still_shows_the_list(superior: Visitor) -> None:
    assert "华东精密" in superior.get("/cases?page=-1&state=x&severity=y&whose=z&q=").text
    assert superior.get("/cases?page=99999999999&q=%00%F0").status_code == 200


def test_the_inbox_has_the_readers_own_pages_with_their_cases(superior: Visitor, office: Office) -> None:
    page = superior.get("/inbox")
    assert "华东精密" in page.text
    assert f'href="/cases/{office.case_of("C-1001")}"' in page.text


def test_a_message_is_marked_as_read_by_its_reader_only(superior: Visitor, colleague: Visitor, office: Office) -> None:
    message = office.desk.inbox("li.na")[0]
    assert colleague.act("/inbox", f"/inbox/{message.id}/read").status_code == 404
    assert not office.desk.inbox("li.na")[0].read
    assert superior.act("/inbox", f"/inbox/{message.id}/read").headers["location"] == "/inbox"
    assert office.desk.inbox("li.na")[0].read
    superior.act("/inbox", "/inbox/all/read")
    assert all(one.read for one in office.desk.inbox("li.na"))
    assert superior.act("/inbox", "/inbox/first/read").status_code == 404


def test_a_task_is_finished_by_its_person_and_then_shown_as_done(
    colleague: Visitor, visitor: Visitor, office: Office
) -> None:
    task = office.desk.list_tasks("zhang.wei")[0]
    refused = colleague.act("/tasks", f"/tasks/{task.id}/done")
    assert refused.status_code == 422
    assert "Only the person whose task it is, or a superior, can finish it." in words(refused)
    assert colleague.act("/tasks", "/tasks/none/done").status_code == 404
    visitor.sign_in("zhang.wei")
    assert "更新客户档案 · 苏州明辉光学仪器厂" in words(visitor.get("/tasks"))
    assert visitor.act("/tasks", f"/tasks/{task.id}/done").headers["location"] == "/tasks"
    assert office.desk.list_tasks("zhang.wei") == []
    assert "更新客户档案" not in words(visitor.get("/tasks"))
    over = words(visitor.get("/tasks?state=over"))
    assert "更新客户档案 · 苏州明辉光学仪器厂" in over
    assert "张伟 于 2026年3月18日 14:30 完成" in over


def test_each_reader_has_their_own_language_until_they_switch_and_the_switch_is_remembered(colleague: Visitor) -> None:
    assert '<html lang="en">' in colleague.get("/cases").text
    answer = colleague.act("/cases", "/language", language="zh", next="/cases?state=all")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases?state=all")
    assert '<html lang="zh-CN">' in colleague.get("/cases").text
    assert '<html lang="zh-CN">' in colleague.get("/inbox").text


def test_the_language_switch_leads_to_no_other_site_and_needs_the_token(colleague: Visitor) -> None:
    answer = colleague.act("/cases", "/language", language="zh", next="//evil.test")
    assert answer.headers["location"] == "/cases"
    colleague.cookies.delete("bellwether_language")
    colleague.post("/language", language="zh", next="/cases", csrf="forged")
    colleague.act("/cases", "/language", language="fr", next="/cases")
    assert '<html lang="en">' in colleague.get("/cases").text


def test_a_stranger_reads_the_sign_in_page_in_the_browsers_language(visitor: Visitor) -> None:
    assert '<html lang="en">' in visitor.get("/sign-in", accept_language="fr,en-GB;q=0.8").text
    assert '<html lang="zh-CN">' in visitor.get("/sign-in", accept_language="fr").text
    visitor.act("/sign-in", "/language", language="en", next="/sign-in")
    assert '<html lang="en">' in visitor.get("/sign-in").text


def test_who_is_signed_in_need_not_sign_in(superior: Visitor) -> None:
    assert superior.get("/sign-in").headers["location"] == "/cases"
    assert superior.get("/").headers["location"] == "/cases"
