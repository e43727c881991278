"""What a page says, in its reader's language."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from schemas.warnings import Compared
from services.notifier.case import PageKind
from services.notifier.messages import MAX_DIGEST_LINES, About, Letters, Notice
from services.notifier.words import load_words
from tests.unit.notifier.making import DAY, DIRECTORY, NOON, PEOPLE, both, evidence, make_warning, r1

LETTERS = Letters(DIRECTORY, "http://console.example.com", ZoneInfo("Asia/Shanghai"), load_words())
WANG, LI, CHEN, ZHAO, SUN = PEOPLE
RAISED = Notice("key-1", "raised", "owner", "case-1", r1(), NOON + DAY)


def test_a_page_in_chinese_says_what_why_since_when_what_to_do_by_when_and_where() -> None:
    message = LETTERS.single(RAISED, WANG)
    assert message.subject == "【预警·中】江南精密机械有限公司：客户连续两月回款延迟"
    for part in (
        "您是该客户的负责人",
        "二月和一月都有发票晚付",
        "连续晚付的月数：2（界限 ≥ 2）",
        "共 4 条事件",
        "2026-03-02 11:00 +0800",
        "今天就联系客户",
        "2026-03-03 12:00 +0800",
        "超过三十天未跟进须预警 (S2)",
        "http://console.example.com/cases/case-1",
    ):
        assert part in message.text
        assert part in message.html


def test_the_same_page_in_english() -> None:
    message = LETTERS.single(replace(RAISED, role="superior"), CHEN)
    assert message.subject == "[Warning, medium] 江南精密机械有限公司: Collections late two months running"
    for part in (
        "You are the superior of its owner, 王强",
        "months late in a row: 2 (limit ≥ 2)",
        "Call the customer",
    ):
        assert part in message.text
    assert "今天" not in message.text


def test_values_are_said_in_the_words_of_the_console_and_unknown_ones_as_they_are() -> None:
    label = both("变动", "change")
    leaf = Compared(fact="f", label=label, value="left", op="in", threshold="left, replaced, zz", held=True)
    warning = make_warning(evidence=evidence().model_copy(update={"compared": [leaf]}))
    notice = replace(RAISED, warning=warning)
    assert "变动：离职（界限 属于 离职、被接替、zz）" in LETTERS.single(notice, WANG).text
    assert "change: left (limit one of left, replaced, zz)" in LETTERS.single(notice, CHEN).text


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        ("31 d 4 h", "31 天 4 小时", "31 d 4 h"),
        ("90 min", "90 分钟", "90 min"),
        ("5 dozen", "5 dozen", "5 dozen"),
        ("true", "是", "yes"),
    ],
)
def test_spans_of_time_have_their_units_in_the_readers_language(value: str, zh: str, en: str) -> None:
    leaf = Compared(fact="f", label=both("无", "none"), value=value, op=">", threshold="30 d", held=True)
    notice = replace(RAISED, warning=make_warning(evidence=evidence().model_copy(update={"compared": [leaf]})))
    assert f"无：{zh}（界限 > 30 天）" in LETTERS.single(notice, WANG).text
    assert f"none: {en} (limit > 30 d)" in LETTERS.single(notice, CHEN).text


def test_a_channels_error_ends_where_our_sentence_ends() -> None:
    notice = replace(RAISED, kind="undelivered", about=About("li", "email", "No such user."))
    assert "No such user. Please tell them" in LETTERS.single(notice, CHEN).text


def test_a_comparison_that_did_not_hold_is_no_reason() -> None:
    assert "did not hold" not in LETTERS.single(RAISED, CHEN).text


@pytest.mark.parametrize("kind", ["raised", "amended", "withdrawn", "breached", "nudge", "undelivered", "uncertain"])
def test_no_message_has_a_contact_detail_or_an_unfilled_place(kind: PageKind) -> None:
    notice = replace(RAISED, kind=kind, about=About("li", "email", "550 no such user"))
    for person in (WANG, CHEN):
        message = LETTERS.single(notice, person)
        assert "@" not in message.subject + message.text + message.html + str(message.data)
        assert "{" not in message.subject + message.text + message.html


def test_a_withdrawal_says_only_that_it_is_off() -> None:
    merged = r1(revision=2, change="withdrawn", merged_into="other")
    message = LETTERS.single(replace(RAISED, kind="withdrawn", warning=merged), CHEN)
    assert "is withdrawn" in message.text
    assert "merged into another" in message.text
    assert "What to do" not in message.text


def test_without_a_review_no_deadline_is_named() -> None:
    assert "开始审核" not in LETTERS.single(replace(RAISED, warning=make_warning(), due=None), WANG).text


def test_a_task_leads_to_the_list_of_tasks() -> None:
    notice = Notice("key-2", "nudge", "owner", None, make_warning(output="task"))
    assert "http://console.example.com/tasks" in LETTERS.single(notice, WANG).text


def test_names_from_outside_are_text_in_html_and_not_markup() -> None:
    message = LETTERS.single(replace(RAISED, warning=make_warning(customer_id="C2")), CHEN)
    assert "Ångström & <Söhne>" in message.subject
    assert "<Söhne>" not in message.html
    assert "&lt;Söhne&gt;" in message.html


def test_a_customer_name_with_braces_is_left_alone() -> None:
    odd = replace(DIRECTORY.customers["C1"], name="{owner} {0} %s")
    letters = replace(LETTERS, directory=replace(DIRECTORY, customers={"C1": odd}))
    assert "{owner} {0} %s" in letters.single(RAISED, WANG).subject


def test_a_digest_lists_every_case_the_gravest_first() -> None:
    minor = replace(RAISED, key="a", case_id="minor", warning=make_warning(customer_id="C2", severity="low"))
    grave = replace(RAISED, key="b", case_id="grave", warning=make_warning(severity="critical"))
    message = LETTERS.digest([minor, grave], WANG)
    assert message.subject == "【预警汇总】2 条通知，涉及 2 个客户"
    assert 0 < message.text.index("cases/grave") < message.text.index("cases/minor")
    assert message.case_id is None


def test_a_digest_is_bounded_and_says_how_much_more_there_is() -> None:
    notices = [replace(RAISED, key=str(number)) for number in range(MAX_DIGEST_LINES + 7)]
    message = LETTERS.digest(notices, CHEN)
    assert message.text.count("cases/case-1") == MAX_DIGEST_LINES
    assert "+ 7" in message.text
    assert f"[Digest] {MAX_DIGEST_LINES + 7} pages about 1 customers" == message.subject


def test_the_fallback_of_a_customer_without_an_owner_reads_why() -> None:
    notice = replace(RAISED, role="fallback", warning=make_warning(customer_id="C3"))
    assert "names no owner" in LETTERS.single(notice, SUN).text
