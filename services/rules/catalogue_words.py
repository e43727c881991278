"""The words in which the catalogue of rules speaks, in Chinese and English. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

Said = Mapping[Language, str]


def _said(zh: str, en: str) -> Said:
    return {"zh": zh, "en": en}


TITLE = _said("规则手册", "Rulebook")
INTRODUCTION = _said(
    "本页由 `bellwether rules catalogue` 根据规则文件生成，请勿手改。参数可由销售运营调整，此处列出默认值。",
    "This page is made from the rule files by `bellwether rules catalogue`: do not edit it. Sales operations may tune "
    "the parameters; their defaults are given here.",
)

OUTPUTS: dict[str, Said] = {
    "warning": _said("预警", "Warning"),
    "task": _said("任务", "Task"),
    "suggestion": _said("建议", "Suggestion"),
    "class": _said("分类", "Class"),
    "score": _said("评分", "Score"),
}
"""In the order in which the catalogue goes through them."""

GROUPS: dict[str, Said] = {
    "warning": _said("预警：进入案件，通知到人", "Warnings: a case is opened and people are told"),
    "task": _said("任务：进入负责人的待办", "Tasks: on the owner's list"),
    "suggestion": _said("建议：显示给负责人", "Suggestions: shown to the owner"),
    "class": _said("分类：给客户一个类别", "Classes: a word for the customer"),
    "score": _said("评分：0 到 100 分", "Scores: 0 to 100"),
}

KINDS: dict[str, Said] = {
    "stretch": _said("持续：条件成立期间一直有效", "stretch: from when the condition holds until it no longer does"),
    "streak": _said("连续周期：按未达标的周期计", "streak: periods in a row that failed"),
    "point": _said("单次：每个事件一次", "point: once for each event"),
    "class": _said("分类：取第一个成立的类别", "class: the first that holds"),
    "score": _said("评分：各项加权平均", "score: the weighted mean of its inputs"),
}

SEVERITIES: dict[str, Said] = {
    "low": _said("低", "low"),
    "medium": _said("中", "medium"),
    "high": _said("高", "high"),
    "critical": _said("紧急", "critical"),
}

PEOPLE: dict[str, Said] = {
    "owner": _said("负责人", "the owner"),
    "superior": _said("上级", "the superior"),
}

DEPARTMENTS: dict[str, Said] = {
    "sales": _said("销售", "sales"),
    "finance": _said("财务", "finance"),
    "service": _said("服务", "service"),
    "technical": _said("技术", "technical"),
    "legal": _said("法务", "legal"),
}

SUBJECTS: dict[str, Said] = {
    "contract": _said("每份合同", "each contract"),
    "contact": _said("每位联系人", "each contact"),
    "promise": _said("每项承诺", "each promise"),
    "feedback": _said("每条反馈", "each piece of feedback"),
    "service_case": _said("每张服务工单", "each service case"),
    "opportunity": _said("每个商机", "each opportunity"),
    "order": _said("每笔订单", "each order"),
    "milestone": _said("每个关键节点", "each milestone"),
    "anniversary": _said("每个纪念日", "each anniversary"),
}
WHOLE_CUSTOMER = _said("整个客户", "the customer as a whole")

OPERATORS: dict[str, Said] = {
    "<": _said("少于", "is less than"),
    "<=": _said("不超过", "is at most"),
    "==": _said("等于", "is"),
    "!=": _said("不等于", "is not"),
    ">=": _said("不少于", "is at least"),
    ">": _said("超过", "is more than"),
    "in": _said("属于", "is one of"),
    "not_in": _said("不属于", "is none of"),
}
KNOWN: dict[bool, Said] = {True: _said("有值", "has a value"), False: _said("没有值", "has no value")}
MODES: dict[str, Said] = {
    "all": _said("以下全部成立", "all of these hold"),
    "any": _said("以下任一成立", "any of these holds"),
    "not": _said("以下不成立", "this does not hold"),
}
JOINED: dict[str, Said] = {"all": _said(" 且 ", " and "), "any": _said(" 或 ", " or ")}
NEGATED = _said("并非", "not")

FILTERS: dict[str, Said] = {
    "is": _said("为", "is"),
    "in": _said("属于", "in"),
    "not": _said("不为", "is not"),
    "not_in": _said("不属于", "not in"),
    "has": _said("包含", "has"),
    "at_least": _said("至少", "at least"),
    "at_most": _said("至多", "at most"),
    "above": _said("大于", "above"),
    "below": _said("小于", "below"),
    "known": _said("有值为", "known is"),
}

SHAPES: dict[str, Said] = {
    "count": _said("次数", "how many"),
    "sum": _said("合计", "sum"),
    "mean": _said("平均", "mean"),
    "max": _said("最大值", "greatest"),
    "share": _said("占比", "share"),
    "distinct": _said("不同值的个数", "different values"),
    "distinct_days": _said("不同日子的天数", "different days"),
    "changes": _said("变化次数", "changes"),
    "latest": _said("最新值", "newest value"),
    "filled": _said("已填比例", "share filled in"),
    "since_last": _said("距上次的时间", "time since the last"),
    "past_usual_gap": _said("超过惯常间隔的时间", "time past the usual gap"),
    "anniversaries_since_first": _said("自首次起的满年数", "full years since the first"),
    "waiting": _said("等待时间", "time waited"),
    "streak": _said("连续未达标的月数", "months in a row that failed"),
    "missed": _said("连续缺少的周期数", "periods in a row without"),
    "trend": _said("与以前同期之比", "against the same months before"),
    "best_month": _said("最高的单月合计", "greatest monthly sum"),
    "level": _said("余额", "balance"),
    "rank": _said("在客户中的位次", "place among customers"),
    "result": _said("另一条规则的结果", "result of another rule"),
    "checklist": _said("清单完成比例", "share of a checklist done"),
}

COLUMNS: dict[str, Said] = {
    "id": _said("编号", "id"),
    "name": _said("名称", "name"),
    "output": _said("输出", "output"),
    "kind": _said("种类", "kind"),
    "severity": _said("严重程度", "severity"),
    "source": _said("出处", "clause"),
    "subject": _said("对象", "subject"),
    "told": _said("通知", "who is told"),
    "department": _said("由部门处理", "department to act"),
    "review": _said("审核要求", "review"),
    "act_within_days": _said("办理期限", "to be done"),
    "feed": _said("依据的数据源", "feed it relies on"),
    "event": _said("事件", "event"),
    "once": _said("只计一次的组合", "once for each"),
    "run": _said("连续长度", "length of the run"),
    "fact": _said("指标", "fact"),
    "looks": _said("看什么", "what it looks at"),
    "parameter": _said("参数", "parameter"),
    "label": _said("含义", "meaning"),
    "default": _said("默认", "default"),
    "bounds": _said("范围", "bounds"),
    "value": _said("取值", "value"),
    "when": _said("条件", "when"),
    "advice": _said("建议", "advice"),
    "input": _said("分项", "input"),
    "weight": _said("权重", "weight"),
    "points": _said("折算", "points"),
    "missing": _said("缺失时", "when missing"),
}

HEADINGS: dict[str, Said] = {
    "index": _said("目录", "Index"),
    "condition": _said("触发条件", "Condition"),
    "escalates": _said("升级", "Escalates"),
    "classes": _said("类别（自上而下取第一个成立的）", "Classes (from the top, the first that holds)"),
    "inputs": _said("分项", "Inputs"),
    "facts": _said("指标", "Facts"),
    "parameters": _said("参数", "Parameters"),
    "says": _said("提示内容", "What it says"),
    "advice": _said("建议", "Advice"),
    "clears": _said("如何解除", "What clears it"),
    "changes": _said("何时改变", "When it changes"),
    "examples": _said("示例（规则文件中的名称）", "Examples"),
}

MISSING: dict[str, Said] = {
    "reweight": _said("其余按权重折算", "the others take its weight"),
    "inconclusive": _said("不计分", "no score"),
}
OTHERWISE = _said("其余情况", "otherwise")
RULE_OF = _said("规则", "rule")
COLON = _said("：", ": ")
COMMA = _said("，", ", ")
LISTED = _said("、", ", ")
STOP = _said("。", ".")

_DURATION = re.compile(r"([0-9]{1,6})([dhms])")
_UNITS: dict[str, tuple[str, str]] = {
    "d": ("天", "day"),
    "h": ("小时", "hour"),
    "m": ("分钟", "minute"),
    "s": ("秒", "second"),
}


def duration_words(text: str, language: Language) -> str | None:
    """`30d` as "30 天" or "30 days"; None for what is no duration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    zh, en = _UNITS[match[2]]
    return f"{match[1]} {zh}" if language == "zh" else f"{match[1]} {en}{'' if match[1] == '1' else 's'}"


def review_words(within_hours: int, hours: str, departments: str, quorum: int, language: Language) -> str:
    """R4's demand in a sentence."""
    if language == "zh":
        counted = "个工作小时" if hours == "working" else " 小时"
        return f"上级须在 {within_hours}{counted}内审核；{departments}中至少 {quorum} 个部门介入后方可结案"
    counted = "working hours" if hours == "working" else "hours"
    return (
        f"by the superior within {within_hours} {counted}; at least {quorum} of {departments} before the case may close"
    )


def act_within_words(days: int, language: Language) -> str:
    """By when the advice is to be followed."""
    return f"{days} 个工作日内" if language == "zh" else f"within {days} working day{'' if days == 1 else 's'}"


def value_words(value: Any, language: Language) -> str:
    """A value as it stands in a file, as people read it."""
    if isinstance(value, bool):
        return {"zh": ("否", "是"), "en": ("no", "yes")}[language][value]
    if isinstance(value, list):
        return LISTED[language].join(value_words(one, language) for one in value)
    if value is None:
        return "—"
    if value == "":
        return {"zh": "空", "en": "empty"}[language]
    return duration_words(str(value), language) or str(value)
