"""PURE: cooldown, snooze and exemption by (rule, customer). A hold keeps pages back, never verdicts nor cases."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from schemas.warnings import SEVERITIES, Bilingual, Severity
from services.notifier.case import Page, PageKind
from services.notifier.people import Directory
from services.notifier.views import Refusal

HoldKind = Literal["cooldown", "snooze", "exemption"]
HOLD_KINDS: tuple[HoldKind, ...] = get_args(HoldKind)

NEVER_HELD: tuple[PageKind, ...] = ("withdrawn", "undelivered", "uncertain", "assigned")
"""News of what people were told before, and what one of them asked another to do."""

LONGEST: dict[HoldKind, timedelta] = {
    "cooldown": timedelta(days=366),
    "snooze": timedelta(days=30),
    "exemption": timedelta(days=366),
}
"""Nothing is silent for ever: who still wants it after a year says so again."""

GRAVEST: dict[HoldKind, Severity] = {"cooldown": "high", "snooze": "high", "exemption": "critical"}
"""The gravest that each holds unless its author says otherwise: who wanted to hear of it later did not mean this."""

SHORTEST_PAUSE = timedelta(minutes=5)
MAX_REASON = 2000
MAX_RULE = 200


@dataclass(frozen=True)
class Hold:
    """`author` holds back the pages about what `rule` says of a customer, up to the severity `up_to`.

    snooze, exemption   from `created_at` to `expires_at`, or to `ended_at` when somebody lifted it before
    cooldown            as long, but one page goes through whenever the last (`paged_at`) is `pause` past
    """

    id: str
    kind: HoldKind
    rule: str
    customer_id: str
    reason: str
    author: str
    created_at: datetime
    expires_at: datetime
    up_to: Severity = "critical"
    pause: timedelta | None = None
    paged_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it counts at an instant; it does not at that of its end."""
        return self.created_at <= at < min(self.ended_at or self.expires_at, self.expires_at)

    def keeps_back(self, severity: Severity, at: datetime) -> bool:
        """Whether a page of that severity is held at an instant."""
        if not self.in_force(at) or SEVERITIES.index(severity) > SEVERITIES.index(self.up_to):
            return False
        # What is decided at one instant goes out together.
        return self.pause is None or (self.paged_at is not None and self.paged_at < at < self.paged_at + self.pause)

    def silent_until(self) -> datetime:
        """Until when it keeps back what it keeps back now."""
        if self.pause is None or self.paged_at is None:
            return self.expires_at
        return min(self.paged_at + self.pause, self.expires_at)


@dataclass(frozen=True)
class Holds:
    """Those that are known, of one customer or of all."""

    known: tuple[Hold, ...] = ()

    def held(
        self,
        rule: str,
        customer_id: str,
        at: datetime,
        severity: Severity = "low",
        above: Collection[str] | None = None,
    ) -> Hold | None:
        """The hold that keeps a page about (rule, customer) back at an instant, of several the one that does so the
        longest; None: it is sent. `above` are those above the owner where a review is demanded of them: nobody else's
        snooze counts."""
        found = [
            one
            for one in self._about(rule, customer_id)
            if one.keeps_back(severity, at) and (above is None or one.kind != "snooze" or one.author in above)
        ]
        return max(found, key=lambda one: (one.silent_until(), one.id), default=None)

    def let_through(self, rule: str, customer_id: str, at: datetime) -> tuple[Hold, ...]:
        """The cooldowns that a page which is sent now begins anew."""
        return tuple(one for one in self._about(rule, customer_id) if one.pause is not None and one.in_force(at))

    def _about(self, rule: str, customer_id: str) -> Iterable[Hold]:
        return (one for one in self.known if one.rule == rule and one.customer_id == customer_id)


def may_be_held(page: Page) -> bool:
    """Whether a hold can keep this page back at all."""
    return page.kind not in NEVER_HELD


def against(
    hold: Hold, directory: Directory, now: datetime, *, by_operator: bool = False, reviewed: bool = False
) -> tuple[Refusal, ...]:
    """Why the hold cannot be made; empty when it can. An owner may snooze; what is longer, or where a superior's review
    is demanded (`reviewed`), is for those above. The operator at the command line acts for anybody of the directory,
    and so for them."""
    found = [*_unfit(hold, now)]
    if hold.author not in directory.people:
        found.append(
            _refusal("unknown_person", f"通讯录中没有 {hold.author}。", f"{hold.author} is not in the directory.")
        )
    elif reviewed and hold.author not in directory.ladder(hold.customer_id):
        found.append(_not_a_reviewer(hold, directory))
    elif not by_operator and hold.author not in may_hold(hold.kind, hold.customer_id, directory):
        zh = "只有客户负责人的上级可以设置冷却或豁免；负责人本人可以稍后提醒。"
        en = "A cooldown or an exemption is for the superiors of the customer's owner; the owner may snooze."
        found.append(_refusal("not_your_customer", zh, en))
    return tuple(found)


def _not_a_reviewer(hold: Hold, directory: Directory) -> Refusal:
    names = ", ".join(directory.people[person].name for person in directory.ladder(hold.customer_id))
    return _refusal(
        "review_demanded",
        f"规则 {hold.rule} 要求上级审核，只有上级可以暂缓其通知。请联系其中一位：{names}。",
        f"{hold.rule} demands a superior's review: only they can hold its pages back. Please ask one of them: {names}.",
    )


def may_hold(kind: HoldKind, customer_id: str, directory: Directory) -> tuple[str, ...]:
    """Who may make or lift a hold of that kind for the customer."""
    owner = directory.responsible(customer_id).owner
    return tuple(dict.fromkeys((*((owner,) if kind == "snooze" else ()), *directory.ladder(customer_id))))


def _unfit(hold: Hold, now: datetime) -> Iterable[Refusal]:
    if not hold.reason.strip() or len(hold.reason) > MAX_REASON or "\x00" in hold.reason:
        zh, en = f"请说明理由（最多 {MAX_REASON} 个字符）。", f"Give a reason of at most {MAX_REASON} characters."
        yield _refusal("reason", zh, en)
    if not hold.rule.strip() or len(hold.rule) > MAX_RULE or not hold.rule.isprintable():
        yield _refusal("rule", "请写明规则编号。", "Name the rule by its id.")
    longest = LONGEST[hold.kind]
    if not now < hold.expires_at <= now + longest:
        zh, en = f"到期时间须在今后 {longest.days} 天之内。", f"It must expire within the next {longest.days} days."
        yield _refusal("expiry", zh, en)
    if (hold.kind == "cooldown") != (hold.pause is not None):
        yield _refusal("pause", "冷却须写明间隔，其他不需要。", "A cooldown, and nothing else, needs a pause.")
    elif hold.pause is not None and not SHORTEST_PAUSE <= hold.pause <= longest:
        yield _refusal("pause", "冷却间隔至少 5 分钟。", "The pause of a cooldown is 5 minutes at least.")


def _refusal(code: str, zh: str, en: str) -> Refusal:
    return Refusal(code, Bilingual(zh=zh, en=en))
