"""What lies before the horizon and no rule can tell any more is forgotten. PURE.

Kept for ever: what some fact needs as its first or last (`Fact.keeps`), money that is still owed or not yet spent with
all that it touches, and chains of corrections that reach into the horizon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from services.rules.calendar import Micros
from services.rules.entries import Entry, Key
from services.rules.facts import Fact
from services.rules.ledger import FINANCE_KINDS, ledger_of, receipts
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


def _owed(state: CustomerState, old: dict[Key, Entry]) -> set[Key]:
    """Finance events that are bound to something open or recent: dropping one would change how money is spread."""
    groups = _Groups()
    names: dict[Key, str] = {}
    for kind in FINANCE_KINDS:
        for item in state.items(kind):
            data = item.data or {}
            names[item.key] = (
                f"invoice {data['invoice_id']}" if "invoice_id" in data else f"payment {data['payment_id']}"
            )
            if item.key not in old:
                groups.mark_open(names[item.key])
    for part in ledger_of(state).instalments.values():
        invoice = f"invoice {part.invoice_id}"
        if part.uncovered() > 0 or not part.certain:
            groups.mark_open(invoice)
        for cover in part.covers:
            groups.join(invoice, names[cover.payment])
    _join_payments(state, groups, names)
    return {key for key, name in names.items() if groups.is_open(name)}


def _join_payments(state: CustomerState, groups: _Groups, names: dict[Key, str]) -> None:
    unspent = ledger_of(state).unspent
    for payment in receipts(state):
        name = names[payment.key]
        if payment.key in unspent:
            groups.mark_open(name)
        for allocation in (payment.data or {}).get("allocations", []):
            groups.join(name, f"invoice {allocation['invoice_id']}")


class _Groups:
    """Union-find over names; a group is open when any of its members is."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._open: defaultdict[str, bool] = defaultdict(bool)

    def find(self, name: str) -> str:
        root = name
        while self._parent.get(root, root) != root:
            root = self._parent[root]
        self._parent[name] = root
        return root

    def join(self, one: str, other: str) -> None:
        first, second = self.find(one), self.find(other)
        if first != second:
            self._parent[first] = second
            self._open[second] = self._open[second] or self._open[first]

    def mark_open(self, name: str) -> None:
        self._open[self.find(name)] = True

    def is_open(self, name: str) -> bool:
        return self._open[self.find(name)]
