"""A provider's limits: when the next message may go, against a provider that counts what reaches it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.notifier.channels.limits import Go, Limits, Usage, Wait, Window, answered, blocked, decide
from tests.unit.notifier.making import NOON


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


TWO_A_MINUTE = Limits((Window(2, 60),))


def send(limits: Limits, usage: Usage, at: datetime, *, messages: int = 1, critical: bool = False) -> Usage:
    """A message that is answered at once."""
    verdict = decide(limits, usage, at, messages=messages, critical=critical)
    assert isinstance(verdict, Go)
    return answered(verdict.usage, verdict.hold, at)


def test_without_limits_everything_goes_and_nothing_is_kept() -> None:
    verdict = decide(Limits(), Usage(), NOON)
    assert verdict == Go(Usage(), ())


def test_a_full_window_says_when_its_oldest_message_leaves_it() -> None:
    usage = send(TWO_A_MINUTE, send(TWO_A_MINUTE, Usage(), NOON), later(10))
    assert decide(TWO_A_MINUTE, usage, later(20)) == Wait(usage, later(60), "window")
    assert isinstance(decide(TWO_A_MINUTE, usage, later(60)), Go)


def test_a_message_on_its_way_counts_from_when_it_can_arrive_at_the_latest() -> None:
    limits = Limits((Window(1, 60),))
    verdict = decide(limits, Usage(), NOON, longest_flight=timedelta(seconds=20))
    assert isinstance(verdict, Go)
    crashed = decide(limits, verdict.usage, later(61))
    assert isinstance(crashed, Wait)
    assert crashed.until == later(80)
    assert isinstance(decide(limits, answered(verdict.usage, verdict.hold, later(1)), later(61)), Go)


def test_the_last_places_are_for_what_is_critical() -> None:
    limits = Limits((Window(3, 60, reserved=1),))
    usage = send(limits, send(limits, Usage(), NOON), NOON)
    assert isinstance(decide(limits, usage, later(1)), Wait)
    usage = send(limits, usage, later(1), critical=True)
    full = decide(limits, usage, later(2), critical=True)
    assert isinstance(full, Wait)
    assert full.until == later(60)


def test_what_is_not_critical_waits_until_it_leaves_the_reserved_places_alone() -> None:
    limits = Limits((Window(3, 60, reserved=1),))
    usage = Usage()
    for second in (0, 10, 20):
        usage = send(limits, usage, later(second), critical=True)
    verdict = decide(limits, usage, later(30))
    assert isinstance(verdict, Wait)
    assert verdict.until == later(70)


def test_the_strictest_of_several_windows_decides() -> None:
    limits = Limits((Window(2, 1), Window(3, 60)))
    usage = send(limits, send(limits, Usage(), NOON), NOON)
    first = decide(limits, usage, NOON)
    assert isinstance(first, Wait)
    assert first.until == later(1)
    usage = send(limits, usage, later(1))
    second = decide(limits, usage, later(2))
    assert isinstance(second, Wait)
    assert second.until == later(60)


def test_a_block_holds_everything_for_the_providers_time_or_for_what_it_said() -> None:
    limits = Limits((Window(20, 60),), block_s=600)
    usage = blocked(limits, Usage(), NOON, after_s=30)
    verdict = decide(limits, usage, later(599), critical=True)
    assert (isinstance(verdict, Wait), verdict.usage.blocked_until) == (True, later(600))
    assert isinstance(decide(limits, usage, later(600)), Go)
    assert blocked(limits, usage, later(1), after_s=1200).blocked_until == later(1201)
    assert blocked(Limits(), usage, later(1), after_s=5).blocked_until == later(600)


def test_more_at_once_than_a_window_takes_goes_when_it_is_empty() -> None:
    usage = send(TWO_A_MINUTE, Usage(), NOON)
    verdict = decide(TWO_A_MINUTE, usage, later(1), messages=5)
    assert isinstance(verdict, Wait)
    assert verdict.until == later(60)
    assert isinstance(decide(TWO_A_MINUTE, verdict.usage, later(60), messages=5), Go)


def test_what_no_longer_counts_is_forgotten() -> None:
    usage = Usage()
    for second in range(0, 6000, 30):
        usage = send(TWO_A_MINUTE, usage, later(second))
    assert len(usage.arrivals) <= 2


@dataclass
class Provider:
    """Written without a look at limits.py: counts arrivals in the sliding window."""

    messages: int
    seconds: float
    arrivals: list[float] = field(default_factory=list)
    broken: int = 0

    def arrive(self, at: float) -> None:
        self.arrivals.append(at)
        inside = [one for one in self.arrivals if at - self.seconds < one <= at]
        self.broken += len(inside) > self.messages


@pytest.mark.parametrize("seed", range(30))
def test_whenever_messages_arrive_and_whoever_crashes_no_window_is_ever_broken(seed: int) -> None:
    """Two notifiers share the usage; a message arrives up to 20 s after it left, and a tenth is never answered."""
    chance = random.Random(seed)
    print("seed", seed)
    messages, seconds = chance.randint(1, 20), chance.choice([1.0, 60.0])
    provider = Provider(messages, seconds)
    limits, usage, now = Limits((Window(messages, seconds),)), Usage(), 0.0
    on_the_way: list[tuple[float, tuple[datetime, ...]]] = []
    sent = 0
    while sent < 150:
        for arrival, hold in sorted(on_the_way, key=lambda one: one[0]):
            if arrival <= now:
                on_the_way.remove((arrival, hold))
                provider.arrive(arrival)
                if chance.random() < 0.9:
                    usage = answered(usage, hold, later(now))
        verdict = decide(limits, usage, later(now))
        usage = verdict.usage
        if isinstance(verdict, Go):
            on_the_way.append((now + chance.choice([0.01, 0.1, 3.0, 20.0]), verdict.hold))
            sent += 1
        now += chance.choice([0.0, 0.001, 0.2, 1.0])
    assert provider.arrivals
    assert provider.broken == 0
