"""What a page says, in its reader's language."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from zoneinfo import ZoneInfo

import pytest

from schemas.warnings import SEVERITIES, Branch, Compared, ComparedOp, EventRef, Evidence, Other, Rise, Severity
from services.notifier.case import PageKind
from services.notifier.contents import SHOWN_OTHERS, About, Notice
from services.notifier.digests import MAX_LINES, SHOWN_OF_A_CUSTOMER
from services.notifier.messages import Letters
from services.notifier.people import Language
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
        "连续晚付的月数：2（条件：≥ 2）",
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
        "months late in a row: 2 (needed: ≥ 2)",
        "Call the customer",
    ):
        assert part in message.text
    assert "今天" not in message.text


def test_values_are_said_in_the_words_of_the_console_and_unknown_ones_as_they_are() -> None:
    label = both("变动", "change")
    leaf = Compared(fact="f", label=label, value="left", op="in", threshold="left, replaced, zz", held=True)
    warning = make_warning(evidence=evidence().model_copy(update={"compared": [leaf]}))
    notice = replace(RAISED, warning=warning)
    assert "变动：离职（条件：属于 离职、被接替、zz）" in LETTERS.single(notice, WANG).text
    assert "change: left (needed: any of left, replaced, zz)" in LETTERS.single(notice, CHEN).text


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
    assert f"无：{zh}（条件：> 30 天）" in LETTERS.single(notice, WANG).text
    assert f"none: {en} (needed: > 30 d)" in LETTERS.single(notice, CHEN).text


def test_a_channels_error_ends_where_our_sentence_ends() -> None:
    notice = replace(RAISED, kind="undelivered", about=About("li", "email", "No such user."))
    assert "No such user. Please tell them" in LETTERS.single(notice, CHEN).text


def test_the_condition_is_told_as_a_tree_with_what_holds_what_does_not_and_what_decided() -> None:
    notice = replace(RAISED, warning=make_warning(evidence=nested()))
    why = """  至少一项成立即可（2 项中 1 项成立）
  \u3000须全部成立（2 项中 2 项成立）
  \u3000\u3000✓ 三维评估：战略客户（条件：属于 重点培育、战略客户）
  \u3000\u3000✓ 距上次联系：31 天 4 小时（条件：> 30 天） ← 由此触发；依据 12 条事件，最新：c/3、c/4、c/5
  \u3000✗ 订单额：120,000.00（条件：≥ 500,000.00）
  共 4 条事件"""
    assert why in LETTERS.single(notice, WANG).text
    english = LETTERS.single(notice, CHEN)
    assert "one of these is enough (1 of 2 hold)" in english.text
    assert "✓ time since the last contact: 31 d 4 h (needed: > 30 d) ← decided" in english.html.replace("&gt;", ">")


def test_what_raised_the_severity_is_told_with_its_event() -> None:
    rumour = Compared(
        fact="changes",
        label=both("决策人变动或传言", "changes or rumours"),
        value="1",
        op=">=",
        threshold="1",
        held=True,
        decisive=True,
        events=[EventRef(source="c", id="rumour")],
        events_total=1,
    )
    told = nested()
    rise = Rise(to="critical", tree=Branch(mode="leaf", leaf=3))
    graver = told.model_copy(update={"compared": [*told.compared, rumour], "rise": rise, "events_total": 1})
    notice = replace(RAISED, warning=make_warning(evidence=graver))
    chinese, english = LETTERS.single(notice, WANG).text, LETTERS.single(notice, CHEN).text
    assert "因此级别升为“严重”：\n  \u3000✓ 决策人变动或传言：1（条件：≥ 1） ← 由此触发" in chinese
    assert "This raised the severity to critical:\n  \u3000✓ changes or rumours: 1 (needed: ≥ 1) ← decided" in english
    assert "1 event in all" in english
    assert chinese.count("决策人变动或传言") == 1, "it is no part of the rule's own condition"


def nested() -> Evidence:
    """(strategic and no contact for a month) or many orders; the last contact has decided."""
    calls = [EventRef(source="c", id=str(number)) for number in range(1, 6)]
    leaves = [
        Compared(
            fact="class",
            label=both("三维评估", "class"),
            value="strategic",
            op="in",
            threshold="key_cultivation, strategic",
            held=True,
        ),
        Compared(
            fact="quiet",
            label=both("距上次联系", "time since the last contact"),
            value="31 d 4 h",
            op=">",
            threshold="30 d",
            held=True,
            decisive=True,
            events=calls,
            events_total=12,
        ),
        Compared(
            fact="orders",
            label=both("订单额", "orders"),
            value="120000.00",
            op=">=",
            threshold="500000.00",
            held=False,
            decisive=True,
        ),
    ]
    tree = Branch(
        mode="any",
        of=[
            Branch(mode="all", of=[Branch(mode="leaf", leaf=0), Branch(mode="leaf", leaf=1)]),
            Branch(mode="leaf", leaf=2),
        ],
    )
    return evidence().model_copy(update={"compared": leaves, "tree": tree})


def test_what_would_clear_it_and_what_else_is_open_are_told_with_links() -> None:
    medium: Severity = "medium"
    severities: list[Severity] = ["low", "critical", *repeat(medium, SHOWN_OTHERS)]
    others = [
        Other(id=f"o{number}", rule="R", name=both(f"其他{number}", f"other {number}"), severity=severity, start=NOON)
        for number, severity in enumerate(severities)
    ]
    warning = make_warning(clears=both("客户下单即解除", "It ends when the customer orders"), others=others)
    text = LETTERS.single(replace(RAISED, warning=warning), WANG).text
    assert "怎样解除\n  客户下单即解除" in text
    assert "其他1（严重，2026-03-02 起）  http://console.example.com/findings/o1\n" in text
    assert text.count("/findings/") == SHOWN_OTHERS
    assert "另有 2 条" in text
    assert "What would clear it\n  It ends when" in LETTERS.single(replace(RAISED, warning=warning), CHEN).text


def test_a_ticket_names_its_department_and_says_when_nobody_works_there() -> None:
    ticket = Notice("key-2", "nudge", "department", None, make_warning(output="task", department="technical"))
    assert "这是给技术部的工单" in LETTERS.single(ticket, WANG).text
    assert "a ticket for Technical." in LETTERS.single(ticket, CHEN).text
    stand_in = LETTERS.single(replace(ticket, role="owner"), CHEN).text
    assert "The directory names nobody there" in stand_in
    assert "You own this customer" not in stand_in


def test_which_contract_or_opportunity_it_is_about_is_said() -> None:
    warning = make_warning(subject="O-17")
    assert "对象\n  O-17" in LETTERS.single(replace(RAISED, warning=warning), WANG).text
    assert "（O-17）" in LETTERS.digest([replace(RAISED, warning=warning)], WANG).text


@pytest.mark.parametrize(
    "kind", ["raised", "amended", "withdrawn", "breached", "nudge", "undelivered", "uncertain", "join"]
)
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


def test_a_withdrawal_names_the_customer_that_this_one_turned_out_to_be() -> None:
    merged = r1(revision=2, change="withdrawn", customer_merged_into="C-7")
    notice = replace(RAISED, kind="withdrawn", warning=merged)
    assert "turned out to be C-7" in LETTERS.single(notice, CHEN).text
    assert "与客户 C-7 是同一客户" in LETTERS.single(notice, WANG).text


def test_without_a_review_no_deadline_is_named() -> None:
    assert "开始审核" not in LETTERS.single(replace(RAISED, warning=make_warning(), due=None), WANG).text


def test_a_task_leads_to_its_own_page() -> None:
    notice = Notice("key-2", "nudge", "owner", None, make_warning(output="task"))
    assert "http://console.example.com/findings/w1" in LETTERS.single(notice, WANG).text


def test_names_from_outside_are_text_in_html_and_not_markup() -> None:
    message = LETTERS.single(replace(RAISED, warning=make_warning(customer_id="C2")), CHEN)
    assert "Ångström & <Söhne>" in message.subject
    assert "<Söhne>" not in message.html
    assert "&lt;Söhne&gt;" in message.html


def test_a_customer_name_with_braces_is_left_alone() -> None:
    odd = replace(DIRECTORY.customers["C1"], name="{owner} {0} %s")
    letters = replace(LETTERS, people=replace(DIRECTORY, customers={"C1": odd}))
    assert "{owner} {0} %s" in letters.single(RAISED, WANG).subject


def test_a_digest_lists_every_case_the_gravest_first() -> None:
    minor = replace(RAISED, key="a", case_id="minor", warning=make_warning("w2", customer_id="C2", severity="low"))
    grave = replace(RAISED, key="b", case_id="grave", warning=make_warning(severity="critical"))
    message = LETTERS.digest([minor, grave], WANG)
    assert message.subject == "【预警汇总】2 条通知，涉及 2 个客户"
    assert 0 < message.text.index("cases/grave") < message.text.index("cases/minor")
    assert message.case_id is None


def test_a_digest_is_a_page_at_most_grouped_by_customer_and_says_how_much_more_there_is() -> None:
    notices = [
        replace(
            RAISED,
            key=f"{customer}/{number}",
            case_id=f"case-{customer}",
            due=None,
            warning=make_warning(f"{customer}/{number}", customer_id=f"N{customer}", severity=SEVERITIES[customer % 4]),
        )
        for customer in range(30)
        for number in range(1 + customer % 6)
    ]
    message = LETTERS.digest(notices, CHEN)
    assert message.subject == f"[Digest] {len(notices)} pages about 30 customers"
    assert message.text.count("\n") <= MAX_LINES + 6
    told = [line for line in message.text.splitlines() if ", the highest: " in line]
    assert "critical" in told[0]
    ranks = [SEVERITIES.index(severity) for line in told for severity in SEVERITIES if line.endswith(f"{severity})")]
    assert ranks == sorted(ranks, reverse=True)
    assert len(ranks) == len(told)
    assert "more pages about" in message.text
    assert "http://console.example.com/cases?whose=mine" in message.text
    assert len(message.data["pages"]) == len(notices)  # type: ignore[arg-type]


def test_a_digest_about_one_customer_has_one_link_and_counts_what_it_leaves_out() -> None:
    notices = [replace(RAISED, key=str(n), warning=make_warning(f"w{n}")) for n in range(SHOWN_OF_A_CUSTOMER + 7)]
    message = LETTERS.digest(notices, CHEN)
    assert message.text.count("cases/case-1") == 1
    assert "  7 more" in message.text


def test_a_digest_leads_to_the_case_the_task_the_list_of_tasks_or_the_customer() -> None:
    def task(number: int, customer: str) -> Notice:
        warning = make_warning(f"t{number}", output="task", customer_id=customer)
        return replace(RAISED, key=f"t{number}", kind="nudge", case_id=None, due=None, warning=warning)

    held = [
        replace(RAISED, key=one, case_id=f"case-{one}", warning=make_warning(one, customer_id=one))
        for one in ("C1", "C2")
    ]
    text = LETTERS.digest([*held, task(1, "C2"), task(2, "C3"), task(3, "C4"), task(4, "C4")], CHEN).text
    links = [line.split("example.com")[1] for line in text.splitlines() if line.startswith("  http")]
    assert sorted(links) == ["/cases/case-C1", "/customers/C2", "/findings/t2", "/tasks"]


def test_a_digest_tells_of_each_warning_once_as_it_is_now_but_of_every_page_that_was_lost() -> None:
    worse = replace(RAISED, key="b", kind="amended", warning=make_warning(revision=2, severity="critical"))
    lost = replace(RAISED, key="c", kind="undelivered", about=About("li", "email", "no such user"))
    message = LETTERS.digest([replace(RAISED, warning=make_warning(), key="a"), worse, lost], CHEN)
    assert message.subject == "[Digest] 2 pages about 1 customers"
    assert "[critical] worse: Important customer" in message.text
    assert "[page not delivered] Important customer" not in message.text
    assert "[page not delivered] Collections late" in message.text


@pytest.mark.parametrize(
    ("summary", "language", "said"),
    [
        ("评估结果为 key_cultivation（重点培育），价值中等", "zh", "评估结果为 重点培育，价值中等"),
        ("商机由“lead”变为“contract_review”（类别：birthday）", "zh", "商机由“线索”变为“合同审核”（类别：生日）"),
        ("P1 未受理 30 分钟，ABB 的订单", "zh", "P1 未受理 30 分钟，ABB 的订单"),
        ('became "contract_review" (kind: media), need true', "en", 'became "contract review" (kind: media), need yes'),
        ("left the lead with high hopes", "en", "left the lead with high hopes"),
    ],
)
def test_a_summary_is_told_without_the_names_of_the_code(summary: str, language: Language, said: str) -> None:
    told = evidence().model_copy(update={"summary": both(summary, summary)})
    reader = WANG if language == "zh" else CHEN
    assert f"  {said}\n" in LETTERS.single(replace(RAISED, warning=make_warning(evidence=told)), reader).text


@pytest.mark.parametrize(
    ("value", "op", "threshold", "said"),
    [
        ("0.6", ">=", "0.5", "f: 60% (needed: ≥ 50%)"),
        ("0.3333", "<", "1", "f: 33.33% (needed: < 100%)"),
        ("0–0.25", "<", "0.5", "f: 0%–25% (needed: < 50%)"),
        ("—", "<", "0.5", "f: none (needed: < 50%)"),
    ],
)
def test_parts_of_a_whole_are_told_in_percent(value: str, op: ComparedOp, threshold: str, said: str) -> None:
    leaf = Compared(fact="f", label=both("f", "f"), value=value, op=op, threshold=threshold, held=True, ratio=True)
    warning = make_warning(evidence=evidence().model_copy(update={"compared": [leaf]}))
    assert f"✓ {said}\n" in LETTERS.single(replace(RAISED, warning=warning), CHEN).text


@pytest.mark.parametrize(
    ("value", "op", "threshold", "said"),
    [
        ("strategic", "==", "strategic", "f: strategic (needed: strategic)"),
        ("media", "in", "media", "f: media (needed: media)"),
        ("", "!=", "KAM", "f: (empty) (needed: not key account manager)"),
        ("—", "not known", "", "f: none (needed: not on record)"),
        ("10–?", ">=", "50", "f: at least 10 (needed: ≥ 50)"),
        ("500000.00", ">=", "1000000.00", "f: 500,000.00 (needed: ≥ 1,000,000.00)"),
    ],
)
def test_a_comparison_reads_as_people_say_it(value: str, op: ComparedOp, threshold: str, said: str) -> None:
    leaf = Compared(fact="f", label=both("f", "f"), value=value, op=op, threshold=threshold, held=False)
    warning = make_warning(evidence=evidence().model_copy(update={"compared": [leaf]}))
    assert f"✗ {said}\n" in LETTERS.single(replace(RAISED, warning=warning), CHEN).text


def test_a_limit_that_lies_ahead_says_how_much_is_left() -> None:
    leaf = Compared(fact="f", label=both("期限", "limit"), value="-20 d 10 h", op=">=", threshold="0 min", held=False)
    notice = replace(RAISED, warning=make_warning(evidence=evidence().model_copy(update={"compared": [leaf]})))
    assert "✗ 期限：还差 20 天 10 小时（条件：≥ 0 分钟）" in LETTERS.single(notice, WANG).text
    assert "✗ limit: 20 d 10 h to go (needed: ≥ 0 min)" in LETTERS.single(notice, CHEN).text


def test_the_fallback_of_a_customer_without_an_owner_reads_why() -> None:
    notice = replace(RAISED, role="fallback", warning=make_warning(customer_id="C3"))
    assert "names no owner" in LETTERS.single(notice, SUN).text
