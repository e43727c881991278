"""K4, what customers are worth over the time that they may be expected to stay. PURE."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal

from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.health import churn_marks
from services.rules.reports.model import (
    NO_MARGIN,
    NOBODY_ACTIVE,
    NOT_BY_LINE,
    Cell,
    Column,
    Missing,
    Money,
    Row,
    Table,
    Words,
    money,
    share,
)
from services.rules.reports.query import Group, Query, in_order, months_before
from services.rules.reports.tally import add_money, cents, per_currency

MONTHS = 12
MAX_YEARS = Decimal(10)
"""What no churn at all is read as: nobody is expected to stay for ever."""
LIFETIME = (
    Column("customers", Words("有利润数据的客户", "Customers with a margin")),
    Column("customers_without_margin", Words("成本不全的客户", "Customers with orders without cost")),
    Column("margin_12m", Words("12个月毛利", "Margin, 12 months")),
    Column("active_before", Words("12个月前活跃客户", "Active 12 months ago")),
    Column("churn_rate", Words("年流失率", "Churn rate, a year")),
    Column("expected_years", Words("预期年数", "Expected years")),
    Column("clv", Words("客户生命周期价值合计", "Lifetime value, all")),
    Column("clv_per_customer", Words("人均客户生命周期价值", "Lifetime value, a customer")),
)


class LifetimeReport:
    """CLV = the margin of 12 months × the expected years = 1 / the yearly churn rate, at most MAX_YEARS.

    The 12 months end with the last day asked for. A customer with an order whose cost is not known has no known margin
    and is left out; so is one that did not order in the 12 months.
    """

    def __init__(self, query: Query) -> None:
        self._since = months_before(query.until, MONTHS)
        self._query = replace(query, since=self._since)
        self._margins: dict[Group, Money] = defaultdict(dict)
        self._earning: Counter[tuple[Group, str]] = Counter()
        self._customers: Counter[tuple[Group, str]] = Counter()

    def days(self) -> tuple[Day, Day]:
        return self._since, self._query.until

    def add(self, customer: Customer) -> None:
        query = self._query
        if not query.wants(customer):
            return
        groups = [None] if query.by == "product_line" else list(query.customer_groups(customer))
        marks = churn_marks(customer, query.start, query.end)
        margins, is_known = margin_of(customer, self._since, query.until)
        marks |= {"with_margin"} if is_known and margins else set()
        marks |= set() if is_known else {"without_margin"}
        for group in groups:
            self._customers.update((group, mark) for mark in marks)
            for currency, amount in margins.items() if is_known else ():
                add_money(self._margins[group], currency, amount)
                self._earning[group, currency] += 1

    def tables(self) -> list[Table]:
        title = Words("客户生命周期价值", "Customer lifetime value")
        if self._query.by == "product_line":
            missing: Cell = Missing(NOT_BY_LINE)
            rows: list[Row] = [{"product_line": None, **{column.name: missing for column in LIFETIME}}]
        else:
            groups = in_order({group for group, _ in self._customers})
            rows = [self._row(group) for group in groups or ([None] if self._query.by is None else [])]
        return [Table("lifetime", title, (*self._query.columns(), *LIFETIME), rows)]

    def _row(self, group: Group) -> Row:
        active, churned = self._customers[group, "active"], self._customers[group, "churned"]
        years = expected_years(active, churned)
        margins = self._margins[group]
        known: Row = {
            **self._query.cells(group),
            "customers": self._customers[group, "with_margin"],
            "customers_without_margin": self._customers[group, "without_margin"],
            "margin_12m": money(margins, NO_MARGIN),
            "active_before": active,
            "churn_rate": share(churned, active, NOBODY_ACTIVE),
        }
        if years is None or not margins:
            why: Cell = Missing(NOBODY_ACTIVE if years is None else NO_MARGIN)
            return known | {
                "expected_years": Missing(NOBODY_ACTIVE) if years is None else float(round(years, 2)),
                "clv": why,
                "clv_per_customer": why,
            }
        return known | {
            "expected_years": float(round(years, 2)),
            "clv": money(per_currency(margins, lambda _, amount: cents(amount * years)), NO_MARGIN),
            "clv_per_customer": money(
                per_currency(margins, lambda c, amount: cents(amount * years / self._earning[group, c])), NO_MARGIN
            ),
        }


def expected_years(active: int, churned: int) -> Decimal | None:
    """1 / churn rate, at most MAX_YEARS; None when nobody was active."""
    if not active:
        return None
    return min(Decimal(active) / churned, MAX_YEARS) if churned else MAX_YEARS


def margin_of(customer: Customer, since: Day, until: Day) -> tuple[Money, bool]:
    """The customer's margin by currency, and whether the cost of all its orders is known."""
    margins: Money = {}
    is_known = True
    for _, count in customer.counts(since, until, "order_margin", "order_without_cost"):
        if count.kind == "order_without_cost":
            is_known = False
        elif count.currency is not None and count.amount is not None:
            add_money(margins, count.currency, count.amount)
    return margins, is_known
