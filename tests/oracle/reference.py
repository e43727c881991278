"""What is known of no customer: rates, rankings, and how far the feeds are complete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from schemas.events import Event, ReferenceEvent


@dataclass(frozen=True)
class Ranking:
    """Where customers stood at one instant: customer to percentile, 0 (last) to 1 (first)."""

    as_of: datetime
    percentiles: dict[str, Fraction]


@dataclass(frozen=True)
class Reference:
    """All of it, as heard; nothing depends on the order in which it came."""

    rates: list[Any] = field(default_factory=list)
    ranks: list[Any] = field(default_factory=list)
    complete: dict[str, datetime] = field(default_factory=dict)

    def rate(self, base: str, quote: str, day: date) -> Fraction | None:
        """What one unit of `base` was worth in `quote`: the newest rate up to the day, this way or the other."""
        if base == quote:
            return Fraction(1)
        direct = [(one.date, 1, Fraction(one.rate)) for one in self.rates if (one.base, one.quote) == (base, quote)]
        turned = [(one.date, 0, 1 / Fraction(one.rate)) for one in self.rates if (one.base, one.quote) == (quote, base)]
        return max(((on, way, rate) for on, way, rate in direct + turned if on <= day), default=(0, 0, None))[2]

    def rankings(self, measure: str) -> list[Ranking]:
        """The complete rankings, oldest first."""
        found: dict[datetime, dict[int, Any]] = {}
        for one in self.ranks:
            if one.measure == measure:
                found.setdefault(one.as_of.astimezone(UTC), {})[one.part] = one
        return [
            Ranking(
                as_of, {name: Fraction(str(share)) for p in parts.values() for name, share in p.percentiles.items()}
            )
            for as_of, parts in sorted(found.items())
            if set(parts) == set(range(max(part.parts for part in parts.values())))
        ]


def reference_of(events: Iterable[Event]) -> Reference:
    """What these events say; those of customers are passed over."""
    known = Reference()
    words = sorted((e for e in events if isinstance(e, ReferenceEvent)), key=lambda e: (e.time, e.source, e.id))
    for event in words:
        if event.kind == "rate.published":
            known.rates.append(event.data)
        elif event.kind == "ranks.published":
            known.ranks.append(event.data)
        elif event.kind == "feed.heartbeat":
            until = event.data.complete_until.astimezone(UTC)
            known.complete[event.data.feed] = max(known.complete.get(event.data.feed, until), until)
    return known
