"""K3, the health of the customer base: satisfaction, recommendation, churn, repurchase. PURE."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.model import (
    NO_NPS,
    NO_SERVICE_SCORES,
    NO_SURVEYS,
    NOBODY_ACTIVE,
    NOBODY_BOUGHT,
    NOT_BY_LINE,
    Cell,
    Column,
    Missing,
    Row,
    Table,
    Words,
    share,
)
from services.rules.reports.query import Group, Query, in_order
from services.rules.reports.tally import Tallies, Tally

NPS = ("nps_promoter", "nps_passive", "nps_detractor")
VOICES = ("satisfaction", "service_score", "complaint", *NPS)
HEALTH = (
    Column("satisfaction", Words("客户满意度(0–100)", "Satisfaction, 0–100")),
    Column("surveys", Words("调查数", "Surveys")),
    Column("service_satisfaction", Words("服务满意度(0–100)", "Service satisfaction, 0–100")),
    Column("nps", Words("净推荐值", "NPS, −100 to 100")),
    Column("nps_answers", Words("NPS回答数", "NPS answers")),
    Column("complaints", Words("投诉数", "Complaints")),
    Column("active_at_start", Words("期初活跃客户", "Active at the start")),
    Column("churned", Words("期内流失", "Churned")),
    Column("churn_rate", Words("流失率", "Churn rate")),
    Column("buyers", Words("下单客户", "Customers who ordered")),
    Column("repeat_buyers", Words("复购客户", "Of those, not for the first time")),
    Column("repurchase_rate", Words("复购率", "Repurchase rate")),
)


class HealthReport:
    """CSAT, NPS, complaints, churn and repurchase.

    A customer is active while it has ordered and has not lapsed: no order for the greater of 90 days and three times
    its own median gap. Churned: active when the period began, lapsed when it ended. Repurchase: of the customers who
    ordered in the period, those for whom it was not the first order.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._groups: Tallies[Group] = Tallies()
        self._customers: Counter[tuple[Group, str]] = Counter()

    def days(self) -> tuple[Day, Day]:
        return self._query.since, self._query.until

    def add(self, customer: Customer) -> None:
        query = self._query
        if query.by != "product_line":
            for _, count in customer.counts(query.since, query.until, *VOICES):
                if query.wants_count(customer, count):
                    self._groups[query.count_group(customer, count)].add(count)
        if query.wants(customer):
            marks = _marks(customer, query)
            for group in query.customer_groups(customer):
                self._customers.update((group, mark) for mark in marks)

    def tables(self) -> list[Table]:
        seen = {*self._groups, *(group for group, _ in self._customers)}
        groups = in_order(seen) or ([None] if self._query.by is None else [])
        rows = [self._row(group) for group in groups]
        title = Words("客户健康度", "Health of the customer base")
        return [Table("health", title, (*self._query.columns(), *HEALTH), rows)]

    def _row(self, group: Group) -> Row:
        return {**self._query.cells(group), **self._voices(group), **self._purchases(group)}

    def _voices(self, group: Group) -> Row:
        if self._query.by == "product_line":
            missing: Cell = Missing(NOT_BY_LINE)
            return {column.name: missing for column in HEALTH[:6]}
        tally = self._groups[group]
        answers = sum(tally.n[kind] for kind in NPS)
        balance = tally.n["nps_promoter"] - tally.n["nps_detractor"]
        return {
            "satisfaction": _mean(tally, "satisfaction", NO_SURVEYS),
            "surveys": tally.n["satisfaction"],
            "service_satisfaction": _mean(tally, "service_score", NO_SERVICE_SCORES),
            "nps": round(100 * balance / answers, 1) if answers else Missing(NO_NPS),
            "nps_answers": answers,
            "complaints": tally.n["complaint"],
        }

    def _purchases(self, group: Group) -> Row:
        active, churned = self._customers[group, "active"], self._customers[group, "churned"]
        buyers, repeated = self._customers[group, "bought"], self._customers[group, "bought_again"]
        return {
            "active_at_start": active,
            "churned": churned,
            "churn_rate": share(churned, active, NOBODY_ACTIVE),
            "buyers": buyers,
            "repeat_buyers": repeated,
            "repurchase_rate": share(repeated, buyers, NOBODY_BOUGHT),
        }


def _marks(customer: Customer, query: Query) -> set[str]:
    marks = churn_marks(customer, query.start, query.end)
    orders = customer.snapshot.orders
    inside = [at for at in orders.times if query.start <= at < query.end]
    if inside:
        marks.add("bought")
        # Two orders in the period, or one before it.
        if len(inside) > 1 or (orders.first is not None and orders.first < inside[0]):
            marks.add("bought_again")
    return marks


def churn_marks(customer: Customer, start: datetime, end: datetime) -> set[str]:
    """`active` when it was at the start, and `churned` when such a one had lapsed at the end."""
    if customer.has_lapsed(start) is not False:
        return set()
    return {"active", "churned"} if customer.has_lapsed(end) else {"active"}


def _mean(tally: Tally, kind: str, why: Words) -> float | Missing:
    return float(round(tally.points[kind] / tally.n[kind], 1)) if tally.n[kind] else Missing(why)
