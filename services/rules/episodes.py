"""A rule's episodes in a customer's history, as everything known tells them: past, present and to come. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from services.rules.calendar import BEGINNING, NEVER, Micros
from services.rules.compiling import Rule
from services.rules.conditions import (
    FALSE_SIDE,
    Judge,
    Leaf,
    Node,
    Side,
    agreed,
    assumed,
    leaves_of,
    side,
    side_course,
    stretches,
    truth_course,
)
from services.rules.definition import SUBJECTS
from services.rules.entries import Entry, Key
from services.rules.facts import Point, Question, Span, Value, read, value_at
from services.rules.shapes import Waiting
from services.rules.state import CustomerState


@dataclass(frozen=True)
class Judged:
    """A rule with the judges of its trees, by the identity of the tree."""

    rule: Rule
    judges: Mapping[int, Judge]

    def judge(self, tree: Node) -> Judge:
        return self.judges[id(tree)]


class Episode(NamedTuple):
    """[start, end) in which the condition held; end None when nothing known ends it; a point has end = start."""

    subject: str
    start: Micros
    end: Micros | None
    severity: int
    run: int


class Finding(NamedTuple):
    """The episodes that have begun by an instant, and when the rule's answer next changes with no event."""

    episodes: list[Episode]
    next_change: Micros


@dataclass
class World:
    """One rule asked about one subject, on the supposition that what is not known holds, or does not.

    Each fact's course is computed once. `supposed` tells whether the supposition was ever needed.
    """

    judged: Judged
    state: CustomerState
    subject: str
    now: Micros
    unknown_holds: bool

    def __post_init__(self) -> None:
        self.supposed = False
        self._courses: dict[str, list[Point]] = {}

    @cached_property
    def question(self) -> Question:
        return Question(self.state, self.subject, self.now, self._holds)

    def course(self, fact: str) -> list[Point]:
        """The fact's course over all time."""
        if fact not in self._courses:
            self._courses[fact] = self.judged.rule.facts[fact].course(self.question)
        return self._courses[fact]

    def truth(self, tree: Node) -> list[Point]:
        """When the tree holds in this world: points of True and False."""
        courses = {}
        for leaf in leaves_of(tree):
            course = side_course(leaf, self.course(leaf.fact))
            self.supposed = self.supposed or any(known is None for _, known in course)
            courses[leaf.name] = assumed(leaf, course, self.unknown_holds)
        return truth_course(tree, courses, self.judged.judge(tree))

    def _holds(self, condition: str) -> Sequence[Point]:
        return self.truth(self.judged.rule.conditions[condition])


class Inquiry:
    """One rule asked about one subject: in the world where what is unknown does not hold, and where that matters also
    in the one where it does."""

    def __init__(self, judged: Judged, state: CustomerState, subject: str, now: Micros) -> None:
        self.judged = judged
        self.subject = subject
        self.plain = World(judged, state, subject, now, unknown_holds=False)
        self._hopeful = World(judged, state, subject, now, unknown_holds=True)

    def truth(self, tree: Node) -> list[Point]:
        """When the tree holds: True, False, or None where what is unknown would decide."""
        plain = self.plain.truth(tree)
        return agreed(plain, self._hopeful.truth(tree)) if self.plain.supposed else plain


def find(judged: Judged, state: CustomerState, now: Micros) -> Finding:
    """All episodes of a rule that have begun by `now`, and its next change after `now` (NEVER for none)."""
    if judged.rule.definition.kind == "point":
        return _points(judged, state, now)
    findings = [_stretches(Inquiry(judged, state, subject, now), now) for subject in subjects(judged.rule, state)]
    episodes = [episode for finding in findings for episode in finding.episodes]
    return Finding(episodes, min((finding.next_change for finding in findings), default=NEVER))


def subjects(rule: Rule, state: CustomerState) -> list[str]:
    """Whom the rule asks about: the whole customer, or each subject that its waiting fact knows."""
    if rule.definition.per is None:
        return [""]
    waiting = [fact for fact in rule.facts.values() if isinstance(fact, Waiting)]
    return list(dict.fromkeys(subject for fact in waiting for subject in fact.subjects(state)))


def _stretches(inquiry: Inquiry, now: Micros) -> Finding:
    rule = inquiry.judged.rule
    raised = [(level, stretches(inquiry.truth(tree))) for level, tree in rule.escalations]
    run = inquiry.plain.course(rule.definition.run) if rule.definition.run else []
    episodes, changes = [], [NEVER]
    for start, end in stretches(inquiry.truth(rule.when)):
        if start == BEGINNING:
            continue  # held before anything was known: no event of this customer made it so
        stop = NEVER if end is None else end
        if start <= now:
            seen = min(stop, now + 1)
            severity = max([rule.severity] + [level for level, spans in raised if _meets(spans, start, seen)])
            episodes.append(Episode(inquiry.subject, start, end, severity, _longest(run, start, seen)))
        changes += [at for at in (start, stop) if at > now]
        changes += [at for _, spans in raised for at, _ in spans if max(now, start) < at < stop]
        changes += [point.at for point in run if max(now, start) < point.at < stop]
    return Finding(episodes, min(changes))


def _meets(spans: list[tuple[Micros, Micros | None]], start: Micros, stop: Micros) -> bool:
    return any(begin < stop and (end is None or start < end) for begin, end in spans)


def _longest(run: list[Point], start: Micros, stop: Micros) -> int:
    values = [value_at(run, start)] + [point.value for point in run if start < point.at < stop]
    return max((_whole(value) for value in values), default=0) if run else 0


def _whole(value: Value) -> int:
    if isinstance(value, Span):
        return int(value.low)
    return value if isinstance(value, int) else 0


def _points(judged: Judged, state: CustomerState, now: Micros) -> Finding:
    rule = judged.rule
    kind = rule.definition.of
    assert kind is not None, "a point rule names its event"
    happened = [item for item in state.items(kind) if judged.judge(rule.when)(field_sides(rule.when, item))]
    path = SUBJECTS[rule.definition.per] if rule.definition.per else None
    # Two reports of one point are one episode: an episode is its rule, customer, subject, start and end.
    episodes = {
        (subject, item.at): Episode(subject, item.at, item.at, rule.severity, 0)
        for item in happened
        for subject in [str(read(item, path)) if path else ""]
    }
    begun = [episode for episode in episodes.values() if episode.start <= now]
    return Finding(begun, min((item.at for item in happened if item.at > now), default=NEVER))


def field_sides(tree: Node, item: Entry) -> dict[str, Side]:
    """The sides on which an event's own fields lie."""
    sides: dict[str, Side] = {}
    for leaf in leaves_of(tree):
        found = side(leaf, read(item, leaf.fact))
        sides[leaf.name] = FALSE_SIDE[leaf.op] if found is None else found
    return sides


def evidence(judged: Judged, state: CustomerState, episode: Episode, now: Micros) -> list[Key]:
    """The events behind an episode, those that its facts counted, in the order in which they are true."""
    rule = judged.rule
    if rule.definition.kind == "point":
        return [item.key for item in point_items(judged, state, episode)]
    inquiry = Inquiry(judged, state, episode.subject, now)
    # Not cut at `now`: an event dated ahead would join the evidence later, when nothing wakes us to say so.
    stop = NEVER if episode.end is None else episode.end - 1
    keys: set[Key] = set()
    for fact in {leaf.fact for leaf in leaves_of(rule.when)}:
        keys.update(rule.facts[fact].evidence(inquiry.plain.question, episode.start, stop))
    known = [entry for entry in map(state.find, keys) if entry is not None]
    return [entry.key for entry in sorted(known, key=lambda entry: entry.order)]


def point_items(judged: Judged, state: CustomerState, episode: Episode) -> list[Entry]:
    """The events that are this point."""
    rule = judged.rule
    path = SUBJECTS[rule.definition.per] if rule.definition.per else None
    return [
        item
        for item in state.items(rule.definition.of or "")
        if item.at == episode.start
        and (path is None or str(read(item, path)) == episode.subject)
        and judged.judge(rule.when)(field_sides(rule.when, item))
    ]


def leaf_values(
    judged: Judged,
    state: CustomerState,
    episode: Episode,
    at: Micros,
) -> list[tuple[Leaf, Value]]:
    """What each leaf of the rule's condition compared at an instant of the episode."""
    rule = judged.rule
    if rule.definition.kind == "point":
        item = point_items(judged, state, episode)[-1]
        return [(leaf, read(item, leaf.fact)) for leaf in leaves_of(rule.when)]
    inquiry = Inquiry(judged, state, episode.subject, at)
    return [(leaf, value_at(inquiry.plain.course(leaf.fact), at)) for leaf in leaves_of(rule.when)]
