"""K5, the funnel: what open deals may bring and when, and in which stage they wait. PURE."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from schemas.customers import Opportunity, StageVisit
from schemas.sales import CLOSED_STAGES, STAGES
from services.rules.calendar import month_name, month_of_day
from services.rules.reports.customer import Customer
from services.rules.reports.journeys import PLACES
from services.rules.reports.model import (
    NO_AMOUNT,
    NOT_BY_LINE,
    Column,
    Missing,
    Money,
    Row,
    Table,
    Words,
    middle,
    money,
)
from services.rules.reports.query import Group, Query, in_order
from services.rules.reports.tally import add_money, cents

CONFIGURED_WEIGHTS = {
    "lead": Decimal("0.05"),
    "opportunity": Decimal("0.10"),
    "needs": Decimal("0.25"),
    "proposal": Decimal("0.50"),
    "negotiation": Decimal("0.75"),
}
"""How likely a deal in a stage is to be won, while our own history is too short to tell."""

ENOUGH_DEALS = 30
"""Closed deals from which on our own history tells the weights (K5)."""

FORECAST = (
    Column("close_month", Words("预计成交月份", "Close month")),
    Column("deals", Words("商机数", "Deals")),
    Column("amount", Words("金额", "Amount")),
    Column("weighted", Words("加权金额", "Weighted amount")),
    Column("not_forecast", Words("无金额或阶段未知", "Without amount or in an unknown stage")),
    Column("overdue", Words("已过预计成交日", "Close date has passed")),
)
STAGE_COLUMNS = (
    Column("stage", Words("阶段", "Stage")),
    Column("weight", Words("权重", "Weight")),
    Column("weight_from", Words("权重来源", "Weight from")),
    Column("closed_deals", Words("历史商机数", "Closed deals behind it")),
    Column("open", Words("进行中", "Open")),
    Column("median_age_days", Words("停留中位数(天)", "Median age, days")),
    Column("left", Words("期间内离开", "Left in the period")),
    Column("median_stay_days", Words("离开者停留中位数(天)", "Median stay of those, days")),
)
NONE_OPEN = Words("此阶段没有进行中的商机", "no deal is in the stage")
NONE_LEFT = Words("期间内没有商机离开此阶段", "no deal left the stage in the period")
UNKNOWN_STAGE = Words("不认识的阶段,没有权重", "the stage is not one of the procedure's: it has no weight")


class Weight(NamedTuple):
    """The share of deals in a stage that are won; `source` says how that is known, from `deals` closed ones."""

    share: Decimal
    source: str
    deals: int


class History:
    """How closed deals ended, by the stages they had been in."""

    def __init__(self) -> None:
        self.closed = 0
        self.reached: Counter[int] = Counter()
        self.won: Counter[int] = Counter()

    def add(self, visits: list[StageVisit]) -> None:
        """A deal that is over."""
        places = [PLACES[visit.stage] for visit in visits if visit.stage in PLACES]
        self.closed += 1
        is_won = visits[-1].stage == "won"
        for place in range(min(places), max(places) + 1) if places else ():
            self.reached[place] += 1
            self.won[place] += is_won

    def weight(self, stage: str) -> Weight | None:
        """From ENOUGH_DEALS closed deals on the share won of those that were in the stage, before the configured one.

        None for a stage that is not known.
        """
        if stage not in CONFIGURED_WEIGHTS:
            return None
        reached, won = self.reached[PLACES[stage]], self.won[PLACES[stage]]
        if self.closed >= ENOUGH_DEALS and reached:
            return Weight(Decimal(won) / reached, "history", reached)
        return Weight(CONFIGURED_WEIGHTS[stage], "configured", self.closed)


class Cohort:
    """Open deals of one group, close month and stage."""

    def __init__(self) -> None:
        self.deals = 0
        self.overdue = 0
        self.without_amount = 0
        self.amounts: Money = {}


class FunnelReport:
    """The stage-weighted amount of what is open at the end of the period, by close month; the median age by stage.

    The history behind the weights is everybody's, whomever the report is asked for.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._history = History()
        self._open: dict[tuple[Group, str | None, str], Cohort] = defaultdict(Cohort)
        self._ages_s: dict[tuple[Group, str], array[int]] = defaultdict(lambda: array("q"))
        self._stays_s: dict[tuple[Group, str], array[int]] = defaultdict(lambda: array("q"))

    def days(self) -> None:
        return None

    def add(self, customer: Customer) -> None:
        query = self._query
        for deal, visits in customer.deals_until(query.end):
            is_open = visits[-1].stage not in CLOSED_STAGES
            if not is_open:
                self._history.add(visits)
            if query.wants_deal(customer, deal) and query.by != "product_line":
                group = query.deal_group(customer, deal)
                self._add_stays(group, visits)
                if is_open:
                    self._add_open(group, deal, visits)

    def _add_open(self, group: Group, deal: Opportunity, visits: list[StageVisit]) -> None:
        stage, close = visits[-1].stage, deal.close_date
        month = None if close is None else month_name(month_of_day(close.toordinal()))
        cohort = self._open[group, month, stage]
        cohort.deals += 1
        cohort.overdue += close is not None and close.toordinal() <= self._query.until
        if deal.amount is None or deal.currency is None:
            cohort.without_amount += 1
        else:
            add_money(cohort.amounts, deal.currency, deal.amount)
        self._ages_s[group, stage].append(int((self._query.end - visits[-1].entered).total_seconds()))

    def _add_stays(self, group: Group, visits: list[StageVisit]) -> None:
        query = self._query
        for visit in visits:
            if visit.left is not None and query.start <= visit.left < query.end:
                self._stays_s[group, visit.stage].append(int((visit.left - visit.entered).total_seconds()))

    def tables(self) -> list[Table]:
        columns = self._query.columns()
        forecast = Table("forecast", Words("漏斗预测", "Forecast"), (*columns, *FORECAST), self._forecast())
        stages = Table("stages", Words("各阶段停留与瓶颈", "Stages and bottlenecks"), (*columns, *STAGE_COLUMNS))
        if self._query.by == "product_line":
            forecast.rows = [{"product_line": None, **{one.name: Missing(NOT_BY_LINE) for one in FORECAST}}]
        groups = in_order({group for group, _ in (*self._ages_s, *self._stays_s)})
        for group in groups or ([None] if self._query.by is None else []):
            seen = {stage for other, stage in (*self._ages_s, *self._stays_s) if other == group}
            unknown = sorted(seen - set(CONFIGURED_WEIGHTS) - CLOSED_STAGES)
            stages.rows += [self._stage_row(group, stage) for stage in (*STAGES[:-1], *unknown)]
        return [forecast, stages]

    def _forecast(self) -> list[Row]:
        keys = {(group, month) for group, month, _ in self._open}
        ordered = sorted(keys, key=lambda key: (key[0] is None, key[0] or "", key[1] is None, key[1] or ""))
        return [self._forecast_row(group, month) for group, month in ordered]

    def _forecast_row(self, group: Group, month: str | None) -> Row:
        cohorts = {stage: cohort for (g, m, stage), cohort in self._open.items() if (g, m) == (group, month)}
        amounts: Money = {}
        weighted: Money = {}
        left_out = 0
        for stage, cohort in cohorts.items():
            weight = self._history.weight(stage)
            left_out += cohort.without_amount if weight else cohort.deals
            for currency, amount in cohort.amounts.items():
                add_money(amounts, currency, amount)
                if weight:
                    add_money(weighted, currency, amount * weight.share)
        return {
            **self._query.cells(group),
            "close_month": month,
            "deals": sum(cohort.deals for cohort in cohorts.values()),
            "amount": money(amounts, NO_AMOUNT),
            "weighted": money({currency: cents(amount) for currency, amount in weighted.items()}, NO_AMOUNT),
            "not_forecast": left_out,
            "overdue": sum(cohort.overdue for cohort in cohorts.values()),
        }

    def _stage_row(self, group: Group, stage: str) -> Row:
        weight = self._history.weight(stage)
        ages, stays = self._ages_s[group, stage], self._stays_s[group, stage]
        unknown = Missing(UNKNOWN_STAGE)
        return {
            **self._query.cells(group),
            "stage": stage,
            "weight": float(round(weight.share, 4)) if weight else unknown,
            "weight_from": weight.source if weight else unknown,
            "closed_deals": weight.deals if weight else unknown,
            "open": len(ages),
            "median_age_days": middle(ages, NONE_OPEN),
            "left": len(stays),
            "median_stay_days": middle(stays, NONE_LEFT),
        }
