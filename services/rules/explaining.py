"""Why a warning holds: the values compared, which of them decided, and the events behind each. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.rules.announcing import Say
from services.rules.asking import Asking, Judged, World
from services.rules.calendar import OPENING, Micros
from services.rules.conditions import Leaf, SidePoint, leaves_of, true_on
from services.rules.episodes import Episode, fact_proofs, leaf_values, point_items
from services.rules.facts import Later, Proof, Value
from services.rules.series import Path

NO_PROOF = Proof([], 0)


@dataclass(frozen=True)
class Told:
    """What a warning says of its ground: the leaves from left to right with their values at an instant of the episode,
    what the summary may show, the names of those that decided, the events behind each fact and behind all."""

    at: Micros = 0
    values: list[tuple[Leaf, Value]] = field(default_factory=list)
    shown: Mapping[str, tuple[Value, bool]] = field(default_factory=dict)
    decisive: frozenset[str] = frozenset()
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    proof: Proof = NO_PROOF


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
    proofs = fact_proofs(asking, judged, episode)
    return Told(at, values, shown, decisive(asking, judged, episode), proofs, found)


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
