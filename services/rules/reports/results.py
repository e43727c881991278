"""K2, the results: sales, collections, contracts, the average order, and the time from lead to contract. PURE."""

from __future__ import annotations

from array import array
from collections import defaultdict
from decimal import Decimal

from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.journeys import journeys
from services.rules.reports.model import (
    NO_CONTRACTS,
    NO_ORDERS,
    NO_RECEIPTS,
    NO_WON,
    NOT_BY_LINE,
    Cell,
    Column,
    Missing,
    Row,
    Table,
    Words,
    average,
    middle,
    money,
)
from services.rules.reports.query import Group, Query, in_order
from services.rules.reports.tally import Tallies, Tally, cents, per_currency

COLUMNS = (
    Column("sales", Words("销售额", "Sales")),
    Column("orders", Words("订单数", "Orders")),
    Column("average_order", Words("平均客单价", "Average order")),
    Column("collections", Words("回款额", "Collections")),
    Column("contracts", Words("合同数量", "Contracts")),
    Column("contract_value", Words("合同金额", "Contract value")),
    Column("won_deals", Words("赢单(可追溯到线索)", "Deals won from leads")),
    Column("cycle_mean_days", Words("平均销售周期(天)", "Mean sales cycle, days")),
    Column("cycle_median_days", Words("销售周期中位数(天)", "Median sales cycle, days")),
)


class ResultsReport:
    """What came of the work: orders on the day they were placed, net of cancellations; money on its value date."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._order = "order_line" if query.by == "product_line" else "order"
        self._kinds = (self._order,) if query.by == "product_line" else ("order", "receipt", "contract")
        self._groups: Tallies[Group] = Tallies()
        self._cycles_s: dict[Group, array[int]] = defaultdict(lambda: array("q"))

    def days(self) -> tuple[Day, Day]:
        return self._query.since, self._query.until

    def add(self, customer: Customer) -> None:
        query = self._query
        for _, count in customer.counts(query.since, query.until, *self._kinds):
            if query.wants_count(customer, count):
                self._groups[query.count_group(customer, count)].add(count)
        if query.by != "product_line":
            self._add_cycles(customer)

    def _add_cycles(self, customer: Customer) -> None:
        query = self._query
        for journey in journeys(customer, query.end):
            if journey.won_at is None or journey.lead_at is None or journey.won_at < query.start:
                continue
            if query.owner in (None, journey.owner):
                group = journey.owner if query.by == "person" else next(iter(query.customer_groups(customer)))
                self._cycles_s[group].append(int((journey.won_at - journey.lead_at).total_seconds()))

    def tables(self) -> list[Table]:
        groups = in_order({*self._groups, *self._cycles_s}) or ([None] if self._query.by is None else [])
        rows = [self._row(group) for group in groups]
        title = Words("结果指标", "Results")
        return [Table("results", title, (*self._query.columns(), *COLUMNS), rows)]

    def _row(self, group: Group) -> Row:
        tally = self._groups[group]
        row: Row = {
            **self._query.cells(group),
            "sales": money(tally.money[self._order], NO_ORDERS),
            "orders": tally.n[self._order],
            "average_order": money(average_order(tally, self._order), NO_ORDERS),
        }
        if self._query.by == "product_line":
            missing: Cell = Missing(NOT_BY_LINE)
            return row | {column.name: missing for column in COLUMNS if column.name not in row}
        cycles = self._cycles_s[group]
        return row | {
            "collections": money(tally.money["receipt"], NO_RECEIPTS),
            "contracts": tally.n["contract"],
            "contract_value": money(tally.money["contract"], NO_CONTRACTS),
            "won_deals": len(cycles),
            "cycle_mean_days": average(cycles, NO_WON),
            "cycle_median_days": middle(cycles, NO_WON),
        }


def average_order(tally: Tally, kind: str) -> dict[str, Decimal]:
    """Sales by number of orders, in each currency."""
    return per_currency(tally.money[kind], lambda currency, amount: cents(amount / tally.parts[kind, currency]))
