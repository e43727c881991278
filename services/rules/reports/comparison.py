"""P1, the comparison: sales, collections, funnel and customer classes by region, product line, team or person. PURE."""

from __future__ import annotations

from collections import Counter

from schemas.sales import CLOSED_STAGES, STAGES
from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.journeys import PLACES
from services.rules.reports.model import (
    NO_AMOUNT,
    NO_CLOSED,
    NO_MARGIN,
    NO_ORDERS,
    NO_RECEIPTS,
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
from services.rules.reports.tally import Tallies, add_money

RESULTS = (
    Column("customers", Words("客户数", "Customers")),
    Column("sales", Words("销售额", "Sales")),
    Column("orders", Words("订单数", "Orders")),
    Column("margin", Words("毛利(成本已知)", "Margin, where the cost is known")),
    Column("collections", Words("回款额", "Collections")),
    Column("won", Words("赢单", "Won")),
    Column("lost", Words("输单", "Lost")),
    Column("win_rate", Words("赢单率", "Win rate")),
    Column("new_leads", Words("新增线索", "New leads")),
    Column("visits", Words("客户拜访", "Visits")),
)
FUNNEL = (
    Column("stage", Words("阶段", "Stage")),
    Column("deals", Words("商机数", "Deals")),
    Column("amount", Words("金额", "Amount")),
)
CLASSES = (
    Column("rule", Words("分类", "Class")),
    Column("value", Words("类别", "Value")),
    Column("zh", Words("中文名", "Chinese name")),
    Column("en", Words("英文名", "English name")),
    Column("customers", Words("客户数", "Customers")),
)
INCONCLUSIVE = Words("数据不足", "inconclusive")
KINDS = ("order", "order_margin", "receipt", "opportunity_won", "opportunity_lost", "lead", "visit")
LINE_KINDS = ("order_line", "order_line_margin")


class ComparisonReport:
    """The same figures side by side. Sales and collections are the period's; the funnel is what is open at its end;
    customers and their classes are as now known. A customer counts in each product line that it buys."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._by_line = query.by == "product_line"
        self._groups: Tallies[Group] = Tallies()
        self._customers: Counter[Group] = Counter()
        self._funnel: Tallies[tuple[Group, str]] = Tallies()
        self._classes: Counter[tuple[Group, str, str | None]] = Counter()
        self._class_names: dict[tuple[str, str | None], Words] = {}

    def days(self) -> tuple[Day, Day]:
        return self._query.since, self._query.until

    def add(self, customer: Customer) -> None:
        query = self._query
        for _, count in customer.counts(query.since, query.until, *(LINE_KINDS if self._by_line else KINDS)):
            if query.wants_count(customer, count):
                self._groups[query.count_group(customer, count)].add(count)
        if not self._by_line:
            self._add_deals(customer)
        if query.wants(customer):
            self._add_customer(customer)

    def _add_deals(self, customer: Customer) -> None:
        for deal, visits in customer.deals_until(self._query.end):
            stage = visits[-1].stage
            if stage in CLOSED_STAGES or not self._query.wants_deal(customer, deal):
                continue
            tally = self._funnel[self._query.deal_group(customer, deal), stage]
            tally.n["deal"] += 1
            if deal.amount is not None and deal.currency is not None:
                add_money(tally.money["deal"], deal.currency, deal.amount)

    def _add_customer(self, customer: Customer) -> None:
        for group in self._query.customer_groups(customer):
            self._customers[group] += 1
            for rule, found in customer.snapshot.classes.items():
                self._classes[group, rule, found.value] += 1
                if found.name is not None:
                    self._class_names[rule, found.value] = Words(found.name.zh, found.name.en)

    def tables(self) -> list[Table]:
        columns = self._query.columns()
        groups = in_order({*self._groups, *self._customers, *(group for group, _ in self._funnel)})
        if not groups and self._query.by is None:
            groups = [None]
        results = Table("results", Words("业绩对比", "Results compared"), (*columns, *RESULTS))
        results.rows = [self._row(group) for group in groups]
        funnel = Table("funnel", Words("漏斗", "Funnel"), (*columns, *FUNNEL), self._funnel_rows())
        classes = Table("classes", Words("客户画像", "Customer classes"), (*columns, *CLASSES), self._class_rows())
        return [results, funnel, classes]

    def _row(self, group: Group) -> Row:
        tally = self._groups[group]
        order, margin = LINE_KINDS if self._by_line else ("order", "order_margin")
        known: Row = {
            **self._query.cells(group),
            "customers": self._customers[group],
            "sales": money(tally.money[order], NO_ORDERS),
            "orders": tally.n[order],
            "margin": money(tally.money[margin], NO_MARGIN),
        }
        if self._by_line:
            missing: Cell = Missing(NOT_BY_LINE)
            return known | {column.name: missing for column in RESULTS if column.name not in known}
        won, lost = tally.n["opportunity_won"], tally.n["opportunity_lost"]
        return known | {
            "collections": money(tally.money["receipt"], NO_RECEIPTS),
            "won": won,
            "lost": lost,
            "win_rate": share(won, won + lost, NO_CLOSED),
            "new_leads": tally.n["lead"],
            "visits": tally.n["visit"],
        }

    def _funnel_rows(self) -> list[Row]:
        if self._by_line:
            return [{"product_line": None, **{column.name: Missing(NOT_BY_LINE) for column in FUNNEL}}]
        ordered = sorted(
            self._funnel, key=lambda key: (key[0] is None, key[0] or "", PLACES.get(key[1], len(STAGES)), key[1])
        )
        return [
            {
                **self._query.cells(key[0]),
                "stage": key[1],
                "deals": self._funnel[key].n["deal"],
                "amount": money(self._funnel[key].money["deal"], NO_AMOUNT),
            }
            for key in ordered
        ]

    def _class_rows(self) -> list[Row]:
        ordered = sorted(
            self._classes, key=lambda key: (key[0] is None, key[0] or "", key[1], key[2] is None, key[2] or "")
        )
        rows: list[Row] = []
        for key in ordered:
            group, rule, value = key
            name = self._class_names.get(
                (rule, value), INCONCLUSIVE if value is None else Words(str(value), str(value))
            )
            rows.append(
                {
                    **self._query.cells(group),
                    "rule": rule,
                    "value": value,
                    "zh": name.zh,
                    "en": name.en,
                    "customers": self._classes[key],
                }
            )
        return rows
