"""What to say about a rule's episodes, given what was said before: the life of a warning. PURE.

raised, amended, ended, withdrawn: see schemas.warnings.Warning. An overlapping stretch keeps its id; when two merge the
earlier announced lives on; when one splits the first part keeps the id.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from services.rules.announcements import Announcements
from services.rules.calendar import DAY, NEVER, Micros, instant
from services.rules.episodes import Episode
from services.rules.records import Announced

NAMESPACE = uuid.UUID("6b0c7d5e-3f0a-5c58-9d0e-62656c6c7765")
PAST_AFTER: Micros = 7 * DAY
"""An episode that was over for longer than this when it was found is history: filed, not paged."""

Change = Literal["raised", "amended", "ended", "withdrawn"]


class Say(NamedTuple):
    """One revision to be sent: the episode as announced, and the episode as found (None when withdrawn). What it was
    merged into, if so: another warning, or the customer another customer."""

    announced: Announced
    change: Change
    episode: Episode | None
    pages_again: bool = False
    merged_into: str | None = None
    customer_merged_into: str | None = None


@dataclass(frozen=True)
class Moment:
    """The circumstances of an announcement. `horizon`: episodes that ended before it are frozen."""

    customer_id: str
    now: Micros
    horizon: Micros
    history: bool


def matched(
    living: Iterable[Announced], episodes: list[Episode], is_point: bool
) -> tuple[dict[int, Episode], dict[int, str]]:
    """Which announced episode lives on in which found one, by its number; and into which id others were merged."""
    lives: dict[int, Episode] = {}
    merged: dict[int, str] = {}
    taken: dict[Episode, str] = {}
    for old in sorted(living, key=lambda one: one.number):
        overlapping = [one for one in episodes if one.subject == old.subject and _overlap(old, one, is_point)]
        free = [one for one in overlapping if one not in taken]
        if free:
            first = min(free, key=lambda one: one.start)
            lives[old.number] = first
            taken[first] = old.id
        elif overlapping:
            merged[old.number] = taken[overlapping[0]]
    return lives, merged


def _overlap(old: Announced, episode: Episode, is_point: bool) -> bool:
    if is_point:
        return old.start == episode.start
    old_end = NEVER if old.end is None else old.end
    end = NEVER if episode.end is None else episode.end
    return old.start < end and episode.start < old_end


def visible_end(episode: Episode, now: Micros) -> Micros | None:
    """An end that is still to come is not announced: an event may yet prevent it."""
    return episode.end if episode.end is not None and episode.end <= now else None


def revise(old: Announced, episode: Episode, evidence: bytes, moment: Moment) -> Say | None:
    """The next revision of a living announcement, or None when nothing about it changed. Changes `old` in place."""
    end = visible_end(episode, moment.now)
    start = episode.start
    if old.start < moment.horizon:
        # The evidence of its beginning may be forgotten: what was announced of it stays, and only grows.
        start = old.start
        episode = episode._replace(severity=max(old.severity, episode.severity), run=max(old.run, episode.run))
        evidence = old.evidence
    before = (old.start, old.end, old.severity, old.run, old.evidence)
    if before == (start, end, episode.severity, episode.run, evidence):
        return None
    worse = episode.severity > old.worst_severity or episode.run > old.worst_run
    change: Change = "ended" if end is not None and old.end is None else "amended"
    old.start, old.end, old.severity, old.run, old.evidence = start, end, episode.severity, episode.run, evidence
    _publish(old, change)
    pages_again = worse and not moment.history and not _is_past(episode, moment.now)
    if pages_again:
        old.historical = False
    return Say(old, change, episode, pages_again)


def withdraw(old: Announced, merged_into: str | None) -> Say:
    """Given what is now known the episode held at no instant, or it is part of another."""
    _publish(old, "withdrawn")
    return Say(old, "withdrawn", None, merged_into=merged_into)


def announce(rule: str, episode: Episode, evidence: bytes, known: Announcements, number: int, moment: Moment) -> Say:
    """A new episode, to be the `number`th of the customer. One that was withdrawn and is found again takes up its id
    with the next revision."""
    end = visible_end(episode, moment.now)
    historical = moment.history or _is_past(episode, moment.now)
    warning_id, old = _free_id(rule, episode, known, moment.customer_id)
    announced = Announced(
        rule=rule,
        subject=episode.subject,
        id=warning_id,
        revision=old.revision if old else 0,
        change="raised",
        start=episode.start,
        end=end,
        severity=episode.severity,
        run=episode.run,
        worst_severity=episode.severity,
        worst_run=episode.run,
        first_detected_at=moment.now,
        historical=historical,
        evidence=evidence,
        number=old.number if old else number,
    )
    _publish(announced, "raised")
    return Say(announced, "raised", episode, pages_again=True)


def is_frozen(end: Micros | None, horizon: Micros) -> bool:
    """Past the horizon evidence is forgotten, so what ended before it stays as it was announced."""
    return end is not None and end < horizon


def is_forgotten(announced: Announced, horizon: Micros) -> bool:
    """Whether nothing found from now on can be this episode again."""
    return is_frozen(announced.end, horizon) or (announced.change == "withdrawn" and announced.start < horizon)


def _publish(announced: Announced, change: Change) -> None:
    announced.revision += 1
    announced.change = change
    announced.worst_severity = max(announced.worst_severity, announced.severity)
    announced.worst_run = max(announced.worst_run, announced.run)


def _is_past(episode: Episode, now: Micros) -> bool:
    return episode.end is not None and episode.end < now - PAST_AFTER


def _free_id(rule: str, episode: Episode, known: Announcements, customer_id: str) -> tuple[str, Announced | None]:
    """The id of an episode first announced with this start; another one when a living episode bears it already."""
    name = "\x1f".join((rule, customer_id, episode.subject, instant(episode.start).isoformat()))
    attempt = 0
    while True:
        warning_id = str(uuid.uuid5(NAMESPACE, f"{name}\x1f{attempt}" if attempt else name))
        old = known.by_id(warning_id)
        if old is None or old.change == "withdrawn":
            return warning_id, old
        attempt += 1
