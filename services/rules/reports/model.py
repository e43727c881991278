"""What a report is made of: tables of figures, where a figure that cannot be given says why. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import NamedTuple, Protocol

from services.rules.calendar import Day
from services.rules.reports.customer import Customer


class Words(NamedTuple):
    """A text for people, in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True)
class Missing:
    """In the place of a figure that no data stand behind: it is not known, which is something else than 0."""

    why: Words


Money = dict[str, Decimal]
"""Amounts by currency; they are never added across currencies."""

Cell = bool | int | float | str | Decimal | Money | Missing | None
"""None is a name that is not known: the region of a customer without one."""

Row = dict[str, Cell]


class Column(NamedTuple):
    """`name` stands in JSON and CSV, `title` above a printed table."""

    name: str
    title: Words


NOTHING = Words("期间内没有数据", "there is nothing of these days")


@dataclass
class Table:
    """Rows that all have every column; `nothing` says why there are none."""

    name: str
    title: Words
    columns: Sequence[Column]
    rows: list[Row] = field(default_factory=list)
    nothing: Words = NOTHING


class Report(Protocol):
    """Takes customers one by one, in any order and each once, and keeps only sums of them."""

    def days(self) -> tuple[Day, Day] | None:
        """The first and the last day whose counters it reads; None when snapshots are enough."""

    def add(self, customer: Customer) -> None:
        """Adds one customer."""

    def tables(self) -> list[Table]:
        """What came of all customers added."""


NO_ORDERS = Words("期间内没有订单", "no orders in the period")
NO_RECEIPTS = Words("期间内没有回款", "no money was received in the period")
NO_CONTRACTS = Words("期间内没有写明金额的合同", "no contract with a value in the period")
NO_MARGIN = Words("没有已知成本的订单", "no order whose cost is known")
NO_DEALS = Words("没有商机", "no opportunities")
NO_WON = Words("期间内没有可追溯到线索的赢单", "no deal was won that goes back to a lead")
NO_CLOSED = Words("期间内没有结束的商机", "no opportunity was closed in the period")
NO_SURVEYS = Words("期间内没有满意度调查", "no survey with a satisfaction in the period")
NO_SERVICE_SCORES = Words("期间内没有服务评分", "no service case was scored in the period")
NO_NPS = Words("期间内没有NPS调查", "no survey with a recommendation in the period")
NOBODY_ACTIVE = Words("期初没有活跃客户", "no customer was active at the start")
NOBODY_BOUGHT = Words("期间内没有客户下单", "no customer ordered in the period")
NO_CUSTOMERS = Words("没有客户", "no customers")
NO_OWNER = Words("不知道负责人", "no owner is known")
NOT_BY_LINE = Words("此数据不分产品线", "this is not known by product line")
NO_AMOUNT = Words("商机没有金额", "the opportunities name no amount")


def money(sums: Money | None, why: Words) -> Money | Missing:
    """The sums, or the reason when there are none in any currency."""
    return dict(sorted(sums.items())) if sums else Missing(why)


def share(part: int, whole: int, why: Words) -> float | Missing:
    """part / whole to four places, or the reason when there is no whole."""
    return round(part / whole, 4) if whole else Missing(why)


def middle(seconds: Sequence[int], why: Words) -> float | Missing:
    """The median in days, to the tenth."""
    return round(median(seconds) / 86_400, 1) if seconds else Missing(why)


def average(seconds: Sequence[int], why: Words) -> float | Missing:
    """The mean in days, to the tenth."""
    return round(sum(seconds) / len(seconds) / 86_400, 1) if seconds else Missing(why)
