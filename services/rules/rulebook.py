"""All rules in force: which of them an event can move, and in which order they are asked. PURE."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from services.rules.compiling import Rule
from services.rules.conditions import KNOWN, leaves_of
from services.rules.definition import BadRule
from services.rules.entries import Item
from services.rules.facts import Fact
from services.rules.judging import Rank, Result
from services.rules.measuring import Field
from services.rules.monthly import Monthly
from services.rules.series import Events, Pick, Source
from services.rules.state import Plan
from services.rules.tallying import Counted, Share, Sum
from services.rules.yearly import Anniversaries


class Reader(NamedTuple):
    """A rule that reads a pick by one of its facts; `fact` None for the event of a point."""

    rule: Rule
    fact: Fact | None
    pick: Pick


@dataclass(frozen=True)
class Watched:
    """A pick of all subjects, and who reads it."""

    pick: Pick
    readers: tuple[Reader, ...]


class Rulebook:
    """Raises BadRule when a rule reads the class or score of one that there is not, or of itself in the end."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = _resolved({rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)})
        self.fingerprint = _fingerprint(self.rules.values())
        self._watched = _watched(self.rules.values())
        self.plan = _plan(self.rules.values())
        self.by_reference = frozenset(rule.id for rule in self.rules.values() if reads_reference(rule, self.rules))

    def watching(self, source: Source) -> Sequence[Watched]:
        """The picks of a source that rules read."""
        return self._watched.get(source, ())

    @property
    def facts(self) -> list[Fact]:
        """Every fact once."""
        found = {id(fact): fact for rule in self.rules.values() for fact in rule.facts.values()}
        return list(found.values())


def _resolved(rules: dict[str, Rule]) -> dict[str, Rule]:
    """The rules with equal facts made one, and with what their results read."""
    known: dict[Fact, Fact] = {}
    resolved: dict[str, Rule] = {}
    for rule_id, rule in rules.items():
        facts: dict[str, Fact] = {}
        for name, fact in rule.facts.items():
            reads = (
                replace(fact, picks=_read_by(fact.rule, rules, rule, [rule_id])) if isinstance(fact, Result) else fact
            )
            facts[name] = known.setdefault(reads, reads)
        resolved[rule_id] = replace(rule, facts=facts)
    return _limited(resolved)


def _limited(rules: dict[str, Rule]) -> dict[str, Rule]:
    """The rules with their tallies knowing all that they are compared with, so that they need tell no more."""
    limits: dict[int, set[Decimal]] = defaultdict(set)
    told_whole: set[int] = set()
    for rule in rules.values():
        for leaf in (leaf for tree in rule.trees() for leaf in leaves_of(tree) if leaf.fact in rule.facts):
            if isinstance(leaf.threshold, (int, Decimal)) and not isinstance(leaf.threshold, bool):
                limits[id(rule.facts[leaf.fact])].add(Decimal(leaf.threshold))
            elif leaf.threshold is not KNOWN:
                told_whole.add(id(rule.facts[leaf.fact]))
        told_whole |= {id(rule.facts[rule.definition.run])} if rule.definition.run else set()
        told_whole |= {id(rule.facts[one.fact]) for one in rule.inputs}
    known: dict[int, Fact] = {}
    for fact in (fact for rule in rules.values() for fact in rule.facts.values()):
        if id(fact) not in known:
            known[id(fact)] = fact
            if isinstance(fact, Counted) and id(fact) not in told_whole:
                known[id(fact)] = replace(fact, limits=tuple(sorted(limits[id(fact)])))
    return {
        rule_id: replace(rule, facts={name: known[id(fact)] for name, fact in rule.facts.items()})
        for rule_id, rule in rules.items()
    }


def _read_by(name: str, rules: Mapping[str, Rule], reader: Rule, path: list[str]) -> tuple[Pick, ...]:
    """Every pick that the class or score of a rule depends on."""
    line = reader.definition.line(["facts"])
    if name not in rules or not rules[name].definition.judges:
        known = ", ".join(rule.id for rule in rules.values() if rule.definition.judges) or "none"
        raise BadRule([f"{reader.id}:{line}: {name} is no class or score of this rulebook (there are: {known})"])
    if name in path:
        raise BadRule([f"{reader.id}:{line}: {' reads '.join([*path, name])}: a result cannot depend on itself"])
    picks: dict[Pick, None] = {}
    for fact in rules[name].facts.values():
        if isinstance(fact, Result):
            picks.update(dict.fromkeys(_read_by(fact.rule, rules, reader, [*path, name])))
        picks.update(dict.fromkeys(fact.picks))
    return tuple(picks)


def _watched(rules: Iterable[Rule]) -> dict[Source, tuple[Watched, ...]]:
    readers: dict[Pick, list[Reader]] = defaultdict(list)
    for rule in (one for one in rules if not one.definition.judges):
        if rule.of is not None:
            readers[rule.of].append(Reader(rule, None, rule.of))
        seen: set[tuple[Pick, int]] = set()
        for fact in rule.facts.values():
            for pick in fact.picks:
                if (pick, id(fact)) not in seen:
                    seen.add((pick, id(fact)))
                    readers[pick.whole].append(Reader(rule, fact, pick))
    by_source: dict[Source, list[Watched]] = defaultdict(list)
    for pick, found in readers.items():
        by_source[pick.source].append(Watched(pick, tuple(found)))
    return {source: tuple(watched) for source, watched in by_source.items()}


def _plan(rules: Iterable[Rule]) -> Plan:
    derived: dict[str, dict[Source, None]] = defaultdict(dict)
    for rule in rules:
        picks = [pick for fact in rule.facts.values() for pick in fact.picks] + ([rule.of] if rule.of else [])
        for source in (pick.source for pick in picks):
            if not isinstance(source, Events):
                for kind in source.kinds:
                    derived[kind][source] = None
    timed = {source: None for sources in derived.values() for source in sources if isinstance(source, Anniversaries)}
    return Plan({kind: tuple(sources) for kind, sources in derived.items()}, tuple(timed))


def reads_reference(rule: Rule, rules: Mapping[str, Rule]) -> bool:
    """Whether rankings or exchange rates can change its verdict."""
    return any(
        isinstance(fact, Rank)
        or _currency(fact) is not None
        or (isinstance(fact, Result) and reads_reference(rules[fact.rule], rules))
        for fact in rule.facts.values()
    )


def _currency(fact: Fact) -> str | None:
    field: Field | None = fact.field if isinstance(fact, (Sum, Share, Monthly)) else None
    return field.currency if field is not None else None


def passing(pick: Pick, items: Sequence[Item]) -> list[Item]:
    """The items that belong to a pick."""
    return [item for item in items if pick.where(item)] if pick.where.tests else list(items)


def _fingerprint(rules: Iterable[Rule]) -> str:
    said = [
        [rule.definition.model_dump(mode="json", exclude={"examples"}), {k: str(v) for k, v in rule.params.items()}]
        for rule in rules
    ]
    return hashlib.blake2b(json.dumps(said, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()
