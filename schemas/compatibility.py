"""PURE. What of a release's promises (contracts.promises) a newer version breaks, each with its path and what to do.

What Bellwether reads must not get narrower: other senders, and records that lie on the topic from before, keep to the
old schema. What Bellwether tells others must not get wider, for they read with the old one. A field that goes is lost
to either. Warnings, snapshots and counters are both: told to others, and read by the notifier and the reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.narrowing import Finding, Loss, drift, losses

Promises = Mapping[str, Any]


class Break(StrEnum):
    """What kind of breach it is; a word of the name under which it may be allowed."""

    CHANNEL = "channel"
    MESSAGE_REMOVED = "message-removed"
    MESSAGE_ADDED = "message-added"
    MESSAGE_MOVED = "message-moved"
    FIELD_REMOVED = "field-removed"
    FIELD_REQUIRED = "field-required"
    FIELD_NOT_ALWAYS_SENT = "field-not-always-sent"
    DEFAULT = "default"
    NARROWED = "narrowed"
    WIDENED = "widened"


_WHAT_TO_DO = {
    Break.CHANNEL: "Keep the topic as it was, and begin a new one beside it.",
    Break.MESSAGE_REMOVED: "Keep the message until nobody sends or reads it.",
    Break.MESSAGE_ADDED: "Tell the readers of the topic to skip what they do not know, then allow it.",
    Break.MESSAGE_MOVED: "Leave it on its topic, or begin a new message.",
    Break.FIELD_REMOVED: "Keep the field, optional, until nobody sends or reads it.",
    Break.FIELD_REQUIRED: "Make it optional, or give it a default: senders, and records from before, do not have it.",
    Break.FIELD_NOT_ALWAYS_SENT: "Go on to send it: readers count on it.",
    Break.DEFAULT: "Keep the default: what leaves the field out would mean something else.",
    Break.NARROWED: "Go on to take what was taken: senders, and records from before, hold it.",
    Break.WIDENED: "Keep within what readers know, or put the new into a field of its own.",
}


@dataclass(frozen=True, order=True)
class Breach:
    """One promise that is not kept. `path` is where in the message: data.lines[].quantity."""

    message: str
    path: str
    kind: Break
    says: str

    @property
    def name(self) -> str:
        """Under which it may be allowed."""
        return " ".join(part for part in (self.message, self.path, self.kind) if part)

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _WHAT_TO_DO[self.kind]


@dataclass(frozen=True)
class Verdict:
    """`refused`: breaches that nobody allowed. `stale`: names that are allowed and do not happen."""

    refused: list[Breach]
    allowed: list[Breach]
    stale: list[str]

    @property
    def good(self) -> bool:
        """Nothing is refused, and nothing is allowed that needs it not."""
        return not self.refused and not self.stale


def judge(old: Promises, new: Promises, allowed: Iterable[str] = ()) -> Verdict:
    """Compare two sets of promises. `allowed` are the names of breaches that were agreed on."""
    names = set(allowed)
    found = breaches(old, new)
    return Verdict(
        refused=[breach for breach in found if breach.name not in names],
        allowed=[breach for breach in found if breach.name in names],
        stale=sorted(names - {breach.name for breach in found}),
    )


def breaches(old: Promises, new: Promises) -> list[Breach]:
    """Every promise of `old` that `new` breaks, in order."""
    found = [*_of_channels(old["channels"], new["channels"])]
    before, after = old["messages"], new["messages"]
    found += [Breach(name, "", Break.MESSAGE_REMOVED, "the message is gone") for name in before.keys() - after.keys()]
    for name in after.keys() - before.keys():
        found += _of_an_added(name, after[name], old["channels"])
    for name in before.keys() & after.keys():
        found += _of_a_message(name, before[name], after[name])
    return sorted(set(found))


def _of_channels(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Breach]:
    found = []
    for name, promised in old.items():
        present = new.get(name)
        if present is None:
            found.append(Breach(name, "", Break.CHANNEL, "the topic is gone"))
            continue
        for what in promised:
            if promised[what] != present.get(what):
                says = f"{what} was “{promised[what]}” and is “{present.get(what)}”"
                found.append(Breach(name, what, Break.CHANNEL, says))
    return found


def _of_an_added(name: str, message: Mapping[str, Any], old_channels: Mapping[str, Any]) -> list[Breach]:
    """One that others read comes as news to them; one that they may send does not."""
    if not message["told"] or message["channel"] not in old_channels:
        return []
    return [Breach(name, "", Break.MESSAGE_ADDED, f"readers of {message['channel']} do not know it")]


def _of_a_message(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Breach]:
    found = []
    if old["channel"] != new["channel"]:
        found.append(Breach(name, "", Break.MESSAGE_MOVED, f"it was on {old['channel']} and is on {new['channel']}"))
    before, after = old["schema"], new["schema"]
    found += [_breach(name, loss, _DRIFT) for loss in drift(before, after)]
    if old["read"]:
        found += [_breach(name, loss, _READ) for loss in losses(wide=after, narrow=before)]
    if old["told"]:
        found += [_breach(name, loss, _TOLD) for loss in losses(wide=before, narrow=after)]
    return found


_DRIFT = {Finding.GONE: Break.FIELD_REMOVED, Finding.DEFAULT: Break.DEFAULT}
_READ = {Finding.REQUIRED: Break.FIELD_REQUIRED, Finding.LIMIT: Break.NARROWED}
_TOLD = {Finding.REQUIRED: Break.FIELD_NOT_ALWAYS_SENT, Finding.LIMIT: Break.WIDENED}


def _breach(name: str, loss: Loss, words: Mapping[Finding, Break]) -> Breach:
    kind = words[loss.finding]
    return Breach(name, loss.path, kind, _SAYS.get(kind, "{}").format(loss.says))


_SAYS = {
    Break.FIELD_REQUIRED: "it is now required",
    Break.FIELD_NOT_ALWAYS_SENT: "it was always there and may now be missing",
    Break.NARROWED: "no longer taken: {}",
    Break.WIDENED: "readers do not expect: {}",
}
