"""A whole sample: who has which story, and all events in the order of their times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import PREFIX
from services.ingest.sample.company import Customer, customers, directory
from services.ingest.sample.diary import ERP, MONTHS, Diary, Scene
from services.ingest.sample.occasions import OCCASIONS
from services.ingest.sample.routine import routine
from services.ingest.sample.troubles import TROUBLES, Trouble

MIN_CUSTOMERS = 16
MAX_CUSTOMERS = 5000
OCCASIONS_EACH = 3
IMPORTANT_EVERY = 4
OLDEST_DAYS = 900
"""The longest that a customer has been one: within the horizon of 36 months, so that the first contract is known."""


@dataclass(frozen=True)
class Sample:
    """`expected` names, by rule, the customers whose warning holds at the end; all others are to stay quiet."""

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
        rule, trouble = assigned.get(customer.id, ("", None))
        if trouble is None:
            live_well(diary, index)
        else:
            trouble(diary)
            expected.setdefault(rule, []).append(customer.id)
        events += diary.events
    past = [event for event in events if _time(event) < scene.end]
    return Sample(sorted(past, key=lambda event: (_time(event), event["id"])), directory(known), expected)


def live_well(diary: Diary, index: int) -> None:
    """The routine, with a few occasions. The index spreads them so that every kind of event occurs."""
    diary.important = not diary.customer.english and index % IMPORTANT_EVERY == 0
    diary.signed_days_ago = diary.random.randint(MONTHS * 31 + 10, OLDEST_DAYS)
    routine(diary)
    for turn in range(OCCASIONS_EACH):
        occasion = OCCASIONS[(index * OCCASIONS_EACH + turn) % len(OCCASIONS)]
        occasion(diary, diary.scene.at(diary.random.randint(110, 330), diary.hour()))


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


def _assign(seed: int, known: list[Customer]) -> dict[str, tuple[str, Trouble]]:
    """One customer for each story. Those abroad live well: their money would need a rate to count."""
    home = [customer.id for customer in known if not customer.english]
    stories = [(rule, trouble) for rule, troubles in TROUBLES.items() for trouble in troubles]
    chosen = Random(f"{seed}/troubles").sample(home, len(stories))  # noqa: S311  # reproducible on purpose
    return dict(zip(chosen, stories, strict=True))


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
