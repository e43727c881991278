"""The rules' parameters, with the defaults that rules.md gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True)
class Lateness:
    """What R1 and R1b can be told: periods in a row, grace in days, whether disputed invoices are left out."""

    months: int = 2
    grace_days: int = 0
    exclude_disputed: bool = True
    tolerance: Decimal = Decimal("0.01")


@dataclass(frozen=True)
class Knobs:
    """Every parameter that the tests turn."""

    r1: Lateness = Lateness()
    r1b: Lateness = Lateness()
    r3_days: int = 2
    r3_window: timedelta = timedelta(days=90)
    r5_limit: timedelta = timedelta(hours=72)
    r5a_from: timedelta = timedelta(hours=48)
    r5a_limit: timedelta = timedelta(hours=72)
    r7_limit: timedelta = timedelta(days=30)
    r7_receipts: Decimal = Decimal("500000.00")
    r7_currency: str = "CNY"
    r7_stay_months: int = 2


KEY_CHANGES = ("left", "replaced", "role_changed")
KEY_ROLES = ("procurement", "technical", "finance", "executive")
FAIRS = ("trade_show",)
NO_CONTACT = ("unreached", "no_answer", "voicemail", "bounced")
