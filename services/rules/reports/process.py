"""K1, the process: what everybody did day by day, and how many went on from each stage. PURE."""

from __future__ import annotations

from collections import Counter
from datetime import date

from schemas.sales import STAGES
from services.rules.calendar import Day, month_name, month_of_day
from services.rules.reports.customer import Customer, day_of
from services.rules.reports.journeys import journeys
from services.rules.reports.model import NOT_BY_LINE, Cell, Column, Missing, Row, Table, Words, share
from services.rules.reports.query import Group, Query, in_order
from services.rules.reports.tally import Tallies

DAILY = (
    Column("owner", Words("负责人", "Owner")),
    Column("day", Words("日期", "Day")),
    Column("new_leads", Words("新增线索", "New leads")),
    Column("calls", Words("电话呼出", "Calls out")),
    Column("visits", Words("客户拜访", "Visits")),
)
CONVERSION = (
    Column("cohort", Words("进入月份", "Cohort")),
    Column("stage", Words("阶段", "Stage")),
    Column("entered", Words("进入", "Entered")),
    Column("went_on", Words("进入下一阶段", "Went on")),
    Column("conversion", Words("转化率", "Conversion")),
    Column("won", Words("赢单", "Won")),
    Column("won_share", Words("赢单率", "Won share")),
)
KINDS = ("lead", "call", "visit")
NOBODY_ENTERED = Words("没有进入此阶段的", "nobody entered the stage")


class ProcessReport:
    """New leads, calls out and visits by person and day; conversion from stage to stage by the month of entry."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._daily: Tallies[tuple[Group, str | None, Day]] = Tallies()
        # (group, month, place): how many entered the stage, went on from it, and won in the end.
        self._entered: Counter[tuple[Group, int, int]] = Counter()
        self._went_on: Counter[tuple[Group, int, int]] = Counter()
        self._won: Counter[tuple[Group, int, int]] = Counter()

    def days(self) -> tuple[Day, Day]:
        return self._query.since, self._query.until

    def add(self, customer: Customer) -> None:
        query = self._query
        if query.by == "product_line":
            return
        for day, count in customer.counts(query.since, query.until, *KINDS):
            if query.wants_count(customer, count):
                group = None if query.by == "person" else query.count_group(customer, count)
                self._daily[group, customer.owner_of(count), day].add(count)
        self._convert(customer)

    def _convert(self, customer: Customer) -> None:
        query = self._query
        for journey in journeys(customer, query.end):
            if journey.began < query.start or query.owner not in (None, journey.owner):
                continue
            group = journey.owner if query.by == "person" else next(iter(query.customer_groups(customer)))
            month = month_of_day(day_of(journey.began, query.calendar))
            for place in range(journey.first, min(journey.furthest + 1, len(STAGES) - 1)):
                key = (group, month, place)
                self._entered[key] += 1
                self._went_on[key] += journey.furthest > place
                self._won[key] += journey.won_at is not None

    def tables(self) -> list[Table]:
        group_columns = [column for column in self._query.columns() if column.name != "person"]
        daily = Table("daily", Words("每日活动", "Activity by day"), (*group_columns, *DAILY), self._daily_rows())
        columns = (*self._query.columns(), *CONVERSION)
        cohorts = Table(
            "conversion", Words("转化率(按进入月份)", "Conversion by month of entry"), columns, self._cohorts()
        )
        return [daily, cohorts]

    def _daily_rows(self) -> list[Row]:
        if self._query.by == "product_line":
            return [_unknown(DAILY, {"product_line": None})]
        ordered = sorted(
            self._daily, key=lambda key: (key[0] is None, key[0] or "", key[2], key[1] is None, key[1] or "")
        )
        return [
            {
                **({} if self._query.by == "person" else self._query.cells(key[0])),
                "owner": key[1],
                "day": date.fromordinal(key[2]).isoformat(),
                "new_leads": self._daily[key].n["lead"],
                "calls": self._daily[key].n["call"],
                "visits": self._daily[key].n["visit"],
            }
            for key in ordered
        ]

    def _cohorts(self) -> list[Row]:
        if self._query.by == "product_line":
            return [_unknown(CONVERSION, {"product_line": None})]
        rows: list[Row] = []
        for group in in_order({group for group, _, _ in self._entered}):
            for month in sorted({month for other, month, _ in self._entered if other == group}):
                rows += [self._stage_row(group, month, place) for place in range(len(STAGES) - 1)]
        return rows

    def _stage_row(self, group: Group, month: int, place: int) -> Row:
        key = (group, month, place)
        entered = self._entered[key]
        return {
            **self._query.cells(group),
            "cohort": month_name(month),
            "stage": STAGES[place],
            "entered": entered,
            "went_on": self._went_on[key],
            "conversion": share(self._went_on[key], entered, NOBODY_ENTERED),
            "won": self._won[key],
            "won_share": share(self._won[key], entered, NOBODY_ENTERED),
        }


def _unknown(columns: tuple[Column, ...], known: Row) -> Row:
    missing: Cell = Missing(NOT_BY_LINE)
    return {**known, **{column.name: missing for column in columns}}
