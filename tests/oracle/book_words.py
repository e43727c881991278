"""The words in which the rules of READINGS speak: contact, visits, tiers, lateness, orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.counting import BestMonth, Count, Sum, Trend
from tests.oracle.known import Source, Where
from tests.oracle.lasting import Latest, PastUsualGap, SinceLast

DAY = timedelta(days=1)
YEAR = {"months": 12}
RANKED_FOR = "35d"
HALF_YEAR = {"months": 6}
NO_CONTACT = ["unreached", "no_answer", "voicemail", "bounced"]
KEY_CHANGES = ["left", "replaced", "role_changed"]
KEY_ROLES = ["procurement", "technical", "finance", "executive"]

REACHED: Where = {"automated": {"not": True}, "outcome": {"not_in": NO_CONTACT}}
CONTACT = Source("activity.logged", REACHED)
ONLINE = Source("activity.logged", {**REACHED, "channel": {"in": ["phone", "video", "im", "email"]}})
VISIT = Source("activity.logged", {**REACHED, "channel": {"is": "onsite"}})
SIGNED = Source("contract.signed")
CUSTOMER = Count("contract.signed") >= 1


def activity(kind: str, **more: Any) -> Source:
    """Logged activity of a kind, whatever came of it."""
    return Source("activity.logged", {"kind": {"is": kind}, **more})


def tier(currency: str = "CNY", months: int = 2, receipts: Decimal = Decimal("500000.00")) -> Any:
    """Much money in one of the last full months."""
    return BestMonth(currency, months) >= receipts


def profile(field: str, default: Any = None) -> Latest:
    """The newest word on a field of the profile."""
    return Latest("profile.updated", f"fields.{field}", default=default)


def section_age(section: str) -> SinceLast:
    """How long a section of the archive was not touched."""
    return SinceLast("profile.updated", {"section": {"is": section}}, [SIGNED])


LATE: Where = {"late": {"is": True}, "fault": {"not": "ours"}}
LATE_HALF_YEAR = Count("instalments", LATE, HALF_YEAR)
LATE_THREE_YEARS = Count("instalments", LATE, {"months": 36})
DECIDER_CHANGES = Count("contact.changed", {"change": {"in": KEY_CHANGES}, "decision_role": {"in": KEY_ROLES}}, "183d")
BAD_PRESS = Count("external.noted", {"kind": {"is": "media"}, "sentiment": {"is": "negative"}}, "183d")
CUSTOM_REQUESTS = Count("request.logged", {"kind": {"is": "custom"}}, YEAR)
GROWTH = profile("industry_growth_pct")
ORDERS_YEAR = Sum("orders", "amount", window=YEAR, currency="CNY")
ORDER_TREND = Trend("orders", "amount", months=3, back=12, currency="CNY")
ORDER_GAP = PastUsualGap("orders", 90 * DAY, 3)
