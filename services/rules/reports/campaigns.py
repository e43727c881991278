"""K6 and R37, promotions: what came of them, and how many customers heard of them. PURE."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from schemas.reference import PromotionAnnounced
from services.rules.calendar import Day
from services.rules.reports.customer import Customer, day_of
from services.rules.reports.model import (
    NO_CUSTOMERS,
    NO_ORDERS,
    NOT_BY_LINE,
    Cell,
    Column,
    Missing,
    Row,
    Table,
    Words,
    money,
    share,
)
from services.rules.reports.query import Group, Query, in_order
from services.rules.reports.tally import Tallies

EFFECT_DAYS = 30
"""The day of the announcement and the 29 after it."""
NOTICE_DAYS = 14

PROMOTION = (
    Column("promotion", Words("促销活动", "Promotion")),
    Column("campaign", Words("营销活动", "Campaign")),
    Column("channel", Words("推广渠道", "Channel")),
    Column("announced", Words("公布日期", "Announced on")),
    Column("is_over", Words("窗口已结束", "Window is over")),
)
EFFECT = (
    *PROMOTION,
    Column("leads", Words("30天内线索", "Leads within 30 days")),
    Column("orders", Words("30天内订单", "Orders within 30 days")),
    Column("buyers", Words("下单客户", "Customers who ordered")),
    Column("sales", Words("30天内销售额", "Sales within 30 days")),
)
CHANNELS = (
    Column("campaign", Words("营销活动", "Campaign")),
    Column("channel", Words("线索渠道", "Channel of the leads")),
    Column("leads", Words("30天内线索", "Leads within 30 days")),
)
COVERAGE = (
    *PROMOTION,
    Column("customers", Words("客户数", "Customers")),
    Column("contacted", Words("14天内已联系", "Contacted within 14 days")),
    Column("coverage", Words("覆盖率", "Coverage")),
)
NO_PROMOTION = Words("期间内没有公布促销", "no promotion was announced in these days (`promotion.announced`)")
NO_CAMPAIGN = Words("促销没有写明营销活动,无法归因", "the promotion names no campaign: nothing can be traced to it")


class Promotion(NamedTuple):
    """A promotion with the company's day on which it was announced."""

    id: str
    day: Day
    campaign: str | None
    channel: str | None


def announced_in(query: Query, promotions: Iterable[PromotionAnnounced]) -> list[Promotion]:
    """The promotions that were announced in the period, oldest first. Each has an `announced_at`."""
    found = [
        Promotion(one.promotion_id, day_of(one.announced_at, query.calendar), one.campaign, one.channel)
        for one in promotions
        if one.announced_at is not None
    ]
    return sorted((one for one in found if query.since <= one.day <= query.until), key=lambda one: (one.day, one.id))


def _cells(promotion: Promotion, query: Query, days: int) -> Row:
    return {
        "promotion": promotion.id,
        "campaign": promotion.campaign,
        "channel": promotion.channel,
        "announced": promotion_day(promotion),
        "is_over": promotion.day + days <= query.last_known,
    }


def promotion_day(promotion: Promotion) -> str:
    """The day of the announcement, 2026-03-01."""
    return date.fromordinal(promotion.day).isoformat()


class CampaignReport:
    """Leads and orders within 30 days of a promotion that name its campaign.

    A lead that names another channel than the promotion is another promotion's. An order names no channel: where a
    campaign has several promotions at a time it is counted for each.
    """

    def __init__(self, query: Query, promotions: Iterable[PromotionAnnounced]) -> None:
        self._query = query
        self._promotions = announced_in(query, promotions)
        self._by_campaign: dict[str, list[Promotion]] = defaultdict(list)
        for one in self._promotions:
            if one.campaign is not None:
                self._by_campaign[one.campaign].append(one)
        self._effects: Tallies[tuple[Group, str]] = Tallies()
        self._buyers: Counter[tuple[Group, str]] = Counter()
        self._channels: Counter[tuple[Group, str, str | None]] = Counter()

    def days(self) -> tuple[Day, Day] | None:
        if not self._by_campaign:
            return None
        return self._query.since, self._query.until + EFFECT_DAYS - 1

    def add(self, customer: Customer) -> None:
        span = self.days()
        if span is None or self._query.by == "product_line":
            return
        bought: set[tuple[Group, str]] = set()
        for day, count in customer.counts(*span, "lead", "order"):
            if not self._query.wants_count(customer, count):
                continue
            group = self._query.count_group(customer, count)
            near = [
                one for one in self._by_campaign.get(count.campaign or "", []) if one.day <= day < one.day + EFFECT_DAYS
            ]
            if near and count.kind == "lead":
                self._channels[group, near[0].campaign or "", count.channel] += count.n
            for one in near:
                if count.kind == "order":
                    bought.add((group, one.id))
                elif count.channel is not None and one.channel not in (None, count.channel):
                    continue
                self._effects[group, one.id].add(count)
        self._buyers.update(bought)

    def tables(self) -> list[Table]:
        columns = self._query.columns()
        title = Words("活动效果", "Effect of promotions")
        effects = Table("promotions", title, (*columns, *EFFECT), nothing=NO_PROMOTION)
        for one in self._promotions:
            groups = [group for group, promotion in self._effects if promotion == one.id]
            effects.rows += [self._effect_row(group, one) for group in in_order(groups) or [None]]
        channels = Table("channels", Words("渠道效果", "Leads by channel"), (*columns, *CHANNELS))
        ordered = sorted(self._channels, key=lambda key: [(part is None, part or "") for part in key])
        channels.rows = [
            {**self._query.cells(group), "campaign": campaign, "channel": channel, "leads": self._channels[key]}
            for key in ordered
            for group, campaign, channel in [key]
        ]
        return [effects, channels]

    def _effect_row(self, group: Group, one: Promotion) -> Row:
        known = {**self._query.cells(group), **_cells(one, self._query, EFFECT_DAYS)}
        if one.campaign is None or self._query.by == "product_line":
            why: Cell = Missing(NO_CAMPAIGN if one.campaign is None else NOT_BY_LINE)
            return {**known, "leads": why, "orders": why, "buyers": why, "sales": why}
        tally = self._effects[group, one.id]
        return {
            **known,
            "leads": tally.n["lead"],
            "orders": tally.n["order"],
            "buyers": self._buyers[group, one.id],
            "sales": money(tally.money["order"], NO_ORDERS),
        }


class CoverageReport:
    """R37: of those who were customers when a promotion was announced, how many were contacted within 14 days."""

    def __init__(self, query: Query, promotions: Iterable[PromotionAnnounced]) -> None:
        self._query = query
        self._promotions = announced_in(query, promotions)
        self._customers: Counter[tuple[Group, str]] = Counter()
        self._contacted: Counter[tuple[Group, str]] = Counter()

    def days(self) -> tuple[Day, Day] | None:
        return (self._query.since, self._query.until + NOTICE_DAYS - 1) if self._promotions else None

    def add(self, customer: Customer) -> None:
        span, since = self.days(), customer.customer_since(self._query.calendar)
        if span is None or since is None:
            return
        contacts = sorted({day for day, _ in customer.counts(*span, "contact")})
        for one in self._promotions:
            if since > one.day or not self._query.wants(customer, one.day):
                continue
            is_told = any(one.day <= day < one.day + NOTICE_DAYS for day in contacts)
            for group in self._query.customer_groups(customer, one.day):
                self._customers[group, one.id] += 1
                self._contacted[group, one.id] += is_told

    def tables(self) -> list[Table]:
        title = Words("促销通知覆盖率", "Customers told of promotions")
        table = Table("coverage", title, self._columns(), nothing=NO_PROMOTION)
        for one in self._promotions:
            groups = [group for group, promotion in self._customers if promotion == one.id]
            table.rows += [self._row(group, one) for group in in_order(groups) or [None]]
        return [table]

    def _columns(self) -> list[Column]:
        return [*self._query.columns(), *COVERAGE]

    def _row(self, group: Group, one: Promotion) -> Row:
        key = (group, one.id)
        return {
            **self._query.cells(group),
            **_cells(one, self._query, NOTICE_DAYS),
            "customers": self._customers[key],
            "contacted": self._contacted[key],
            "coverage": share(self._contacted[key], self._customers[key], NO_CUSTOMERS),
        }
