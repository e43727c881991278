"""PURE dead letters and feeds as people and programs see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson

from services.ingest.feeds import Calendar, Feed, late_by
from services.ingest.letters import Decision, Filed, Letter, Place
from services.ingest.letters_masking import masked_text, pretty

_TOLD = ("code", "reason", "source", "event_id")
"""Headers that are told anyway."""


def shown(filed: Filed, event: bytes, *, unmasked: bool) -> dict[str, Any]:
    """One with the event that a replay would send, without what was decided about it."""
    headers = {
        name: value if unmasked else masked_text(value)
        for name, value in filed.letter.headers.items()
        if name not in _TOLD
    }
    told = _json_or_text(pretty(event, mask=not unmasked))
    row = summary(filed.letter, filed.state, unmasked=unmasked)
    return {**row, "event": told, "edited": filed.edited is not None, "headers": headers}


def summary(letter: Letter, state: str, *, unmasked: bool = False) -> dict[str, Any]:
    """A letter in a few words."""
    return {
        "id": str(letter.place),
        "at": letter.at.isoformat(),
        "state": state,
        "code": letter.code,
        "reason": letter.reason if unmasked else masked_text(letter.reason),
        "source": letter.source,
        "event_id": letter.event_id,
        "customer_id": letter.customer_id,
        "origin": letter.origin,
    }


def letter_row(row: Any) -> dict[str, Any]:
    """The same of a row without the bytes."""
    place = Place(row.partition, row.offset)
    letter = Letter(place, row.code, row.reason, row.source, row.event_id, row.customer_id, b"", {}, row.at, row.origin)
    return summary(letter, row.state)


def decision_row(decision: Decision) -> dict[str, str]:
    """What somebody did."""
    return {**decision._asdict(), "at": decision.at.isoformat()}


def feed_row(feed: Feed, now: datetime, calendar: Calendar, silent_after: timedelta) -> dict[str, Any]:
    """A feed, with what is wrong with it. It is silent when it ever sent a heartbeat, and none for `silent_after`."""
    late, beat = late_by(feed, now, calendar), feed.heard.heartbeat_at
    return {
        "source": feed.source,
        "last_event": _text(feed.heard.event_at),
        "last_heartbeat": _text(beat),
        "complete_until": _text(feed.heard.complete_until),
        "expected_minutes": None if feed.expected is None else int(feed.expected.period / timedelta(minutes=1)),
        "working_days": feed.expected is not None and feed.expected.working_days,
        "late_minutes": None if late is None else int(late / timedelta(minutes=1)),
        "silent": beat is not None and now - beat > silent_after,
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _json_or_text(event: bytes) -> Any:
    try:
        return orjson.loads(event)
    except orjson.JSONDecodeError:
        return event.decode(errors="replace")
