"""PURE: a ledger held against the records of the cases topic, which were sent when its rows were written.

Each record, an event of a case or an anchor, has sequence and hash of its row. As every hash is of all rows before it,
one record that fits confirms them all; where records do not fit any more, somebody has made the chain anew from
somewhere behind the last one that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from schemas.cases import CasesRecord, LedgerAnchor
from services.notifier.chain import ANCHORED, Head, Row
from services.notifier.ledger_check import Finding, Trouble

SHOWN = 100
"""Rows that are named one by one; more are counted."""

_COMPARED = ("actor", "person", "department", "channel", "decision", "warning_id")


class _Told(NamedTuple):
    """What the topic has of a row. An anchor is of no case."""

    hash: str
    type: str
    case_id: str | None = None
    entry: int | None = None
    said: tuple[Any, ...] = (None,) * len(_COMPARED)

    def __str__(self) -> str:
        return _named(self.type, self.entry, self.case_id)


class AnchorCheck:
    """Note all records of the topic, then feed the rows that are as they were written, then ask for the findings.

    Rows up to `up_to` that were not in `waiting` had been sent before the topic was read.
    """

    def __init__(self, up_to: int, waiting: frozenset[int] = frozenset()) -> None:
        self.records = 0
        self.confirmed = 0
        self.behind_since: datetime | None = None
        """When the first row behind the last confirmed one was written."""
        self._up_to, self._waiting = up_to, waiting
        self._told: dict[int, _Told] = {}
        self._entries: dict[tuple[str, int], int] = {}
        self._oldest: datetime | None = None
        self._found: list[Finding] = []
        self._other: list[int] = []
        self._spoken: list[Finding] = []

    def note(self, event: CasesRecord) -> None:
        """A record of the topic. Those from before there was a ledger only count."""
        self.records += 1
        if event.ledger is None:
            return
        number = place = event.ledger.sequence
        if isinstance(event, LedgerAnchor):
            told = _Told(event.ledger.hash, event.type)
        else:
            said = tuple(getattr(event, name) for name in _COMPARED)
            told = _Told(event.ledger.hash, event.type, event.case_id, event.sequence, said)
            place = self._entries.setdefault((event.case_id, event.sequence), number)
        before = self._told.setdefault(number, told)
        if before != told or place != number:
            # Sent again is the same again: a row has one hash, and an entry one row.
            says = f"the topic has two records that differ: {told}, and {before} as row {place}"
            self._found.append(Finding(Trouble.TWICE_ON_TOPIC, number, number, says))
        self._oldest = event.at if self._oldest is None else min(self._oldest, event.at)

    def feed(self, row: Row, said: Mapping[str, Any]) -> None:
        """A row that fits its chain, in order, with what its body says."""
        told = self._told.pop(row.sequence, None)
        if told is None:
            self._miss(row.sequence, said)
        elif (other := _differences(told, said)) or told.hash != row.hash:
            self._other.append(row.sequence)
            if other:
                says = f"the topic was told of {told}: {other}"
                self._spoken.append(Finding(Trouble.NOT_AS_TOLD, row.sequence, row.sequence, says))
        else:
            self.confirmed = row.sequence
        behind = row.sequence > self.confirmed
        self.behind_since = (self.behind_since or _at(said)) if behind else None

    def findings(self, head: Head) -> list[Finding]:
        """What the topic says otherwise, or says alone."""
        found = [*self._found, *self._remade()]
        for number, told in sorted(self._told.items()):
            trouble = Trouble.TRUNCATED if number > head.sequence else Trouble.NOT_AS_TOLD
            found.append(Finding(trouble, number, number, f"the topic was told of {told}"))
        return _bounded(found)

    def _remade(self) -> list[Finding]:
        """Rows that fit a chain of their own, from behind the last row that a record confirms."""
        if not self._other:
            return []
        says = f"a chain that fits itself, and not {len(self._other)} records of the topic"
        first = min(self.confirmed + 1, self._other[0])
        return [Finding(Trouble.MADE_ANEW, first, self._other[-1], says), *self._spoken]

    def _miss(self, number: int, said: Mapping[str, Any]) -> None:
        if not _is_sent(said) or number > self._up_to or number in self._waiting:
            return
        if self._oldest is None or _at(said) >= self._oldest:
            says = f"{_named(said['kind'], said.get('entry'), said.get('case_id'))}, was never sent"
            self._found.append(Finding(Trouble.MISSING_ON_TOPIC, number, number, says))


def _is_sent(said: Mapping[str, Any]) -> bool:
    return "entry" in said or said["kind"] == ANCHORED


def _named(kind: str, entry: int | None, case_id: str | None) -> str:
    return kind if case_id is None else f"{kind}, entry {entry} of case {case_id}"


def _at(said: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(said["at"]))


def _differences(told: _Told, said: Mapping[str, Any]) -> str:
    here = {name: said.get(name) for name in _COMPARED}
    there = dict(zip(_COMPARED, told.said, strict=True))
    here |= {"type": said["kind"], "case_id": said.get("case_id"), "entry": said.get("entry")}
    there |= {"type": told.type, "case_id": told.case_id, "entry": told.entry}
    return ", ".join(f"{name} was {there[name]}, now {here[name]}" for name in here if here[name] != there[name])


def _bounded(found: list[Finding]) -> list[Finding]:
    if len(found) <= SHOWN:
        return found
    rest = found[SHOWN:]
    says = f"and {len(rest)} more of the kind"
    return [*found[:SHOWN], Finding(rest[0].trouble, rest[0].first, rest[-1].last, says)]
