"""A small runtime over the core's records alone: after some events it writes everything down, forgets it and reads it
again, and the last event is delivered a second time, as after a crash before the commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from schemas.events import Event
from services.rules.calendar import BEGINNING, Micros, micros
from services.rules.core import Core
from services.rules.state import CustomerState


class Restarting:
    """Feeds a core on the event clock; `restarts` are the numbers of the events (from 1) after which it begins anew."""

    def __init__(self, core: Core, restarts: Collection[int] = ()) -> None:
        self.core, self.restarts = core, restarts
        self.clock: Micros = BEGINNING
        self.offset = 0
        self.states: dict[str, CustomerState] = {}
        self.records: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.warnings: dict[str, list[bytes]] = defaultdict(list)

    def feed(self, event: Event) -> None:
        """One event of a customer, and perhaps a restart after it."""
        self.advance(micros(event.time))
        self.offset += 1
        self._apply(event)
        if self.offset in self.restarts:
            self.restart()
            self._apply(event)

    def feed_together(self, events: Sequence[Event], *, wakes_first: bool) -> None:
        """Events that a batch brings while time stands: all are learned before the rules are asked. Whoever is due is
        woken before or after."""
        now = max([self.clock, *(micros(event.time) for event in events)])
        if wakes_first:
            self.advance(now)
        self.clock = now
        for event in events:
            self.offset += 1
            self.core.learn(self._state_of(event), event, offset=self.offset, now=now)
        for customer_id in dict.fromkeys(event.subject for event in events):
            self.core.settle(self.states[str(customer_id)])
        self.advance(now)
        if self.offset in self.restarts:
            self.restart()

    def _apply(self, event: Event) -> None:
        self.core.apply(self._state_of(event), event, offset=self.offset, now=self.clock)

    def _state_of(self, event: Event) -> CustomerState:
        customer_id = event.subject
        assert customer_id is not None, "only events of customers are played"
        if customer_id not in self.states:
            self.states[customer_id] = self.core.open(customer_id, self.records[customer_id])
        return self.states[customer_id]

    def advance(self, to: Micros) -> None:
        """Wakes whoever is due up to the instant, in order of time."""
        while due := self._due(to):
            at, customer_id = due
            self.clock = max(self.clock, at)
            self.core.wake(self.states[customer_id], now=self.clock)
        self.clock = max(self.clock, to)

    def _due(self, to: Micros) -> tuple[Micros, str] | None:
        wakes = [(self.core.wake_at(state), customer_id) for customer_id, state in self.states.items()]
        return min(((at, customer_id) for at, customer_id in wakes if at is not None and at <= to), default=None)

    def restart(self) -> None:
        """Writes every customer down and opens it again from its records."""
        for customer_id, state in self.states.items():
            written = self.core.close(state)
            self.warnings[customer_id] += written.warnings
            _keep(written.records, self.records[customer_id])
            assert self.core.peek(self.records[customer_id][""]).wake_at == written.wake_at
        self.states = {name: self.core.open(name, self.records[name]) for name in self.states}


def _keep(written: list[tuple[str, bytes | None]], kept: dict[str, bytes]) -> None:
    for name, record in written:
        if record is None:
            kept.pop(name, None)
        else:
            kept[name] = record
