"""The test button of a contact method: a test message to an address of the directory, within the provider's limits."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.common.clock import Now
from services.notifier.channels.base import Channel
from services.notifier.channels.limits import Wait
from services.notifier.channels.trying import Tried, at_address, letter, try_channel
from services.notifier.people import Person, Source, newest
from services.notifier.throttle import Throttle

PAUSE = timedelta(seconds=10)
"""Between two tests to one person by one channel: whoever may press shall not flood somebody."""
REMEMBERED = 1000


class NoSuchMethod(LookupError):
    """The directory does not have the person or the address, or no channel of that kind is set up."""


class Button:
    """`channels` are those that are set up, by name; a method names one of them or its kind."""

    def __init__(self, channels: Mapping[str, Channel], people: Source, now: Now, throttle: Throttle) -> None:
        self._channels = channels
        self._people = people
        self._now = now
        self._throttle = throttle
        self._pressed: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def press(self, person_id: str, channel: str, address: str | None = None) -> Tried:
        """What became of it. `address` picks one of several; it must stand in the directory, verified or not. Raises
        NoSuchMethod."""
        sender = self._channels.get(channel) or next(
            (one for one in self._channels.values() if one.kind == channel), None
        )
        person = newest(self._people).people.get(person_id)
        if sender is None or person is None:
            raise NoSuchMethod(person_id)
        to = _to(person, sender, address)
        if not self._may_press(person_id, sender.name):
            return Tried(sender.name, "rate_limited", f"请 {PAUSE.seconds} 秒后再试 / again in {PAUSE.seconds} seconds")
        return self._try(sender, to)

    def _try(self, sender: Channel, to: Person) -> Tried:
        message = letter(sender, to, self._now())
        scope = sender.scope(message)
        verdict = self._throttle.reserve(sender.limits, scope, sender.cost(message), critical=False)
        if isinstance(verdict, Wait):
            later = int(self._throttle.wait_s(verdict)) + 1
            said = f"该渠道已达发送上限，{later} 秒后再试 / the channel's limit is reached: again in {later} seconds"
            return Tried(sender.name, "rate_limited", said)
        tried = try_channel(sender, to, self._now())
        self._throttle.answered(scope, verdict.hold)
        if tried.outcome == "rate_limited":
            self._throttle.blocked(sender.limits, scope, 0.0)
        return tried

    def _may_press(self, person: str, channel: str) -> bool:
        now = self._now()
        with self._lock:
            last = self._pressed.pop((person, channel), None)
            early = last is not None and now - last < PAUSE
            self._pressed[(person, channel)] = last if early and last is not None else now
            if len(self._pressed) > REMEMBERED:
                del self._pressed[next(iter(self._pressed))]
        return not early


def _to(person: Person, channel: Channel, address: str | None) -> Person:
    """The person, with the address before all others. A group's channel needs none."""
    theirs = [method.address for method in person.methods if method.channel in (channel.name, channel.kind)]
    if address is not None and address not in theirs:
        raise NoSuchMethod(person.id)
    chosen = address or next(iter(theirs), None)
    if chosen is None and not channel.reaches(person):
        raise NoSuchMethod(person.id)
    return person if chosen is None else at_address(channel, person, chosen)
