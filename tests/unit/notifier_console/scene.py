"""A small company with a few customers in trouble: what the console's tests look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from schemas import warnings as wire
from schemas.warnings import Bilingual, Branch, Compared, EventRef, Evidence, Other, Output, Review, Severity
from services.notifier.people import Customer, Directory, Person

NOW = datetime(2026, 3, 18, 6, 30, tzinfo=UTC)
"""14:30 in Shanghai."""

PASSWORD = "correct horse battery"
HOSTILE = '<script>alert("x")</script>&Sons'

DIRECTORY = Directory(
    people={
        "zhang.wei": Person("zhang.wei", "张伟", "sales", "zh", "li.na"),
        "emma.brown": Person("emma.brown", "Emma Brown", "sales", "en", "li.na"),
        "li.na": Person("li.na", "李娜", "sales", "zh", "chen.jie", "li.na@bellwether.test"),
        "chen.jie": Person("chen.jie", "陈杰", "management", "zh"),
        "wang.fang": Person("wang.fang", "王芳", "finance", "zh", "chen.jie"),
        "liu.yang": Person("liu.yang", "刘洋", "service", "zh", "chen.jie"),
    },
    customers={
        "C-1001": Customer("C-1001", "华东精密机械有限公司", "zhang.wei", "华东"),
        "C-1002": Customer("C-1002", "Northwind Bearings GmbH", "emma.brown", "EU"),
        "C-1003": Customer("C-1003", "深圳市蓝海电子股份有限公司", "zhang.wei", "华南"),
        "C-1004": Customer("C-1004", "成都恒信新材料有限公司", "emma.brown", "西南"),
        "C-1005": Customer("C-1005", "苏州明辉光学仪器厂", "zhang.wei", "华东"),
        "C-6666": Customer("C-6666", HOSTILE, "zhang.wei"),
    },
    fallback="chen.jie",
)

_WATCHED = Bilingual(
    zh="客户连续两月回款延迟、关键联系人变更、在行业展会频繁接触竞品——这些信号一旦出现,必须在24小时内触发上级审核,由跨部门团队介入沟通。",
    en="Two late months running, a change of key contact, or frequent contact with competitors at trade fairs: once "
    "one of these appears, a superior must review within 24 hours and a team across departments steps in.",
)
_FOLLOW_UP = Bilingual(
    zh="当一个重要客户超过30天未被跟进时,系统自动向其负责人和上级经理发送预警提醒。",
    en="When an important customer is not followed up for more than 30 days, its owner and the superior are alerted.",
)


def _warning(
    rule: str,
    customer_id: str,
    name: tuple[str, str],
    summary: tuple[str, str],
    compared: list[Compared],
    advice: tuple[str, str],
    *,
    found: datetime,
    lasting: timedelta,
    severity: Severity = "high",
    kind: Literal["stretch", "streak", "point"] = "stretch",
    events: int = 3,
    reviewed: bool = True,
    output: Output = "warning",
) -> wire.Warning:
    start = found - lasting
    departments = ["sales", "finance", "service"]
    review = Review(within_hours=24, due=found + timedelta(hours=24), departments=departments, quorum=2)
    return wire.Warning(
        id=f"{rule}-{customer_id}",
        revision=1,
        change="raised",
        output=output,
        rule=rule,
        name=Bilingual(zh=name[0], en=name[1]),
        customer_id=customer_id,
        kind=kind,
        severity=severity,
        start=start,
        end=start if kind == "point" else None,
        run=2 if kind == "streak" else 0,
        detected_at=found,
        first_detected_at=found,
        evidence=Evidence(
            events=[EventRef(source="erp", id=f"{customer_id}-{number:04}") for number in range(1, min(events, 5) + 1)],
            events_total=events,
            compared=compared,
            summary=Bilingual(zh=summary[0], en=summary[1]),
        ),
        advice=Bilingual(zh=advice[0], en=advice[1]),
        clause=_WATCHED if reviewed else _FOLLOW_UP,
        clause_source="客户管理制度 1.3" if reviewed else "客户管理系统 4.2",
        review=review if reviewed else None,
    )


def late_payments(customer_id: str, found: datetime) -> wire.Warning:
    """R1: two months running with late collections; the customer has not been followed up either."""
    refs = [EventRef(source="erp", id=f"{customer_id}-{number:04}") for number in range(1, 6)]
    run = _compared("late_month_run", "连续逾期月数", "Late months in a row", "2", ">=", "2")
    run = run.model_copy(update={"decisive": True, "events": refs, "events_total": 8})
    warning = _warning(
        "R1",
        customer_id,
        ("连续两月回款延迟", "Collections late two months running"),
        (
            "1 月和 2 月到期的发票共 5 张逾期,最长 23 天。",
            "5 invoices due in January and February were late, the longest by 23 days.",
        ),
        [
            run,
            _compared("late_invoices", "逾期发票张数", "Late invoices", "5", ">=", "1"),
            _compared("longest", "最长逾期天数", "Longest delay in days", "23", ">=", "20"),
        ],
        (
            "先与客户财务对账,确认是否有质量或服务争议,再约定回款计划。",
            "Reconcile with the customer's finance first, ask for disputes, then agree on a payment plan.",
        ),
        found=found,
        lasting=timedelta(days=17),
        kind="streak",
        events=8,
        severity="critical",
    )
    tree = Branch(mode="all", of=[Branch(mode="leaf", leaf=0), Branch(mode="leaf", leaf=1)])
    others = [_other(quarterly_update("C-1005", found)), _other(no_contact("C-1004", found))]
    rise = wire.Rise(to="critical", tree=Branch(mode="leaf", leaf=2))
    evidence = warning.evidence.model_copy(update={"tree": tree, "rise": rise})
    clears = Bilingual(zh="到期款项全部按时收到的一个月结束。", en="A month closes in which all was paid in time.")
    return warning.model_copy(update={"evidence": evidence, "clears": clears, "others": others})


def _other(warning: wire.Warning) -> Other:
    return Other(id=warning.id, rule=warning.rule, name=warning.name, severity=warning.severity, start=warning.start)


def contact_left(customer_id: str, found: datetime) -> wire.Warning:
    """R2: a key contact has left."""
    return _warning(
        "R2",
        customer_id,
        ("关键联系人变更", "A key contact changed"),
        ("采购总监离职,接任者未知。", "The head of procurement has left; the successor is not known."),
        [_compared("change", "变动", "Change", "left", "in", "left, replaced, role_changed")],
        ("一周内拜访接任者,重新梳理决策链。", "Visit the successor within a week and map the decision chain anew."),
        found=found,
        lasting=timedelta(hours=3),
        kind="point",
        events=1,
    )


def competitors_met(customer_id: str, found: datetime) -> wire.Warning:
    """R3: often seen with competitors at trade fairs."""
    return _warning(
        "R3",
        customer_id,
        ("频繁接触竞品", "Often meets competitors"),
        ("90 天内 3 次在展会接触竞品。", "Met competitors at trade fairs on 3 days within 90."),
        [_compared("fair_days", "展会接触竞品的天数", "Days with competitors at fairs", "3", ">=", "2")],
        ("了解客户未被满足的需求。", "Find out which need of the customer is not met."),
        found=found,
        lasting=timedelta(days=2),
    )


def no_contact(customer_id: str, found: datetime) -> wire.Warning:
    """R7: an important customer without follow-up; no review is demanded."""
    return _warning(
        "R7",
        customer_id,
        ("重要客户超过 30 天未跟进", "Important customer without follow-up for 30 days"),
        ("上次联系是 34 天前。", "The last contact was 34 days ago."),
        [_compared("days_since_contact", "距上次联系的天数", "Days since the last contact", "34.2", ">", "30")],
        ("今天就联系客户。", "Contact the customer today."),
        found=found,
        lasting=timedelta(days=4),
        severity="medium",
        events=1,
        reviewed=False,
    )


def quarterly_update(customer_id: str, found: datetime) -> wire.Warning:
    """R11: a task for the owner's list."""
    return _warning(
        "R11",
        customer_id,
        ("更新客户档案", "Update the customer's file"),
        ("档案 95 天未更新。", "The file was not updated for 95 days."),
        [_compared("profile_age_days", "档案未更新天数", "Days since the last update", "95", ">", "92")],
        ("核对四类信息并更新。", "Check the four sections and update them."),
        found=found,
        lasting=timedelta(days=3),
        severity="low",
        reviewed=False,
        output="task",
    ).model_copy(update={"audience": ["owner"]})


def good_credit(customer_id: str, found: datetime) -> wire.Warning:
    """R32: a suggestion."""
    return _warning(
        "R32",
        customer_id,
        ("信用良好，可给优惠", "Good credit: a benefit may be granted"),
        ("信用等级 A。", "Credit grade A."),
        [_compared("grade", "信用等级", "Credit grade", "A", "in", "A")],
        ("下次报价时给予优惠。", "Grant a benefit with the next quotation."),
        found=found,
        lasting=timedelta(days=1),
        severity="low",
        reviewed=False,
        output="suggestion",
    )


def contract_review(customer_id: str, found: datetime) -> wire.Warning:
    """A ticket for the finance department."""
    ticket = _warning(
        "R24cl",
        customer_id,
        ("商机需要合同审核", "Opportunity needs a contract review"),
        ("商机状态变为“contract_review”。", 'The status became "contract_review".'),
        [_compared("status", "商机状态", "Status", "contract_review", "in", "contract_review")],
        ("今天约定时间。", "Agree on a time today."),
        found=found,
        lasting=timedelta(hours=1),
        kind="point",
        events=1,
        reviewed=False,
        output="task",
    )
    return ticket.model_copy(update={"department": "finance"})


def _compared(fact: str, zh: str, en: str, value: str, op: wire.ComparedOp, threshold: str) -> Compared:
    return Compared(fact=fact, label=Bilingual(zh=zh, en=en), value=value, op=op, threshold=threshold, held=True)


def everything(now: datetime = NOW) -> list[tuple[datetime, wire.Warning]]:
    """All warnings of the scene with the instants at which they came, oldest first."""
    when = {
        "C-1004": now - timedelta(days=3),
        "C-1003": now - timedelta(hours=27),
        "C-1002": now - timedelta(hours=20),
        "C-6666": now - timedelta(hours=6),
        "C-1001": now - timedelta(hours=4),
    }
    found = [
        (when["C-1004"], no_contact("C-1004", when["C-1004"])),
        (when["C-1003"], competitors_met("C-1003", when["C-1003"])),
        (when["C-1002"], contact_left("C-1002", when["C-1002"])),
        (when["C-6666"], competitors_met("C-6666", when["C-6666"])),
        (when["C-1001"], late_payments("C-1001", when["C-1001"])),
        (when["C-1001"] + timedelta(hours=1), contact_left("C-1001", when["C-1001"] + timedelta(hours=1))),
        (now - timedelta(hours=1), quarterly_update("C-1005", now - timedelta(hours=1))),
        (now - timedelta(hours=1), good_credit("C-1005", now - timedelta(hours=1))),
        (now - timedelta(hours=1), contract_review("C-1005", now - timedelta(hours=1))),
    ]
    return sorted(found, key=lambda pair: pair[0])
