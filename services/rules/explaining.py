"""Why a warning holds: the values compared, which of them decided, and the events behind each. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.rules.announcing import Say
from services.rules.asking import Asking, Inquiry, Judged, World
from services.rules.calendar import NEVER, OPENING, Micros
from services.rules.conditions import Leaf, Node, SidePoint, Stretch, leaves_of, stretches, true_on
from services.rules.episodes import Episode, fact_proofs, joined, leaf_values, point_items
from services.rules.facts import Later, Proof, Value
from services.rules.judging import Rank, Result
from services.rules.series import Path

NO_PROOF = Proof([], 0)


class Rise(NamedTuple):
    """What gave a warning its severity: the condition of an escalation, with the values of its leaves from left to
    right at the last instant of the episode at which it held."""

    severity: int
    tree: Node
    at: Micros
    values: list[tuple[Leaf, Value]]


@dataclass(frozen=True)
class Told:
    """What a warning says of its ground: the leaves from left to right with their values at an instant of the episode,
    what the summary may show, the names of those that decided, the events behind each fact and behind all. `rise`: what
    raised its severity, if anything did."""

    at: Micros = 0
    values: list[tuple[Leaf, Value]] = field(default_factory=list)
    shown: Mapping[str, tuple[Value, bool]] = field(default_factory=dict)
    decisive: frozenset[str] = frozenset()
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    proof: Proof = NO_PROOF
    rise: Rise | None = None


def told_of(asking: Asking, judged: Judged, say: Say, found: Proof) -> Told:
    """The ground of an episode at the last instant at which it is known to hold."""
    episode = say.episode
    assert episode is not None, "only what holds, or held, has a ground"
    at = asking.now
    is_point = judged.rule.of is not None
    if is_point:
        at = episode.start
    elif episode.end is not None and episode.end <= asking.now:
        at = episode.end - 1
    values = leaf_values(asking, judged, episode, at)
    shown = shown_values(asking, judged, episode, at)
    if is_point:
        return Told(at, values, shown, frozenset(leaf.name for leaf, _ in values), {}, found)
    rise = _rise(asking, judged, episode, at)
    proofs = dict(fact_proofs(asking, judged, episode))
    more = {} if rise is None else _proofs_of_rise(asking, judged, episode, rise)
    more = {name: proof for name, proof in more.items() if name not in proofs}
    for name in (*proofs, *more):
        fact = judged.rule.facts[name]
        if isinstance(fact, Result):
            more[name] = joined(asking.state, grounds_of(asking, fact.rule, episode.start))
    # `more` is told with its leaves only: what is not compared for a revision would make of the events behind all what
    # the order of learning made of them.
    return Told(at, values, shown, decisive(asking, judged, episode), proofs | more, found, rise)


def grounds_of(asking: Asking, rule_id: str, at: Micros) -> Iterator[Proof]:
    """The events behind the class or score that another rule gives at an instant: those of the facts that decided.

    A warning tells those of its start: what comes later of the same kind (an order more of a customer of high value) is
    no news of it, so they do not count where a warning is compared with what was said of it before.
    """
    judged = asking.judged[rule_id]
    rule = judged.rule
    world = World(asking, judged, "", max(at - 1, OPENING), unknown_holds=False)
    for name in _deciding(asking.at(at), judged, at):
        fact = rule.facts[name]
        if isinstance(fact, Result):
            yield from grounds_of(asking, fact.rule, at)
        else:
            yield fact.evidence(world.question, at, at)


def _deciding(asking: Asking, judged: Judged, at: Micros) -> Iterable[str]:
    """The facts that gave a class or score: what holds in the class's condition, all where none of them holds, and the
    inputs that weigh."""
    rule = judged.rule
    if rule.inputs:
        return dict.fromkeys(one.fact for one in rule.inputs if one.weight)
    value = asking.result(rule.id, at)[0].value
    world = World(asking, judged, "", at, unknown_holds=False)
    trees = [tree for tree, word in rule.classes if word == value]
    held = [
        leaf.fact
        for tree in trees
        for leaf, course in zip(leaves_of(tree), world.sides(tree), strict=True)
        if _holds(leaf, course[0][1])
    ]
    return dict.fromkeys(held or (leaf.fact for tree, _ in rule.classes for leaf in leaves_of(tree)))


def notes_of(asking: Asking, judged: Judged, episode: Episode) -> list[str]:
    """What rankings say in words of the customer's place, at the last instant at which the episode is known to hold:
    another word is worth saying."""
    names = [name for name, fact in judged.rule.facts.items() if isinstance(fact, Rank) and fact.note]
    if not names:
        return []
    at = asking.now if episode.end is None else min(asking.now, episode.end - 1)
    world = World(asking.at(at), judged, episode.subject, at, unknown_holds=False)
    return [str(world.course(name)[0].value) for name in names]


def _rise(asking: Asking, judged: Judged, episode: Episode, at: Micros) -> Rise | None:
    """The escalation that gave an episode its severity, as it was when it last held up to an instant."""
    if episode.escalation is None:
        return None
    severity, tree = judged.rule.escalations[episode.escalation]
    inquiry = Inquiry(asking, judged, episode.subject, max(episode.start - 1, OPENING))
    spans = [one for one in stretches(inquiry.truth(tree))[0] if _meets(one, episode.start, at)]
    if not spans:
        return None
    last = spans[-1].end
    at = at if last is None else min(at, last - 1)
    world = World(asking.at(at), judged, episode.subject, at, unknown_holds=False)
    return Rise(severity, tree, at, [(leaf, world.course(leaf.fact)[0].value) for leaf in leaves_of(tree)])


def _meets(span: Stretch, start: Micros, at: Micros) -> bool:
    return span.start <= at and (span.end is None or span.end > start)


def _proofs_of_rise(asking: Asking, judged: Judged, episode: Episode, rise: Rise) -> dict[str, Proof]:
    """The events behind each fact of an escalation, from the start of the episode on."""
    world = World(asking, judged, episode.subject, max(episode.start - 1, OPENING), unknown_holds=False)
    stop = NEVER if episode.end is None else episode.end - 1
    names = dict.fromkeys(leaf.fact for leaf in leaves_of(rise.tree))
    return {name: judged.rule.facts[name].evidence(world.question, episode.start, stop) for name in names}


def shown_values(asking: Asking, judged: Judged, episode: Episode, at: Micros) -> dict[str, tuple[Value, bool]]:
    """Every fact of the rule, and every field that a point shows, with whether it is a time that passes."""
    rule = judged.rule
    world = World(asking.at(at), judged, episode.subject, at, unknown_holds=False)
    shown = {name: (world.course(name)[0].value, fact.elapsed) for name, fact in rule.facts.items()}
    if rule.of is not None:
        item = point_items(asking, judged, episode)[-1]
        for dotted in rule.definition.fields:
            shown[dotted] = (Path.of(dotted).read(item), False)
    return shown


def decisive(asking: Asking, judged: Judged, episode: Episode) -> frozenset[str]:
    """The leaves that began to hold as the episode did."""
    before = max(episode.start - 1, OPENING)
    world = World(asking.at(episode.start), judged, episode.subject, before, unknown_holds=False)
    tree = judged.rule.when
    return frozenset(
        leaf.name
        for leaf, course in zip(leaves_of(tree), world.sides(tree), strict=True)
        if _begins(leaf, course, episode.start)
    )


def _begins(leaf: Leaf, course: list[SidePoint], start: Micros) -> bool:
    before = course[0][1]
    at_start = [known for at, known in course if at <= start][-1]
    return _holds(leaf, at_start) and not _holds(leaf, before)


def _holds(leaf: Leaf, known: object) -> bool:
    return known is not None and not isinstance(known, Later) and true_on(leaf.op, known)  # type: ignore[arg-type]
