"""Instants and spans as people read them. PURE: the present instant and the zone are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from services.notifier.console.texts import Language, Texts

SOON = timedelta(hours=6)
"""A deadline nearer than this asks for attention."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Urgency = Literal["overdue", "soon", "calm"]


@dataclass(frozen=True)
class Countdown:
    """How a deadline stands, in words that need no colour."""

    urgency: Urgency
    text: str


def date_text(at: datetime, zone: tzinfo, language: Language) -> str:
    """`2026年3月5日` or `5 Mar 2026`."""
    local = at.astimezone(zone)
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def instant_text(at: datetime, zone: tzinfo, language: Language) -> str:
    """`2026年3月5日 14:30` or `5 Mar 2026, 14:30`, in the company's zone."""
    clock = f"{at.astimezone(zone):%H:%M}"
    separator = " " if language == "zh" else ", "
    return date_text(at, zone, language) + separator + clock


def offset_text(at: datetime, zone: tzinfo) -> str:
    """`UTC+8` or `UTC-3:30`: unlike CST, it means one zone only."""
    minutes = round((at.astimezone(zone).utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def span_text(span: timedelta, texts: Texts) -> str:
    """The two greatest units: `1 天 3 小时`, `3 h 20 min`. Less than a minute counts as none."""
    minutes = max(int(span.total_seconds() // 60), 0)
    days, hours = divmod(minutes // 60, 24)
    parts = [("days", days), ("hours", hours), ("minutes", minutes % 60)]
    first = next((index for index, (_, count) in enumerate(parts) if count), 2)
    shown = [(unit, count) for unit, count in parts[first : first + 2] if count] or [("minutes", 0)]
    return " ".join(texts(f"span.{unit}", n=count) for unit, count in shown)


def countdown(due: datetime, now: datetime, texts: Texts) -> Countdown:
    """What is left until `due`, or how long ago it passed. At the very instant it has passed."""
    if now >= due:
        return Countdown("overdue", texts("span.overdue", span=span_text(now - due, texts)))
    urgency: Urgency = "soon" if due - now < SOON else "calm"
    return Countdown(urgency, texts("span.left", span=span_text(due - now, texts)))
