"""Which reports there are, and what each of them tells. PURE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.rules.calendar import Day, first_day, month_of_day
from services.rules.reference import Reference
from services.rules.reports.campaigns import CampaignReport, CoverageReport
from services.rules.reports.comparison import ComparisonReport
from services.rules.reports.funnel import FunnelReport
from services.rules.reports.health import HealthReport
from services.rules.reports.lifetime import LifetimeReport
from services.rules.reports.model import Report, Words
from services.rules.reports.plans import MinMarginReport, PlanReport
from services.rules.reports.process import ProcessReport
from services.rules.reports.query import Query, months_before, quarter_of
from services.rules.reports.results import ResultsReport
from services.rules.reports.visits import VisitReport

TWELVE_MONTHS = "12 months"

Build = Callable[[Query, Reference], Report]


@dataclass(frozen=True)
class Listed:
    """A report of the catalogue; `span` is where its period begins when nobody says: with the month, quarter or year in
    which it ends, or (nobody may say otherwise) so that it has 12 months. `needs_reference` tells that promotions or
    plans are read as well."""

    name: Words
    sentence: Words
    span: str
    build: Build
    needs_reference: bool = False


CATALOGUE: dict[str, Listed] = {
    "K1": Listed(
        Words("过程指标", "Process"),
        Words(
            "每人每天的新增线索、电话呼出和客户拜访,以及各阶段转化率(按进入月份)。",
            "New leads, calls out and visits by person and day; conversion from stage to stage by the month of entry.",
        ),
        "month",
        lambda query, _: ProcessReport(query),
    ),
    "K2": Listed(
        Words("结果指标", "Results"),
        Words(
            "销售额、回款额、合同数量、平均客单价和销售周期(平均数与中位数)。",
            "Sales, collections, contracts, the average order, and the sales cycle from lead to won (mean and median).",
        ),
        "month",
        lambda query, _: ResultsReport(query),
    ),
    "K3": Listed(
        Words("客户健康度", "Health"),
        Words(
            "客户满意度、净推荐值、投诉、流失率和复购率。",
            "Satisfaction, net promoter score, complaints, churn and repurchase.",
        ),
        "quarter",
        lambda query, _: HealthReport(query),
    ),
    "K4": Listed(
        Words("客户生命周期价值", "Lifetime value"),
        Words(
            "近12个月毛利乘以预期年数(年流失率的倒数,最多10年)。",
            "The margin of 12 months times the expected years (1 / yearly churn rate, at most 10).",
        ),
        TWELVE_MONTHS,
        lambda query, _: LifetimeReport(query),
    ),
    "K5": Listed(
        Words("漏斗预测", "Funnel forecast"),
        Words(
            "按预计成交月份的阶段加权金额,以及各阶段停留时间(瓶颈)。",
            "The stage-weighted amount of open deals by close month, and the median age in each stage (bottlenecks).",
        ),
        "quarter",
        lambda query, _: FunnelReport(query),
    ),
    "K6": Listed(
        Words("活动与渠道效果", "Campaigns"),
        Words(
            "促销公布后30天内的线索和订单,按营销活动和渠道。",
            "Leads and orders within 30 days of a promotion, by campaign and channel.",
        ),
        "quarter",
        lambda query, reference: CampaignReport(query, reference.promotions()),
        needs_reference=True,
    ),
    "P1": Listed(
        Words("业绩对比", "Comparison"),
        Words(
            "按区域、产品线、团队或个人对比销售、回款、漏斗和客户类别。",
            "Sales, collections, funnel and customer classes by region, product line, team or person.",
        ),
        "month",
        lambda query, _: ComparisonReport(query),
    ),
    "P2": Listed(
        Words("计划完成情况", "Actual against plan"),
        Words(
            "年度、季度、月度计划与实际完成对比。",
            "What was reached of every plan for a year, a quarter or a month.",
        ),
        "year",
        lambda query, reference: PlanReport(query, reference.plans()),
        needs_reference=True,
    ),
    "R34": Listed(
        Words("巡回访问", "Visiting round"),
        Words(
            "每位负责人每季度拜访过的名下客户比例。",
            "The share of each owner's customers that were visited in the quarter.",
        ),
        "quarter",
        lambda query, _: VisitReport(query),
    ),
    "R36": Listed(
        Words("最低总利润", "Least margin"),
        Words(
            "每位负责人的毛利合计与计划最低总利润(min_margin)对比,低于者标出。",
            "Every owner's margin against the plan's least margin (min_margin); who is below is marked.",
        ),
        "year",
        lambda query, reference: MinMarginReport(query, reference.plans()),
        needs_reference=True,
    ),
    "R37": Listed(
        Words("促销通知覆盖率", "Promotion coverage"),
        Words(
            "促销公布后14天内联系过的客户比例。",
            "The share of customers who were contacted within 14 days of a promotion.",
        ),
        "quarter",
        lambda query, reference: CoverageReport(query, reference.promotions()),
        needs_reference=True,
    ),
}


def usual_start(span: str, until: Day) -> Day:
    """The first day of the month, quarter or year in which the day lies, or of the 12 months that end with it."""
    if span == TWELVE_MONTHS:
        return months_before(until, 12)
    if span == "quarter":
        return quarter_of(until)[0]
    month = month_of_day(until)
    return first_day(month if span == "month" else month - month % 12)
