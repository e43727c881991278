"""A company of five and its warnings, for the notifier's tests. The line above Wang: Li, then Chen, then Zhao."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import warnings as wire
from schemas.warnings import Bilingual, Compared, EventRef, Evidence, Review
from services.notifier.people import Customer, Directory, Person

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai, a Monday."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

PEOPLE = (
    Person("wang", "王强", "sales", "zh", "li", "wang@example.com"),
    Person("li", "李娜", "sales", "zh", "chen", "li@example.com"),
    Person("chen", "Chen Jie", "finance", "en", "zhao", "chen@example.com"),
    Person("zhao", "赵敏", "management", "zh", None, "zhao@example.com"),
    Person("sun", "孙丽", "service", "en", "zhao"),
)
CUSTOMERS = (
    Customer("C1", "江南精密机械有限公司", "wang", "华东"),
    Customer("C2", "Ångström & <Söhne>", "wang"),
    Customer("C3", "无人负责", None),
    Customer("C4", "最高层自己的客户", "zhao"),
)
DIRECTORY = Directory({p.id: p for p in PEOPLE}, {c.id: c for c in CUSTOMERS}, fallback="sun")

DIRECTORY_YAML = """
people:
  - {id: wang, name: 王强, department: sales, language: zh, reports_to: li, email: wang@example.com}
  - {id: li, name: 李娜, department: sales, language: zh, reports_to: chen, email: li@example.com}
  - {id: chen, name: Chen Jie, department: finance, language: en, reports_to: zhao, email: chen@example.com}
  - {id: zhao, name: 赵敏, department: management, email: zhao@example.com}
  - {id: sun, name: 孙丽, department: service, language: en, reports_to: zhao}
customers:
  - {id: C1, name: 江南精密机械有限公司, owner: wang, region: 华东}
  - {id: C2, name: Ångström & <Söhne>, owner: wang}
  - {id: C3, name: 无人负责}
  - {id: C4, name: 最高层自己的客户, owner: zhao}
fallback: sun
"""


def both(zh: str, en: str) -> Bilingual:
    return Bilingual(zh=zh, en=en)


def review(at: datetime = NOON, quorum: int = 2) -> Review:
    """R4's demand for a warning detected at `at`."""
    return Review(within_hours=24, due=at + DAY, departments=["sales", "finance", "service"], quorum=quorum)


def evidence() -> Evidence:
    label = both("连续晚付的月数", "months late in a row")
    months = Compared(fact="late_months", label=label, value="2", op=">=", threshold="2", held=True)
    other = Compared(fact="x", label=both("未成立", "did not hold"), value="1", op=">", threshold="5", held=False)
    summary = both("二月和一月都有发票晚付", "invoices of January and February were paid late")
    refs = [EventRef(source="erp", id="inv-1")]
    return Evidence(events=refs, events_total=4, compared=[months, other], summary=summary)


def make_warning(id: str = "w1", revision: int = 1, change: str = "raised", **fields: Any) -> wire.Warning:
    """A warning of C1 without a review, found at noon, an hour after its start; `fields` replace what they name. A task
    is the owner's alone."""
    values: dict[str, Any] = {
        "id": id,
        "revision": revision,
        "change": change,
        "output": "warning",
        "rule": "R7",
        "name": both("重要客户三十天无人跟进", "Important customer without follow-up"),
        "customer_id": "C1",
        "kind": "stretch",
        "severity": "medium",
        "start": NOON - HOUR,
        "detected_at": NOON,
        "first_detected_at": NOON,
        "evidence": evidence(),
        "advice": both("今天就联系客户", "Call the customer today"),
        "clause": both("超过三十天未跟进须预警", "More than thirty days without follow-up must be warned of"),
        "clause_source": "S2",
    }
    if fields.get("output") == "task":
        values["audience"] = ["owner"]
    return wire.Warning(**{**values, **fields})


def r1(id: str = "r1", revision: int = 1, change: str = "raised", **fields: Any) -> wire.Warning:
    """A warning that demands a review: collections late two months running."""
    name = both("客户连续两月回款延迟", "Collections late two months running")
    return make_warning(
        id, revision, change, **{"rule": "R1", "name": name, "review": review(), "kind": "streak", **fields}
    )
