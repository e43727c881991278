"""A case: what its page tells, what it offers to whom, and what people do there until it closes."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.notifier_console.office import Office
from tests.unit.notifier_console.visitor import Visitor, words


def test_the_page_tells_what_happened_and_why_in_the_readers_language(superior: Visitor, office: Office) -> None:
    page = words(superior.get(f"/cases/{office.case_of('C-1001')}"))
    for told in (
        "连续两月回款延迟",
        "1 月和 2 月到期的发票共 5 张逾期",
        "连续逾期月数 2 (条件：≥ 2)",
        "依据的 8 个事件",
        "erp / C-1001-0001",
        "只列出最新的 5 个",
        "客户管理制度 1.3",
        "必须在24小时内触发上级审核",
        "2026年3月18日 10:30",
        "条件：属于 离职、被接替、岗位变动",
    ):
        assert told in page


def test_the_same_page_in_english(colleague: Visitor, office: Office) -> None:
    page = words(colleague.get(f"/cases/{office.case_of('C-1001')}"))
    for told in (
        "Collections late two months running",
        "Late months in a row 2 (needed: ≥ 2)",
        "The 8 events behind it",
        "a superior must review within 24 hours",
        "18 Mar 2026, 10:30",
        "Asia/Shanghai (UTC+8)",
    ):
        assert told in page


def test_a_page_whose_fate_is_unknown_is_shown_as_such(superior: Visitor, office: Office) -> None:
    page = words(superior.get(f"/cases/{office.case_of('C-1001')}"))
    assert "结果未知" in page
    assert "对方可能收到，也可能没收到" in page
    assert "张伟 (负责人) 已送达渠道" in page
    assert "通过电子邮件给 李娜 的通知结果未知" in page


def test_a_page_tells_when_it_was_sent_or_that_it_never_will_be(superior: Visitor, office: Office) -> None:
    case_id = office.case_of("C-1001")
    assert "2026年3月18日 10:30 发出" in words(superior.get(f"/cases/{case_id}"))
    worse = (
        office.desk.get_case(case_id)
        .warnings[0]
        .warning.model_copy(update={"revision": 2, "change": "amended", "pages_again": True})
    )
    office.clerk.file([worse, worse.model_copy(update={"revision": 3, "change": "withdrawn"})])
    assert "预警已撤回，未发送" in words(superior.get(f"/cases/{case_id}"))


def test_what_is_missing_to_close_is_said_once_for_all_warnings(superior: Visitor, office: Office) -> None:
    page = words(superior.get(f"/cases/{office.case_of('C-1001')}"))
    assert "上级开始审核：连续两月回款延迟、关键联系人变更" in page
    assert page.count("销售部、财务部、客服部中至少 2 个部门加入，目前 0 个") == 2  # in the list, and beside "close"


def test_an_overdue_review_says_so_in_words(superior: Visitor, office: Office) -> None:
    page = words(superior.get(f"/cases/{office.case_of('C-1003')}"))
    assert "审核已逾期" in page
    assert "已升级，还剩 21 小时" in page
    assert "审核期限已过，李娜 未开始审核" in page


def test_only_who_may_review_is_offered_it_and_others_are_told_who_may(
    superior: Visitor, colleague: Visitor, office: Office
) -> None:
    path = f"/cases/{office.case_of('C-1002')}"
    assert f'action="{path}/open-review"' in superior.get(path).text
    assert f'action="{path}/open-review"' not in colleague.get(path).text
    assert "The review of this case is for 李娜, 陈杰." in words(colleague.get(path))


def test_a_refused_action_says_why_on_the_page_and_keeps_what_was_written(colleague: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1002')}"
    answer = colleague.act(path, f"{path}/decide", decision="watch", note="I have talked to them & will again")
    assert answer.status_code == 422
    assert "The review is for a superior:" in words(answer)
    answer = colleague.act(path, f"{path}/close", decision="watch", reason="I have talked to them & will again")
    assert answer.status_code == 422
    assert "I have talked to them &amp; will again</textarea>" in answer.text
    assert 'value="watch" required checked' in answer.text


def test_a_form_with_holes_is_answered_in_sentences(colleague: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1002')}"
    holes = words(colleague.act(path, f"{path}/close", decision="withdrawn", reason=" "))
    assert "Please choose a decision." in holes
    assert "Please write something." in holes
    assert "Please choose a department." in words(colleague.act(path, f"{path}/join", department=""))
    assert "at most 4000 characters" in words(colleague.act(path, f"{path}/comment", text="长" * 4001))


def test_a_case_from_its_page_to_its_close(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"

    def do(action: str, **fields: str) -> str:
        answer = superior.act(path, f"{path}/{action}", **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        return words(superior.get(path))

    assert "已记录您的确认。" in do("acknowledge")
    assert "审核已开始" in do("open-review")
    assert "上级作出审核决定：连续两月回款延迟、关键联系人变更" in words(superior.get(path))
    assert "李娜 的审核决定：采取行动" in do("decide", decision="act", note="周五前拜访")
    assert "财务部已加入" in do("join", department="finance", note="王芳对账")
    assert "关闭的条件都已具备。" in do("join", department="service")
    closed = do("close", decision="watch", reason="已约定回款计划")
    assert "案件已关闭。" in closed
    assert "李娜 关闭案件：继续观察" in closed
    assert "已约定回款计划" in closed
    assert "案件已关闭，只能留言。" in closed
    assert office.desk.get_case(office.case_of("C-1001")).line.status == "closed"


def test_a_confirmation_is_shown_once(superior: Visitor, office: Office) -> None:
    path = f"/cases/{office.case_of('C-1001')}"
    superior.act(path, f"{path}/acknowledge")
    assert "已记录您的确认。" in superior.get(path).text
    assert "已记录您的确认。" not in superior.get(path).text


def test_a_confirmation_that_the_catalogue_does_not_know_is_not_shown(superior: Visitor) -> None:
    superior.cookies.set("bellwether_said", "<b>closed by me</b>")
    assert "closed by me" not in superior.get("/cases").text


def test_looking_changes_nothing(superior: Visitor, office: Office) -> None:
    case_id = office.case_of("C-1001")
    before = office.desk.get_case(case_id), office.desk.inbox("li.na")
    for page in (
        "/cases",
        f"/cases/{case_id}",
        "/inbox",
        "/tasks",
        f"/cases/{case_id}/close",
        "/inbox/all/read",
        "/sign-out",
    ):
        superior.get(page)
    assert (office.desk.get_case(case_id), office.desk.inbox("li.na")) == before
    assert superior.get("/cases").status_code == 200


def test_times_follow_the_clock_of_the_desk(visitor: Visitor, office: Office) -> None:
    office.now += timedelta(hours=19, minutes=30)
    visitor.sign_in("li.na")
    assert "还剩 30 分钟" in words(visitor.get(f"/cases/{office.case_of('C-1001')}"))
    office.now += timedelta(hours=1)
    assert "已逾期 30 分钟" in words(visitor.get(f"/cases/{office.case_of('C-1001')}"))


def test_a_case_of_a_customer_who_turned_out_to_be_another_says_which(superior: Visitor, office: Office) -> None:
    case_id = office.case_of("C-1001")
    held = [one.warning for one in office.desk.get_case(case_id).warnings]
    gone = {"change": "withdrawn", "customer_merged_into": "C-9009"}
    office.clerk.file([one.model_copy(update={"revision": one.revision + 1, **gone}) for one in held])
    page = words(superior.get(f"/cases/{case_id}"))
    assert "该客户与客户 C-9009 是同一客户" in page
    assert "已并入另一条预警" not in page
