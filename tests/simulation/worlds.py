"""The companies in which histories play: their zones and parameters, as the core and as the oracle are told them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from schemas.events import Event, ReferenceEvent
from services.rules.books import SHIPPED, assemble, read_rules
from services.rules.core import Core
from services.rules.reference import Reference
from tests.oracle.knobs import Knobs, Lateness


@dataclass(frozen=True)
class World:
    """A company: `overrides` and `knobs` say the same to the core and to the oracle."""

    name: str
    zone: ZoneInfo
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    knobs: Knobs = field(default_factory=Knobs)


@cache
def _core(number: int) -> Core:
    world = WORLDS[number]
    return assemble(read_rules(SHIPPED, world.overrides), world.zone, None)


def core_of(world: World, reference: Iterable[Event] = ()) -> Core:
    """A core of the shipped rulebook with the world's parameters that has heard this; compiled once for each world."""
    core = _core(WORLDS.index(world))
    core.engine.reference = Reference()
    return taught(core, reference)


def taught(core: Core, reference: Iterable[Event]) -> Core:
    """The core when it has heard all of this."""
    for event in reference:
        assert isinstance(event, ReferenceEvent)
        core.reference.learn(event)
    return core


@cache
def shipped() -> frozenset[str]:
    """The ids of the rules that ship."""
    return frozenset(rule.id for rule in read_rules(SHIPPED))


SHANGHAI = World("Shanghai", ZoneInfo("Asia/Shanghai"))

WORLDS = (
    SHANGHAI,
    World(
        "Berlin with five days of grace",
        ZoneInfo("Europe/Berlin"),
        {"R1": {"grace_days": "5", "months": "1"}, "R1b": {"grace_days": "5", "months": "1"}},
        Knobs(r1=Lateness(months=1, grace_days=5), r1b=Lateness(months=1, grace_days=5)),
    ),
    World(
        "New York with disputed invoices counted",
        ZoneInfo("America/New_York"),
        {
            "R1": {"months": "3", "exclude_disputed": "false", "tolerance": "0"},
            "R1b": {"exclude_disputed": "false", "tolerance": "10.00"},
            "R3": {"days": "3", "window": "30d"},
        },
        Knobs(
            r1=Lateness(months=3, exclude_disputed=False, tolerance=Decimal(0)),
            r1b=Lateness(exclude_disputed=False, tolerance=Decimal("10.00")),
            r3_days=3,
            r3_window=timedelta(days=30),
        ),
    ),
    World(
        "Shanghai with more than a month of grace",
        ZoneInfo("Asia/Shanghai"),
        {
            "R1": {"months": "1", "grace_days": "33"},
            "R1b": {"months": "1", "grace_days": "33"},
            "R3": {"days": "1", "window": "1d"},
            "R5": {"limit": "1h"},
            "R5a": {"remind_after": "71h"},
            "R7": {"limit": "1d", "stay_months": "1"},
        },
        Knobs(
            r1=Lateness(months=1, grace_days=33),
            r1b=Lateness(months=1, grace_days=33),
            r3_days=1,
            r3_window=timedelta(days=1),
            r5_limit=timedelta(hours=1),
            r5a_from=timedelta(hours=71),
            r7_limit=timedelta(days=1),
            r7_stay_months=1,
        ),
    ),
)
