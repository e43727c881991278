"""Asking a rule about a customer from an instant on: courses of facts, of conditions, of classes and scores. PURE.

What is not known is supposed not to hold, and then to hold, in two whole worlds; where they differ the answer is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.rules.calendar import NEVER, OPENING, Calendar, Micros
from services.rules.compiling import Rule
from services.rules.conditions import (
    Judge,
    Node,
    SidePoint,
    agreed,
    assumed,
    leaves_of,
    side_course,
    silenced,
    truth_course,
)
from services.rules.facts import AHEAD, LATER, UNKNOWN, Fact, Point, Question, Value, least_elapsed, put, value_at
from services.rules.judging import Result
from services.rules.reference import Reference
from services.rules.scoring import score
from services.rules.series import Pick, Series
from services.rules.state import CustomerState


@dataclass(frozen=True)
class Judged:
    """A rule with the judges of its trees, by the identity of the tree. `holds_of_nobody`: its condition holds where
    nothing at all is known; what held from before anything was known is no episode. `waits`: it, or one whose result it
    reads, waits for a feed."""

    rule: Rule
    judges: Mapping[int, Judge]
    holds_of_nobody: bool = False
    waits: bool = False

    reads: tuple[Pick, ...] = field(init=False)
    """The picks of its facts and of those of the rules whose results it reads, of all subjects."""

    def __post_init__(self) -> None:
        picks = (pick.whole for fact in self.rule.facts.values() for pick in fact.picks)
        object.__setattr__(self, "reads", tuple(dict.fromkeys(picks)))

    def judge(self, tree: Node) -> Judge:
        return self.judges[id(tree)]


def of_nobody(judged: Mapping[str, Judged], calendar: Calendar) -> dict[str, Judged]:
    """The rules, knowing what they say of a customer of whom nothing is known, and who waits for a feed."""
    asking = Asking(CustomerState.new("", calendar), OPENING, Reference(), judged)
    return {
        rule_id: replace(one, holds_of_nobody=_holds_of_nobody(asking, one), waits=_waits(one.rule, judged))
        for rule_id, one in judged.items()
    }


def _waits(rule: Rule, judged: Mapping[str, Judged]) -> bool:
    return rule.source is not None or any(_waits(judged[name].rule, judged) for name in rule.results)


def _holds_of_nobody(asking: Asking, judged: Judged) -> bool:
    if judged.rule.of is not None or judged.rule.definition.judges:
        return False
    return Inquiry(asking, judged, "", OPENING).truth(judged.rule.when)[0].value is True


class Asking:
    """One customer at one instant, all rules: what one rule has worked out another need not. Courses are told to
    `ahead` changes beyond the instant."""

    def __init__(
        self,
        state: CustomerState,
        now: Micros,
        reference: Reference,
        judged: Mapping[str, Judged],
        ahead: int = AHEAD,
    ) -> None:
        self.state = state
        self.ahead = ahead
        self.now = now
        self.reference = reference
        self.judged = judged
        self._facts: dict[tuple[int, str, Micros], Sequence[Point]] = {}
        self._seen: dict[tuple[str, Micros, Micros], dict[object, Micros]] = {}
        self._results: dict[tuple[str, Micros], Sequence[Point]] = {}
        self._at: dict[Micros, Asking] = {}
        state.courses.hold_for(reference.fingerprint)

    def at(self, instant: Micros) -> Asking:
        """The same customer as it is now known, asked at another instant: what comes after it is not worked out."""
        if instant == self.now and not self.ahead:
            return self
        other = self._at.get(instant)
        if other is None:
            other = self._at[instant] = Asking(self.state, instant, self.reference, self.judged, ahead=0)
        return other

    def look(self, subject: str, since: Micros, enough: Micros) -> Look:
        """For those who only look at a subject from an instant on."""
        key = (subject, since, enough)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = {}
        # What was seen is kept, not the look: it holds this object, and a ring of the two would wait for the collector.
        return Look(self, subject, since, enough, seen)

    def complete_until(self, rule: Rule) -> Micros:
        """The instant up to which the rule's feed has told everything; NEVER when it is not guarded."""
        if rule.source is None:
            return NEVER
        until = self.reference.complete_until(rule.source)
        return NEVER if until is None else until

    def fact(self, fact: Fact, question: Question) -> Sequence[Point]:
        """The course of a fact that asks no condition: the same in both worlds, and for every rule that reads it."""
        key = (id(fact), question.subject, question.since)
        course = self._facts.get(key)
        if course is None:
            course = self._facts[key] = fact.course(question)
        return course

    def fact_to_compare(self, fact: Fact, question: Question) -> Sequence[Point]:
        """The same, perhaps as an earlier step worked it out: true on which side of all limits it lies, though between
        them a tally may be another."""
        if question.subject or (isinstance(fact, Result) and self.judged[fact.rule].waits):
            return self.fact(fact, question)
        courses = self.state.courses
        course = courses.find(fact, question.since, self.now)
        if course is None:
            course = self.fact(fact, question)
            if self.ahead:
                courses.keep(fact, question.since, course, [self.state.series(pick.whole) for pick in fact.picks])
        return course

    def result(self, rule: str, since: Micros) -> Sequence[Point]:
        """The course of another rule's class or score."""
        key = (rule, since)
        course = self._results.get(key)
        if course is None:
            judged = self.judged[rule]
            is_class = judged.rule.definition.kind == "class"
            course = self._results[key] = self._class(judged, since) if is_class else self._score(judged, since)
        return course

    def _class(self, judged: Judged, since: Micros) -> Sequence[Point]:
        if judged.waits:
            return class_course(Inquiry(self, judged, "", since))
        course = self.state.courses.find(judged, since, self.now)
        if course is None:
            course = class_course(Inquiry(self, judged, "", since))
            if self.ahead:
                self.state.courses.keep(judged, since, course, map(self.state.series, judged.reads))
        return course

    def _score(self, judged: Judged, since: Micros) -> Sequence[Point]:
        return score_course(World(self, judged, "", since, unknown_holds=False), judged.rule)


class Look:
    """What can be seen of a subject from an instant on, of facts that ask no condition. To know that something does not
    hold up to `enough` is enough. `seen` is for those who look, so that they need not look twice."""

    __slots__ = ("_asking", "_before", "_question", "_subject", "enough", "now", "seen", "since")

    def __init__(self, asking: Asking, subject: str, since: Micros, enough: Micros, seen: dict[object, Micros]) -> None:
        self.since = since
        self.enough = enough
        self.seen = seen
        self.now = asking.now
        self._asking = asking
        self._subject = subject
        self._question: Question | None = None
        self._before: Question | None = None

    @property
    def question(self) -> Question:
        """What facts are asked."""
        question = self._question
        if question is None:
            question = self._question = self._asked_since(self.since)
        return question

    def _asked_since(self, since: Micros) -> Question:
        asking = self._asking
        return Question(asking.state, self._subject, asking.now, since, asking.reference, _no_condition, asking.result)

    def series(self, pick: Pick) -> Series:
        """See Question."""
        return self.question.series(pick)

    def course(self, fact: Fact) -> Sequence[Point]:
        """The fact's course, to be compared, from just before `since` on, as the rule itself would ask for it."""
        question = self._before
        if question is None:
            question = self._before = self._asked_since(max(self.since - 1, OPENING))
        return self._asking.fact_to_compare(fact, question)


def _no_condition(name: str, since: Micros) -> Sequence[Point]:
    raise AssertionError(f"a glance asks no condition, not even {name} since {since}")


class World:
    """One rule asked about one subject from `since` on, on the supposition that what is not known holds, or does not.

    `supposed` tells whether the supposition was ever needed.
    """

    def __init__(self, asking: Asking, judged: Judged, subject: str, since: Micros, unknown_holds: bool) -> None:
        self.judged = judged
        self.subject = subject
        self.since = since
        self.unknown_holds = unknown_holds
        self.supposed = False
        self._asking = asking
        self._courses: dict[str, Sequence[Point]] = {}
        self._compared: dict[str, Sequence[Point]] = {}
        self.complete_until = asking.complete_until(judged.rule)
        self._plain = self._asked(_no_condition)

    def _asked(self, holds: Callable[[str, Micros], Sequence[Point]]) -> Question:
        asking = self._asking
        return Question(
            asking.state,
            self.subject,
            asking.now,
            self.since,
            asking.reference,
            holds,
            asking.result,
            self.complete_until,
            asking.ahead,
        )

    @property
    def question(self) -> Question:
        """What facts are asked that may ask about conditions, made anew each time: it holds this object, and a ring of
        the two would wait for the collector."""
        return self._asked(self._holds)

    def course(self, name: str) -> Sequence[Point]:
        """A fact's course, with its values."""
        course = self._courses.get(name)
        if course is None:
            fact = self.judged.rule.facts[name]
            course = fact.course(self.question) if fact.asks else self._asking.fact(fact, self._plain)
            self._courses[name] = course
        return course

    def _course_to_compare(self, name: str) -> Sequence[Point]:
        course = self._compared.get(name)
        if course is None:
            fact = self.judged.rule.facts[name]
            course = self.course(name) if fact.asks else self._asking.fact_to_compare(fact, self._plain)
            self._compared[name] = course
        return course

    def sides(self, tree: Node) -> list[list[SidePoint]]:
        """The courses of a tree's leaves, from left to right."""
        sides = []
        for leaf in leaves_of(tree):
            course = side_course(leaf, self._course_to_compare(leaf.fact))
            if leaf.elapsed and self.complete_until < NEVER:
                least = least_elapsed(self.judged.rule.facts[leaf.fact])
                course = silenced(leaf, course, self.complete_until, least)
            sides.append(course)
        return sides

    def truth(self, tree: Node) -> list[Point]:
        """When the tree holds in this world."""
        courses = []
        for leaf, course in zip(leaves_of(tree), self.sides(tree), strict=True):
            if any(known is None for _, known in course):
                self.supposed = True
                courses.append(assumed(leaf, course, self.unknown_holds))
            else:
                courses.append(course)  # type: ignore[arg-type]
        return truth_course(tree, courses, self.judged.judge(tree))

    def _holds(self, condition: str, since: Micros) -> Sequence[Point]:
        tree = self.judged.rule.conditions[condition]
        if since == self.since:
            return self.truth(tree)
        other = World(self._asking, self.judged, self.subject, since, self.unknown_holds)
        points = other.truth(tree)
        self.supposed = self.supposed or other.supposed
        return points


class Inquiry:
    """One rule asked about one subject: in the world where what is unknown does not hold, and where that matters also
    in the one where it does."""

    def __init__(self, asking: Asking, judged: Judged, subject: str, since: Micros) -> None:
        self.judged = judged
        self.subject = subject
        self.plain = World(asking, judged, subject, since, unknown_holds=False)
        self._asking = asking
        self._hopeful: World | None = None

    def truth(self, tree: Node) -> list[Point]:
        """When the tree holds: True, False, None where the unknown would decide, LATER where it was not worked out."""
        plain = self.plain.truth(tree)
        if not self.plain.supposed:
            return plain
        if self._hopeful is None:
            self._hopeful = World(self._asking, self.judged, self.subject, self.plain.since, unknown_holds=True)
        return agreed(plain, self._hopeful.truth(tree))


def class_course(inquiry: Inquiry) -> list[Point]:
    """The value of the first class that holds; unknown where an earlier one may."""
    rule = inquiry.judged.rule
    truths: list[list[Point]] = []
    for tree, _ in rule.classes:
        truths.append(inquiry.truth(tree))
        if all(point.value is True or point.value is LATER for point in truths[-1]):
            break  # at every instant this class holds, or one before it does: nobody is asked what comes after
    points: list[Point] = []
    for at in sorted({point.at for truth in truths for point in truth} | {inquiry.plain.since}):
        value: Value = rule.otherwise
        for truth, (_, name) in zip(truths, rule.classes, strict=False):
            holds = value_at(truth, at)
            if holds is LATER:
                return [*points, Point(at, LATER)]
            if holds is not False:
                value = name if holds is True else UNKNOWN
                break
        put(points, at, value)
    return points


def score_course(world: World, rule: Rule) -> list[Point]:
    """The score whenever one of its inputs changes; unknown where it is inconclusive."""
    courses = [world.course(one.fact) for one in rule.inputs]
    points: list[Point] = []
    for at in sorted({point.at for course in courses for point in course} | {world.since}):
        values = [value_at(course, at) for course in courses]
        if any(value is LATER for value in values):
            return [*points, Point(at, LATER)]
        put(points, at, score(rule.inputs, values).value)
    return points
