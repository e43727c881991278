"""P2 and R36, plans: what was reached of them, and who stays below the margin that was asked for. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from schemas.reference import PlanSet
from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.model import (
    NO_CONTRACTS,
    NO_MARGIN,
    NO_ORDERS,
    NO_RECEIPTS,
    NOT_BY_LINE,
    Column,
    Missing,
    Money,
    Row,
    Table,
    Words,
)
from services.rules.reports.query import Query, parse_period
from services.rules.reports.tally import Tally, cents

COLUMNS = (
    Column("plan", Words("计划", "Plan")),
    Column("period", Words("期间", "Period")),
    Column("metric", Words("指标", "Metric")),
    Column("scope", Words("范围", "Scope")),
    Column("scope_id", Words("对象", "Of whom")),
    Column("currency", Words("币种", "Currency")),
    Column("planned", Words("计划值", "Planned")),
    Column("actual", Words("实际值", "Actual")),
    Column("reached", Words("完成率", "Reached")),
    Column("elapsed", Words("时间进度", "Time elapsed")),
    Column("other_currencies", Words("未计入的其他币种", "Not counted: other currencies")),
)
MARGINS = (
    Column("owner", Words("负责人", "Owner")),
    Column("period", Words("期间", "Period")),
    Column("currency", Words("币种", "Currency")),
    Column("margin", Words("毛利合计", "Margin")),
    Column("min_margin", Words("最低总利润", "Least margin asked for")),
    Column("difference", Words("差额", "Difference")),
    Column("below", Words("低于目标", "Below")),
    Column("orders_without_cost", Words("缺成本订单数", "Orders without cost")),
    Column("other_currencies", Words("未计入的其他币种", "Not counted: other currencies")),
)


class Metric(NamedTuple):
    """What a plan's metric counts: `kind`, and `line_kind` where the scope is a product line (None: not known).

    For money, `nothing` says why there is no figure where there is none; for numbers, which can be 0, it is None.
    """

    kind: str
    line_kind: str | None
    nothing: Words | None = None


METRICS: dict[str, Metric] = {
    "sales": Metric("order", "order_line", NO_ORDERS),
    "orders": Metric("order", "order_line"),
    "margin": Metric("order_margin", "order_line_margin", NO_MARGIN),
    "min_margin": Metric("order_margin", "order_line_margin", NO_MARGIN),
    "collections": Metric("receipt", None, NO_RECEIPTS),
    "contracts": Metric("contract", None),
    "contract_value": Metric("contract", None, NO_CONTRACTS),
    "leads": Metric("lead", None),
    "calls": Metric("call", None),
    "visits": Metric("visit", None),
    "won_deals": Metric("opportunity_won", None),
}
UNKNOWN_METRIC = Words(
    f"不认识的指标;可用的有 {', '.join(METRICS)}", f"the metric is not known; there are {', '.join(METRICS)}"
)
UNKNOWN_PERIOD = Words("期间不是年、季度或月份", "the period is no year (2026), quarter (2026-Q1) or month (2026-03)")
NO_CURRENCY = Words("计划没有写明币种", "the plan names no currency")
NO_SCOPE = Words("计划没有写明对象", "the plan does not say of whom or what it is (`scope_id`)")
NO_PLAN = Words("没有涉及这些日期的计划", "there is no plan for these days (`plan.set`)")
NO_MIN_MARGIN = Words(
    "没有涉及这些日期的个人最低总利润计划",
    "there is no plan of a person's least margin for these days (`plan.set` with the metric min_margin)",
)
NOT_BEGUN = Words("期间尚未开始", "the period has not begun")
COST_UNKNOWN = Words("部分订单成本未知,无法判断", "the cost of some orders is not known, so this cannot be told")
OTHERS_EARNED = Words("另有其他币种毛利,无法判断", "there is margin in other currencies, so this cannot be told")


class Planned(NamedTuple):
    """A plan with its days; `days` is None for a period that cannot be read, `metric` for an unknown one."""

    plan: PlanSet
    days: tuple[Day, Day] | None
    metric: Metric | None

    def kind(self) -> str | None:
        """The kind of count that it is measured by; None when nothing measures it."""
        if self.metric is None:
            return None
        return self.metric.line_kind if self.plan.scope == "product_line" else self.metric.kind


class Actuals:
    """What was reached of each of some plans."""

    def __init__(self, query: Query, plans: Iterable[PlanSet]) -> None:
        self._query = query
        found = [Planned(plan, parse_period(plan.period), METRICS.get(plan.metric)) for plan in plans]
        self.plans = [one for one in found if one.days is None or _overlap(one.days, query)]
        self.tallies = [Tally() for _ in self.plans]
        # By kind, scope and whom: a customer's count looks up the few plans that it belongs to.
        self._measured: dict[tuple[str, str, str | None], list[int]] = defaultdict(list)
        for number, one in enumerate(self.plans):
            whom = None if one.plan.scope == "company" else one.plan.scope_id
            for kind in _kinds(one):
                self._measured[kind, one.plan.scope, whom].append(number)
        self._kinds = tuple({kind for kind, _, _ in self._measured})

    def days(self) -> tuple[Day, Day] | None:
        """All days of the plans that can have been seen."""
        spans = [one.days for one in self.plans if one.days is not None and one.kind() is not None]
        spans = [span for span in spans if span[0] <= self._query.until]
        if not spans:
            return None
        return min(first for first, _ in spans), min(self._query.until, max(last for _, last in spans))

    def add(self, customer: Customer) -> None:
        """Adds a customer's counts to the plans that they belong to."""
        span = self.days()
        for day, count in customer.counts(*span, *self._kinds) if span else ():
            scopes = (
                ("company", None),
                ("region", customer.region),
                ("team", customer.team),
                ("person", customer.owner_of(count)),
                ("product_line", count.product_line),
            )
            for scope, name in scopes:
                if scope != "company" and name is None:
                    continue
                for number in self._measured.get((count.kind, scope, name), ()):
                    first, last = self.plans[number].days or (1, 0)
                    if first <= day <= last:
                        self.tallies[number].add(count)

    def figures(self, number: int) -> tuple[Decimal | Missing, Money]:
        """What a plan has come to, in its own currency or as a number, and what there is in other currencies."""
        one, tally = self.plans[number], self.tallies[number]
        missing = self._why_missing(one)
        kind = one.kind()
        if missing is not None or kind is None or one.metric is None:
            return missing or Missing(NOT_BY_LINE), {}
        if one.metric.nothing is None:
            return Decimal(tally.n[kind]), {}
        sums = dict(sorted(tally.money[kind].items()))
        own = sums.pop(one.plan.currency or "", None)
        return Missing(one.metric.nothing) if own is None else own, sums

    def _why_missing(self, one: Planned) -> Missing | None:
        if one.days is None:
            return Missing(UNKNOWN_PERIOD)
        if one.metric is None:
            return Missing(UNKNOWN_METRIC)
        if one.kind() is None:
            return Missing(NOT_BY_LINE)
        if one.plan.scope != "company" and one.plan.scope_id is None:
            return Missing(NO_SCOPE)
        if one.metric.nothing is not None and one.plan.currency is None:
            return Missing(NO_CURRENCY)
        return Missing(NOT_BEGUN) if one.days[0] > self._query.until else None


def _kinds(one: Planned) -> set[str]:
    kind = one.kind()
    if kind is None or one.days is None:
        return set()
    return {kind, "order_without_cost"} if kind == "order_margin" else {kind}


def _overlap(days: tuple[Day, Day], query: Query) -> bool:
    return days[0] <= query.until and days[1] >= query.since


class PlanReport:
    """Actual against plan for every plan whose period the days touch, up to the last day asked for.

    `by` picks the plans of one scope, `owner` those of one person.
    """

    def __init__(self, query: Query, plans: Iterable[PlanSet]) -> None:
        self._query = query
        self._actuals = Actuals(query, (plan for plan in plans if self._is_asked_for(plan)))

    def _is_asked_for(self, plan: PlanSet) -> bool:
        if self._query.owner is not None:
            return plan.scope == "person" and plan.scope_id == self._query.owner
        return self._query.by in (None, plan.scope)

    def days(self) -> tuple[Day, Day] | None:
        return self._actuals.days()

    def add(self, customer: Customer) -> None:
        self._actuals.add(customer)

    def tables(self) -> list[Table]:
        rows = [self._row(number) for number in range(len(self._actuals.plans))]
        return [Table("plans", Words("计划完成情况", "Actual against plan"), COLUMNS, rows, NO_PLAN)]

    def _row(self, number: int) -> Row:
        plan, days, _ = self._actuals.plans[number]
        actual, others = self._actuals.figures(number)
        return {
            "plan": plan.plan_id,
            "period": plan.period,
            "metric": plan.metric,
            "scope": plan.scope,
            "scope_id": plan.scope_id,
            "currency": plan.currency,
            "planned": plan.amount,
            "actual": actual,
            "reached": actual if isinstance(actual, Missing) else float(round(actual / plan.amount, 4)),
            "elapsed": Missing(UNKNOWN_PERIOD) if days is None else _elapsed(days, self._query),
            "other_currencies": others,
        }


def _elapsed(days: tuple[Day, Day], query: Query) -> float:
    first, last = days
    return round(min(max(query.until - first + 1, 0), last - first + 1) / (last - first + 1), 4)


class MinMarginReport:
    """R36: every person's margin against the plan's `min_margin`. Below: marked, where that can be told."""

    def __init__(self, query: Query, plans: Iterable[PlanSet]) -> None:
        asked = [
            plan
            for plan in plans
            if plan.metric == "min_margin" and plan.scope == "person" and query.owner in (None, plan.scope_id)
        ]
        self._actuals = Actuals(query, asked)

    def days(self) -> tuple[Day, Day] | None:
        return self._actuals.days()

    def add(self, customer: Customer) -> None:
        self._actuals.add(customer)

    def tables(self) -> list[Table]:
        rows = [self._row(number) for number in range(len(self._actuals.plans))]
        rows.sort(key=lambda row: (str(row["owner"]), str(row["period"])))
        return [Table("margins", Words("最低总利润", "Least margin"), MARGINS, rows, NO_MIN_MARGIN)]

    def _row(self, number: int) -> Row:
        plan = self._actuals.plans[number].plan
        margin, others = self._actuals.figures(number)
        without_cost = self._actuals.tallies[number].n["order_without_cost"]
        known: Row = {
            "owner": plan.scope_id,
            "period": plan.period,
            "currency": plan.currency,
            "margin": margin,
            "min_margin": plan.amount,
            "orders_without_cost": without_cost,
            "other_currencies": others,
        }
        if isinstance(margin, Missing):
            return _in_order({**known, "difference": margin, "below": margin})
        is_below: bool | Missing = margin < plan.amount
        if is_below and (without_cost or others):
            # What is not counted may be what is lacking.
            is_below = Missing(COST_UNKNOWN if without_cost else OTHERS_EARNED)
        return _in_order({**known, "difference": cents(margin - plan.amount), "below": is_below})


def _in_order(row: Row) -> Row:
    return {column.name: row[column.name] for column in MARGINS}
