"""A whole sample: who has which story, and all events in the order of their times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import PREFIX
from services.ingest.sample.company import Customer, customers, directory
from services.ingest.sample.diary import CRM, ERP, MONTHS, Diary, Scene
from services.ingest.sample.occasions import OCCASIONS, prospect
from services.ingest.sample.routine import routine
from services.ingest.sample.stories import STORIES, Story

MIN_CUSTOMERS = 32
MAX_CUSTOMERS = 5000
OCCASIONS_EACH = 3
IMPORTANT_EVERY = 4
KEY_ACCOUNT_EVERY = 8
NEWER_EVERY = 3
PROSPECT_EVERY = 20
LATE_EVERY = {1: 12, 2: 4}
"""Of four customers in a row, the second pays one invoice a year a little late, the third one in four months."""
OLDEST_DAYS = 900
"""The longest that a customer has been one: within the horizon of 36 months, so that the first contract is known."""
NEWER_DAYS = (200, 350)
"""How long those are customers who have been so for less than a year."""


@dataclass(frozen=True)
class Sample:
    """`expected` names, by rule, the customers for whom it holds at the end, or fired within the last week where it
    names one event. For all others there is no warning, and no task of these rules waits."""

    events: list[dict[str, Any]]
    directory: dict[str, Any]
    expected: dict[str, list[str]]


def make_sample(seed: int, today: date, zone: ZoneInfo, count: int) -> Sample:
    """The sample of a seed, a day and a number of customers (MIN_CUSTOMERS to MAX_CUSTOMERS): always the same."""
    scene = Scene(seed, today, zone)
    known = customers(seed, count)
    assigned = _assign(seed, known)
    expected: dict[str, list[str]] = {}
    events = reference_events(scene)
    for index, customer in enumerate(known):
        diary = Diary(scene, customer, Random(f"{seed}/{customer.id}"))  # noqa: S311  # reproducible on purpose
        story = assigned.get(customer.id)
        if story is None:
            live_well(diary, index)
        else:
            story.write(diary)
            for rule in story.rules:
                expected.setdefault(rule, []).append(customer.id)
        events += diary.events
    past = [event for event in events if _time(event) < scene.end]
    return Sample(sorted(past, key=lambda event: (_time(event), event["id"])), directory(known), expected)


def live_well(diary: Diary, index: int) -> None:
    """The routine, with a few occasions. The index spreads them so that every kind of event occurs."""
    if index % PROSPECT_EVERY == PROSPECT_EVERY - 1:
        prospect(diary)
        return
    _character(diary, index)
    if diary.important and index % KEY_ACCOUNT_EVERY == 0:
        diary.growth_pct = 28
        manager = {"section": "basic", "fields": {"owner_role": "KAM"}}
        diary.write("profile.updated", diary.signed - timedelta(hours=2), CRM, manager)
    routine(diary)
    earliest = min(330, diary.signed_days_ago - 40)
    for turn in range(OCCASIONS_EACH):
        occasion = OCCASIONS[(index * OCCASIONS_EACH + turn) % len(OCCASIONS)]
        occasion(diary, diary.scene.at(diary.random.randint(110, earliest), diary.hour()))


def _character(diary: Diary, index: int) -> None:
    """How large, how long a customer, how punctual, how well known and how lively."""
    diary.important = not diary.customer.english and index % IMPORTANT_EVERY == 0
    is_newer = index % NEWER_EVERY == 1
    diary.signed_days_ago = diary.random.randint(*(NEWER_DAYS if is_newer else (MONTHS * 31 + 10, OLDEST_DAYS)))
    diary.growth_pct = diary.random.choice((3, 8, 12, 18))
    diary.late_every = LATE_EVERY.get(index % 4)
    diary.has_thin_archive = index % 5 == 3
    diary.liveliness = diary.random.choice((0.1, 0.3, 0.6))


def reference_events(scene: Scene) -> list[dict[str, Any]]:
    """Exchange rates for every month, this year's plan, a promotion."""
    made = [
        _reference(
            scene,
            scene.on(scene.month(back), 8),
            "rate.published",
            {"base": "USD", "quote": "CNY", "date": scene.month(back).isoformat(), "rate": f"7.{10 + back:02d}"},
        )
        for back in range(MONTHS, -1, -1)
    ]
    year = scene.month(1).year
    plan = {
        "plan_id": f"plan-{year}",
        "period": str(year),
        "metric": "sales",
        "scope": "company",
        "amount": "40000000.00",
        "currency": "CNY",
    }
    made.append(_reference(scene, scene.at(100, 9), "plan.set", plan))
    promotion = {"promotion_id": "spring-fair", "campaign": "spring-fair", "channel": "trade fair"}
    made.append(_reference(scene, scene.at(90, 9), "promotion.announced", promotion))
    return made


def _assign(seed: int, known: list[Customer]) -> dict[str, Story]:
    """One customer for each story. Those abroad live well: their money would need a rate to count."""
    home = [customer.id for customer in known if not customer.english]
    chosen = Random(f"{seed}/troubles").sample(home, len(STORIES))  # noqa: S311  # reproducible on purpose
    return dict(zip(chosen, STORIES, strict=True))


def _reference(scene: Scene, at: datetime, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"s{scene.seed}-{scene.today:%Y%m%d}-{kind}-{at:%Y%m%d}",
        "source": ERP,
        "type": PREFIX + kind,
        "time": at.isoformat(timespec="seconds"),
        "data": data,
    }


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])
