"""R34, visiting round: how much of everybody's portfolio was visited in a quarter. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from services.rules.calendar import Day
from services.rules.reports.customer import Customer
from services.rules.reports.model import NO_CUSTOMERS, Column, Row, Table, Words, share
from services.rules.reports.query import Group, Query, quarter_name, quarter_of

COLUMNS = (
    Column("quarter", Words("季度", "Quarter")),
    Column("owner", Words("负责人", "Owner")),
    Column("customers", Words("名下客户", "Customers")),
    Column("visited", Words("已拜访", "Visited")),
    Column("share", Words("拜访覆盖率", "Share visited")),
    Column("is_over", Words("季度已结束", "Quarter is over")),
)


class VisitReport:
    """The share of each owner's customers that anybody visited in each quarter of the period.

    A customer belongs to whoever owns it at the end of the quarter (today, in the present one). Who has no owner counts
    once it has bought something.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._quarters = list(_quarters(query.since, query.until))
        self._customers: Counter[tuple[Group, Day, str | None]] = Counter()
        self._visited: Counter[tuple[Group, Day, str | None]] = Counter()

    def days(self) -> tuple[Day, Day]:
        return self._quarters[0][0], self._quarters[-1][1]

    def add(self, customer: Customer) -> None:
        query = self._query
        since = customer.customer_since(query.calendar)
        visits = sorted({day for day, _ in customer.counts(*self.days(), "visit")})
        for first, last in self._quarters:
            end = min(last, query.last_known)
            owner = customer.owner_on(end)
            is_customer = since is not None and since <= end
            if not query.wants(customer, end) or not (owner or is_customer):
                continue
            groups = [None] if query.by == "person" else query.customer_groups(customer, end)
            for group in groups:
                key = (group, first, owner)
                self._customers[key] += 1
                self._visited[key] += any(first <= day <= end for day in visits)

    def tables(self) -> list[Table]:
        columns = [column for column in self._query.columns() if column.name != "person"]
        ordered = sorted(
            self._customers, key=lambda key: (key[0] is None, key[0] or "", key[1], key[2] is None, key[2] or "")
        )
        rows = [self._row(*key) for key in ordered]
        return [Table("visits", Words("巡回访问", "Visiting round"), (*columns, *COLUMNS), rows)]

    def _row(self, group: Group, quarter: Day, owner: str | None) -> Row:
        key = (group, quarter, owner)
        return {
            **({} if self._query.by == "person" else self._query.cells(group)),
            "quarter": quarter_name(quarter),
            "owner": owner,
            "customers": self._customers[key],
            "visited": self._visited[key],
            "share": share(self._visited[key], self._customers[key], NO_CUSTOMERS),
            "is_over": quarter_of(quarter)[1] < self._query.last_known,
        }


def _quarters(since: Day, until: Day) -> Iterator[tuple[Day, Day]]:
    """The quarters that the days touch, whole."""
    day = since
    while day <= until:
        first, last = quarter_of(day)
        yield first, last
        day = last + 1
