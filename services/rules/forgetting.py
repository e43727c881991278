"""What lies before the horizon and no rule can tell any more is forgotten. PURE.

Kept for ever: what some fact needs as its first or last (`Fact.keeps`), money that is still owed or not yet spent with
all that it touches, and chains of corrections that reach into the horizon.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Literal, NamedTuple

from services.rules.calendar import Micros
from services.rules.entries import Entry, Key
from services.rules.facts import Fact
from services.rules.ledger import FINANCE_KINDS, Ledger, ledger_of
from services.rules.receiving import allocated_to
from services.rules.state import CustomerState


def reaches(facts: Iterable[Fact]) -> dict[str, Micros]:
    """How far back the facts look, by kind of event. The kinds of one series go together."""
    facts, found = list(facts), defaultdict[str, Micros](int)
    sources = {pick.source for fact in facts for pick in fact.picks}
    for fact in facts:
        for kind in {kind for pick in fact.picks for kind in pick.source.kinds}:
            found[kind] = max(found[kind], fact.reach)
    for _ in sources:
        for source in sources:
            longest = max(found[kind] for kind in source.kinds)
            found.update(dict.fromkeys(source.kinds, longest))
    return dict(found)


def forget(state: CustomerState, horizon: Micros, facts: Iterable[Fact], reach: Mapping[str, Micros]) -> None:
    """Drops what lies further back than the horizon and the longest look at its kind, and is needed by nothing."""
    old = {entry.key: entry for entry in state.entries_before(horizon) if entry.at < horizon - reach.get(entry.kind, 0)}
    if not old:
        return
    needed = _owed(state, old)
    for fact in facts:
        kinds = {kind for pick in fact.picks for kind in pick.source.kinds}
        needed.update(fact.keeps(state, horizon - max((reach[kind] for kind in kinds), default=0)))
    chains = state.known.chains()
    for chain in chains:
        if any(key not in old or key in needed for key in chain):
            needed.update(chain)
    state.drop(entry for key, entry in old.items() if key not in needed)


def _owed(state: CustomerState, old: Mapping[Key, Entry]) -> set[Key]:
    """Finance events that are bound to something open or recent: dropping one would change how money is spread."""
    names: dict[Key, _Thing] = {}
    recent: set[_Thing] = set()
    for kind in FINANCE_KINDS:
        items = state.items(kind)
        # Those of one kind are old up to an instant.
        index = bisect_left(items, x=True, key=lambda item: item.key not in old)
        names.update({item.key: _thing(item) for item in items[:index]})
        recent.update(map(_thing, items[index:]))
    bound = _Dealings(ledger_of(state), recent).bound(names.values())
    return {key for key, name in names.items() if name in bound}


class _Thing(NamedTuple):
    """What a finance event is about."""

    kind: Literal["invoice", "payment"]
    name: str


def _thing(entry: Entry) -> _Thing:
    data = entry.data or {}
    return _Thing("invoice", data["invoice_id"]) if "invoice_id" in data else _Thing("payment", data["payment_id"])


class _Dealings:
    """Invoices and payments, and how money and words bind them to each other."""

    def __init__(self, ledger: Ledger, recent: set[_Thing]) -> None:
        self._ledger = ledger
        self._recent = recent
        self._unspent = {_thing(entry) for entry in map(ledger.receipt, ledger.unspent) if entry is not None}

    def bound(self, things: Iterable[_Thing]) -> set[_Thing]:
        """Those of the things that are open or recent, or bound to one that is."""
        known: dict[_Thing, bool] = {}
        for thing in things:
            if thing not in known:
                group = {thing: None}
                known.update(dict.fromkeys(group, self._is_bound(group, known)))
        return {thing for thing, is_bound in known.items() if is_bound}

    def _is_bound(self, group: dict[_Thing, None], known: Mapping[_Thing, bool]) -> bool:
        """Adds to the group what is bound to it, until something in it decides."""
        ahead = list(group)
        for thing in ahead:
            if known.get(thing) or self._is_open(thing):
                return True
            news = [other for other in self._beside(thing) if other not in group]
            group.update(dict.fromkeys(news))
            ahead += dict.fromkeys(news)
        return False

    def _is_open(self, thing: _Thing) -> bool:
        if thing in self._recent or thing in self._unspent:
            return True
        parts = self._ledger.parts(thing.name) if thing.kind == "invoice" else ()
        return any(part.uncovered() > 0 or not part.certain for part in parts)

    def _beside(self, thing: _Thing) -> Iterator[_Thing]:
        if thing.kind == "payment":
            yield from (_Thing("invoice", name) for name in self._on[thing.name])
            return
        payments = [cover.payment for part in self._ledger.parts(thing.name) for cover in part.covers]
        payments += self._ledger.claimed_by(thing.name)
        yield from (_thing(entry) for entry in map(self._ledger.receipt, payments) if entry is not None)

    @cached_property
    def _on(self) -> Mapping[str, set[str]]:
        """The invoices that each payment says it pays, or pays."""
        invoices: defaultdict[str, set[str]] = defaultdict(set)
        names = {entry.key: (entry.data or {})["payment_id"] for entry in self._ledger.receipts}
        for entry in self._ledger.receipts:
            invoices[names[entry.key]] |= allocated_to(entry)
        for part in self._ledger.instalments.values():
            for cover in part.covers:
                invoices[names[cover.payment]].add(part.invoice_id)
        return invoices
