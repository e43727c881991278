"""PURE: the words of the pages, Chinese and English side by side. Placeholders in braces are filled by contents.py."""

from __future__ import annotations

from services.notifier.case import PageKind, Role
from services.notifier.people import Language

Words = dict[Language, str]

SEVERITY: dict[str, Words] = {
    "low": {"zh": "低", "en": "low"},
    "medium": {"zh": "中", "en": "medium"},
    "high": {"zh": "高", "en": "high"},
    "critical": {"zh": "严重", "en": "critical"},
}

SUBJECT: dict[PageKind, Words] = {
    "raised": {"zh": "【预警·{severity}】{customer}：{name}", "en": "[Warning, {severity}] {customer}: {name}"},
    "amended": {"zh": "【预警加重·{severity}】{customer}：{name}", "en": "[Worse, {severity}] {customer}: {name}"},
    "withdrawn": {"zh": "【预警撤回】{customer}：{name}", "en": "[Withdrawn] {customer}: {name}"},
    "breached": {"zh": "【审核逾期】{customer}：{name}", "en": "[Review overdue] {customer}: {name}"},
    "nudge": {"zh": "【待办】{customer}：{name}", "en": "[To do] {customer}: {name}"},
    "undelivered": {"zh": "【通知未送达】{customer}：{name}", "en": "[Page not delivered] {customer}: {name}"},
    "uncertain": {"zh": "【通知可能未送达】{customer}：{name}", "en": "[Page may not have arrived] {customer}: {name}"},
    "due_soon": {"zh": "【审核将到期】{customer}：{name}", "en": "[Review due soon] {customer}: {name}"},
    "idle": {"zh": "【无人跟进】{customer}：{name}", "en": "[Nobody is at work on it] {customer}: {name}"},
    "reminder": {"zh": "【待办提醒】{customer}：{name}", "en": "[Not done yet] {customer}: {name}"},
    "assigned": {"zh": "【交给您】{customer}：{name}", "en": "[Given to you] {customer}: {name}"},
    "join": {"zh": "【请介入·{severity}】{customer}：{name}", "en": "[Please join, {severity}] {customer}: {name}"},
    "join_due": {"zh": "【尚未介入】{customer}：{name}", "en": "[Not joined yet] {customer}: {name}"},
}

OPENING: dict[PageKind, Words] = {
    "raised": {"zh": "客户 {customer} 出现预警：{name}。", "en": "A warning about the customer {customer}: {name}."},
    "amended": {"zh": "客户 {customer} 的预警加重：{name}。", "en": "A warning about {customer} became worse: {name}."},
    "withdrawn": {
        "zh": "此前通知您的预警已撤回：{customer}：{name}。按现有信息，它并不成立，您无需再处理。",
        "en": "The warning you were paged about is withdrawn: {customer}: {name}. By what is known now it did not "
        "hold; there is nothing more to do about it.",
    },
    "breached": {
        "zh": "客户 {customer} 的上级审核已逾期，无人开始：{name}。现请您审核。",
        "en": "Nobody opened the review about {customer} in time: {name}. You are asked to review it now.",
    },
    "nudge": {
        "zh": "客户 {customer} 有一项待办：{name}。",
        "en": "Something to do for the customer {customer}: {name}.",
    },
    "undelivered": {
        "zh": "发给 {about_person} 的通知（{about_channel}）最终未能送达：{about_error}。请您另行告知。",
        "en": "The page to {about_person} by {about_channel} could not be delivered: {about_error}. "
        "Please tell them in another way.",
    },
    "uncertain": {
        "zh": "以 {about_channel} 发给您的同一通知去向不明（{about_error}），您可能已收到，也可能没有。内容如下。",
        "en": "The same page by {about_channel} may or may not have reached you ({about_error}). This is what it says.",
    },
    "due_soon": {
        "zh": "客户 {customer} 的上级审核尚未开始，期限将到：{name}。",
        "en": "Nobody has opened the review about {customer} yet, and its deadline comes near: {name}.",
    },
    "idle": {
        "zh": "客户 {customer} 的案件已多日无人跟进：{name}。请继续处理，或作出结论。",
        "en": "Nobody has done anything about the case of {customer} for days: {name}. "
        "Please go on with it, or close it.",
    },
    "reminder": {
        "zh": "客户 {customer} 的待办尚未完成：{name}。",
        "en": "Something to do for the customer {customer} is not done yet: {name}.",
    },
    "assigned": {
        "zh": "客户 {customer} 的案件交给您处理：{name}。",
        "en": "The case of the customer {customer} was given to you: {name}.",
    },
    "join": {
        "zh": "客户 {customer} 出现预警，需要{asked}介入：{name}。",
        "en": "A warning about the customer {customer} needs {asked} to take part: {name}.",
    },
    "join_due": {
        "zh": "客户 {customer} 的案件仍在等{asked}介入，时间已过半：{name}。",
        "en": "The case of the customer {customer} still waits for {asked}, and half of the time is over: {name}.",
    },
}

ROLE: dict[Role, Words] = {
    "owner": {"zh": "您是该客户的负责人。", "en": "You own this customer."},
    "superior": {"zh": "您是客户负责人 {owner} 的上级。", "en": "You are the superior of its owner, {owner}."},
    "escalation": {
        "zh": "该案件已升级到您。客户负责人：{owner}。",
        "en": "It has escalated to you. The owner is {owner}.",
    },
    "fallback": {
        "zh": "通讯录中该客户没有负责人，因此通知您。请指定负责人。",
        "en": "The directory names no owner for this customer, so you are told. Please name one.",
    },
    "department": {
        "zh": "这是给{department}的工单，请部门内约定由谁接手。",
        "en": "This is a ticket for {department}. Please agree among yourselves who takes it.",
    },
    "stand_in": {
        "zh": "您在代替不在岗的同事处理。客户负责人：{owner}。",
        "en": "You stand in for somebody who is away. The owner is {owner}.",
    },
    "assignee": {
        "zh": "此案件由您处理。客户负责人：{owner}。",
        "en": "You are at work on this case. The owner is {owner}.",
    },
}

TASK_ASSIGNED: Words = {
    "zh": "客户 {customer} 的待办交给您处理：{name}。",
    "en": "Something to do for the customer {customer} was given to you: {name}.",
}

STAND_IN: Words = {
    "zh": "这是给{department}的工单；通讯录中该部门没有人员，因此交给客户负责人及其上级。",
    "en": "This is a ticket for {department}. The directory names nobody there, so it comes to the owner of the "
    "customer and the superior.",
}

TOLD_TOO: Words = {
    "zh": "此情况同时告知您的部门。客户负责人：{owner}。",
    "en": "Your department is told of it, too. The owner is {owner}.",
}

JOIN: Words = {
    "zh": "请{asked}派人介入，共同处理的还有：{company}。人选确定后，请在控制台的案件页“记录部门加入”。",
    "en": "Please have {asked} join the intervention. Also drawn in: {company}. Once it is settled who takes part, "
    "record it on the case's page in the console (“Record a department”).",
}

TEAM: dict[str, Words] = {
    "owner": {"zh": "客户负责人 {owner} 及其上级", "en": "{owner} (the owner) with the superior"},
}

# The labels of a message's parts are in the templates (zh/labels.j2, en/labels.j2).
LABEL: dict[str, Words] = {
    "other": {"zh": "{name}（{severity}，{since} 起）", "en": "{name} ({severity}, since {since})"},
    "worth": {"zh": "客户年价值约 {value}", "en": "about {value}, the customer's worth in a year"},
    "more": {"zh": "另有 {n} 条", "en": "{n} more"},
    "event": {"zh": "共 1 条事件", "en": "1 event in all"},
    "events": {"zh": "共 {n} 条事件", "en": "{n} events in all"},
    "newest": {"zh": "；依据 {n} 条事件，最新：{events}", "en": "; events: {n}, the newest {events}"},
    "merged": {"zh": "已并入另一条预警。", "en": "It was merged into another warning."},
    "customer_merged": {
        "zh": "该客户与客户 {into} 是同一客户，今后的预警以后者为准。",
        "en": "The customer turned out to be {into}; what holds of it is told there.",
    },
    "threshold": {"zh": "{label}：{value}（条件：{condition}）", "en": "{label}: {value} (needed: {condition})"},
}

DIGEST: dict[str, Words] = {
    "subject": {
        "zh": "【预警汇总】{n} 条通知，涉及 {customers} 个客户",
        "en": "[Digest] {n} pages about {customers} customers",
    },
    "opening": {
        "zh": "有 {n} 条通知给您，涉及 {customers} 个客户。按客户列出，严重的在前：",
        "en": "There are {n} pages for you, about {customers} customers: by customer, the gravest first.",
    },
    "customer": {"zh": "{customer}（{n} 条，最高：{severity}）", "en": "{customer} ({n}, the highest: {severity})"},
    "line": {"zh": "{line}（{subject}）", "en": "{line} ({subject})"},
    "due": {"zh": "{due} 前开始审核", "en": "review by {due}"},
    "join_by": {"zh": "{due} 前介入", "en": "join by {due}"},
    "asked": {"zh": "{line}（请{asked}介入）", "en": "{line} (please have {asked} join)"},
    "rest": {
        "zh": "还有 {n} 条通知，涉及 {customers} 个客户，未在此列出",
        "en": "{n} more pages about {customers} customers are not listed here",
    },
}

DIGEST_LINE: dict[PageKind, Words] = {
    "raised": {"zh": "【{severity}】{name}", "en": "[{severity}] {name}"},
    "amended": {"zh": "【{severity}】加重：{name}", "en": "[{severity}] worse: {name}"},
    "withdrawn": {"zh": "【撤回】{name}", "en": "[withdrawn] {name}"},
    "breached": {"zh": "【审核逾期】{name}", "en": "[review overdue] {name}"},
    "nudge": {"zh": "【待办】{name}", "en": "[to do] {name}"},
    "due_soon": {"zh": "【审核将到期】{name}", "en": "[review due soon] {name}"},
    "idle": {"zh": "【无人跟进】{name}", "en": "[nobody is at work on it] {name}"},
    "reminder": {"zh": "【未完成】{name}", "en": "[not done yet] {name}"},
    "assigned": {"zh": "【交给您】{name}", "en": "[given to you] {name}"},
    "join": {"zh": "【请介入】{severity}：{name}", "en": "[please join] {severity}: {name}"},
    "join_due": {"zh": "【尚未介入】{name}", "en": "[not joined yet] {name}"},
    "undelivered": {
        "zh": "【通知未送达】{name}（{about_person}，{about_channel}）",
        "en": "[page not delivered] {name} ({about_person}, {about_channel})",
    },
    "uncertain": {
        "zh": "【通知可能未送达】{name}（{about_channel}）",
        "en": "[page may not have arrived] {name} ({about_channel})",
    },
}
