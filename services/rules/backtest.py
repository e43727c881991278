"""A history through the same core, without Kafka: what the rules find in it, and when. PURE."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.codec import InvalidEvent
from schemas.events import CustomerEvent, Event, ReferenceEvent, Retraction
from schemas.warnings import Warning, decode_warning
from services.rules.calendar import BEGINNING, Micros, micros
from services.rules.core import Core
from services.rules.state import CustomerState


class Found(NamedTuple):
    """An episode as the warnings' last word has it; `evidence` are event ids."""

    rule: str
    customer_id: str
    subject: str
    start: str
    end: str | None
    severity: str
    run: int
    evidence: tuple[str, ...]


@dataclass
class Backtest:
    """Runs on the event clock: the greatest time applied, never back; due wake-ups come before the event."""

    core: Core
    clock: Micros = BEGINNING
    offset: int = 0
    refused: list[InvalidEvent] = field(default_factory=list)
    warnings: dict[str, Warning] = field(default_factory=dict)
    revisions: int = 0

    def __post_init__(self) -> None:
        self._states: dict[str, CustomerState] = {}
        self._due: list[tuple[Micros, str]] = []

    def feed(self, event: Event) -> None:
        """Applies one event; what the core refuses is kept in `refused`. What belongs to no customer counts at once,
        for everything that was fed before as well."""
        if not isinstance(event, (CustomerEvent, Retraction)):
            self._learn(event)
            return
        self.advance(micros(event.time))
        self.offset += 1
        state = self._states.get(event.subject) or self.core.open(event.subject, {})
        self._states[event.subject] = state
        try:
            self.core.apply(state, event, offset=self.offset, now=self.clock)
        except InvalidEvent as error:
            self.refused.append(error)
        self._settle(state)

    def _learn(self, event: ReferenceEvent[Any]) -> None:
        before = self.core.engine.book
        self.core.reference.learn(event)
        for state in self._states.values():
            if event.kind == "feed.heartbeat":
                self.core.hear(state, event.data.feed, now=self.clock)
            elif self.core.engine.book != before:
                self.core.wake(state, now=self.clock)
            self._settle(state)

    def judgements(self, customer_id: str) -> dict[str, str | None]:
        """The classes and scores of a customer; None for inconclusive."""
        state = self._states.get(customer_id)
        if state is None:
            return {}
        return {rule: one.value for rule, one in self.core.engine.judge(state, self.clock).items()}

    def advance(self, to: Micros) -> None:
        """Moves the clock on, through everything that becomes due on the way."""
        while self._due and self._due[0][0] <= to:
            at, customer_id = heapq.heappop(self._due)
            state = self._states[customer_id]
            if state.head.wake_at == at:
                self.clock = max(self.clock, at)
                self.core.wake(state, now=self.clock)
                self._settle(state)
        self.clock = max(self.clock, to)

    def _settle(self, state: CustomerState) -> None:
        for raw in state.unsent:
            warning = decode_warning(raw)
            self.revisions += 1
            self.warnings[warning.id] = warning
        state.unsent.clear()
        if state.head.wake_at is not None:
            heapq.heappush(self._due, (state.head.wake_at, state.customer_id))

    def episodes(self) -> list[Found]:
        """Every episode that stands, in the order of customer, rule, subject and start."""
        standing = (warning for warning in self.warnings.values() if warning.change != "withdrawn")
        return sorted(map(found_of, standing), key=lambda one: (one.customer_id, one.rule, one.subject, one.start))


def found_of(warning: Warning) -> Found:
    """The episode that a warning's newest revision tells of."""
    return Found(
        rule=warning.rule,
        customer_id=warning.customer_id,
        subject=warning.subject,
        start=warning.start.isoformat(),
        end=None if warning.end is None else warning.end.isoformat(),
        severity=warning.severity,
        run=warning.run,
        evidence=tuple(ref.id for ref in warning.evidence.events),
    )


def summary(rules: Iterable[tuple[str, str]], episodes: list[Found]) -> dict[str, dict[str, object]]:
    """For each rule (id and readable name) how many customers and episodes it found."""
    customers: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, int] = defaultdict(int)
    for episode in episodes:
        customers[episode.rule].add(episode.customer_id)
        counts[episode.rule] += 1
    return {
        rule: {"name": name, "customers": len(customers[rule]), "episodes": counts[rule]}
        for rule, name in sorted(rules)
    }
