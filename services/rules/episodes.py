"""A rule's episodes in a customer's history, as everything known tells them, from an instant on. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.rules.asking import Asking, Inquiry, Judged, World
from services.rules.calendar import NEVER, OPENING, Micros
from services.rules.compiling import Rule
from services.rules.conditions import FALSE_SIDE, Leaf, Side, Stretch, leaves_of, side, stretches
from services.rules.entries import Item, Key
from services.rules.facts import AHEAD, LATER, MAX_EVENTS, Point, Proof, Span, Value, subject_text, value_at
from services.rules.records import Announced
from services.rules.series import Pick, Series
from services.rules.state import CustomerState


class Episode(NamedTuple):
    """[start, end) in which the condition held; end None when nothing known ends it; a point has end = start."""

    subject: str
    start: Micros
    end: Micros | None
    severity: int
    run: int
    escalation: int | None = None
    """Which of the rule's escalations gave it the severity."""


class Finding(NamedTuple):
    """The episodes that have begun by now and do not lie wholly before `since`, when the rule's answer next changes
    with no event, and since when it is not known (None: up to now it is)."""

    episodes: list[Episode]
    next_change: Micros
    since: Micros
    unknown_from: Micros | None = None


def find(asking: Asking, judged: Judged, subject: str, since: Micros) -> Finding:
    """The episodes of a stretch or streak that hold at or after `since`. Before it nothing may have changed: what runs
    into it is told by what was announced."""
    rule, announced = judged.rule, asking.state.announced.of(judged.rule.id, subject)
    before = max(since - 1, OPENING)
    running = next((one for one in announced if _covers(one, before)), None)
    if running is not None and (rule.escalations or rule.definition.run):
        # Its severity and its run are those of the whole of it.
        before = max(running.start - 1, OPENING)
        running = next((one for one in announced if _covers(one, before)), None)
    inquiry = Inquiry(asking, judged, subject, before)
    if running is None and asking.complete_until(rule) >= asking.now:
        plain = inquiry.plain.truth(rule.when)
        if all(point.value is not True for point in plain):
            # Nothing runs, and nothing begins where the unknown is supposed not to hold: whatever it is.
            return Finding([], plain[-1].at if plain[-1].value is LATER else NEVER, before + 1)
    truth = inquiry.truth(rule.when)
    is_told = truth[0].value is False or (truth[0].value is None and not judged.holds_of_nobody)
    if before > OPENING and running is None and not is_told:
        # It held, or may have held, from before anything was known: only the whole course tells.
        before = OPENING
        inquiry = Inquiry(asking, judged, subject, before)
        truth = inquiry.truth(rule.when)
    started = running.start if running is not None and truth[0].value is not False else None
    found, later = stretches(truth, started)
    finding = _finding(asking, inquiry, [one for one in found if one.start > OPENING], later, before + 1)
    unknown_from = next((point.at for point in truth if point.value is None and point.at <= asking.now), None)
    return finding._replace(unknown_from=unknown_from)


def _covers(one: Announced, at: Micros) -> bool:
    return one.change != "withdrawn" and one.start <= at and (one.end is None or one.end > at)


def _finding(asking: Asking, inquiry: Inquiry, found: list[Stretch], later: Micros, since: Micros) -> Finding:
    rule, now = inquiry.judged.rule, asking.now
    raised: list[tuple[int, int, list[Stretch]]] = []
    changes = [later]
    for number, (level, tree) in enumerate(rule.escalations):
        spans, unknown_from = stretches(inquiry.truth(tree))
        raised.append((level, number, spans))
        changes.append(unknown_from)
    run = inquiry.plain.course(rule.definition.run) if rule.definition.run else []
    episodes = []
    for start, end in found:
        stop = NEVER if end is None else end
        if start <= now:
            seen = min(stop, now + 1)
            levels = [(level, -number) for level, number, spans in raised if _meets(spans, start, seen)]
            level, number = max([(rule.severity, 1), *levels])
            escalation = None if number > 0 else -number
            episodes.append(Episode(inquiry.subject, start, end, level, _longest(run, start, seen), escalation))
        changes += [at for at in (start, stop) if at > now]
        changes += [one.start for _, _, spans in raised for one in spans if max(now, start) < one.start < stop]
        changes += [point.at for point in run if max(now, start) < point.at < stop]
    return Finding(episodes, min(changes), since)


def _meets(spans: list[Stretch], start: Micros, stop: Micros) -> bool:
    return any(begin < stop and (end is None or start < end) for begin, end in spans)


def _longest(run: Sequence[Point], start: Micros, stop: Micros) -> int:
    values = [value_at(run, start)] + [point.value for point in run if start < point.at < stop]
    return max((_whole(value) for value in values), default=0) if run else 0


def _whole(value: Value) -> int:
    if isinstance(value, Span):
        return int(value.low)
    return value if isinstance(value, int) else 0


def find_points(asking: Asking, judged: Judged, subject: str, since: Micros) -> Finding:
    """The points of a rule about a subject at or after `since`."""
    series = _points_of(asking.state, judged.rule, subject)
    now, first = asking.now, series.before(since)
    begun = series.up_to(now)
    # Two reports of one point are one episode: an episode is its rule, customer, subject, start and end.
    episodes: dict[Micros, Episode] = {}
    for item in series.items[first:begun]:
        if happened(asking, judged, item):
            episodes[item.at] = Episode(subject, item.at, item.at, judged.rule.severity, 0)
    coming = series.items[begun : begun + AHEAD]
    ahead = [item.at for item in coming if happened(asking, judged, item)]
    last = [coming[-1].at] if len(coming) == AHEAD else []
    return Finding(list(episodes.values()), min([*ahead, *last], default=NEVER), since)


def _of(rule: Rule) -> Pick:
    assert rule.of is not None, "a point rule names its event"
    return rule.of


def _points_of(state: CustomerState, rule: Rule, subject: str) -> Series:
    series = state.series(_of(rule))
    return series if rule.subject is None else series.of(rule.subject, subject)


def point_subject(rule: Rule, item: Item) -> str:
    """Whom a point is about."""
    return subject_text(rule.subject.read(item)) if rule.subject is not None else ""


def happened(asking: Asking, judged: Judged, item: Item) -> bool:
    """Whether an item is a point: its condition holds, and it is the first of its combination."""
    rule = judged.rule
    if not judged.judge(rule.when)(point_sides(asking, judged, item)):
        return False
    return not rule.once_per or not _is_repeated(asking, judged, item)


def _is_repeated(asking: Asking, judged: Judged, item: Item) -> bool:
    rule, series = judged.rule, asking.state.series(_of(judged.rule))
    combination = [path.read(item) for path in rule.once_per]
    same = series.of(rule.once_per[0], subject_text(combination[0]))
    return any(
        earlier.order < item.order
        and [path.read(earlier) for path in rule.once_per] == combination
        and judged.judge(rule.when)(point_sides(asking, judged, earlier))
        for earlier in same.items[: same.up_to(item.at)]
    )


def point_sides(asking: Asking, judged: Judged, item: Item) -> dict[str, Side]:
    """The sides on which an event's own fields lie, and the facts at its instant. What is not known does not hold."""
    sides: dict[str, Side] = {}
    for leaf, value in point_values(asking, judged, item):
        found = side(leaf, value)
        sides[leaf.name] = FALSE_SIDE[leaf.op] if found is None else found
    return sides


def point_values(asking: Asking, judged: Judged, item: Item) -> list[tuple[Leaf, Value]]:
    """What each leaf of a point's condition compares."""
    rule = judged.rule
    world: World | None = None
    values: list[tuple[Leaf, Value]] = []
    for leaf in leaves_of(rule.when):
        path = rule.fields.get(leaf.fact)
        if path is not None:
            values.append((leaf, path.read(item)))
            continue
        if world is None:
            world = World(asking.at(item.at), judged, point_subject(rule, item), item.at, unknown_holds=False)
        values.append((leaf, world.course(leaf.fact)[0].value))
    return values


def point_items(asking: Asking, judged: Judged, episode: Episode) -> list[Item]:
    """The items that are this point."""
    series = _points_of(asking.state, judged.rule, episode.subject)
    at_start = series.items[series.before(episode.start) : series.up_to(episode.start)]
    return [item for item in at_start if happened(asking, judged, item)]


def evidence(asking: Asking, judged: Judged, episode: Episode) -> Proof:
    """The events behind an episode, those that its facts counted, in the order in which they are true."""
    rule = judged.rule
    if rule.definition.kind == "point":
        keys = [key for item in point_items(asking, judged, episode) for key in item.keys]
        return Proof(list(dict.fromkeys(keys)), len(set(keys)))
    return joined(asking.state, fact_proofs(asking, judged, episode).values())


def fact_proofs(asking: Asking, judged: Judged, episode: Episode) -> Mapping[str, Proof]:
    """For each fact of a stretch's condition the events behind it.

    Not cut at `now`: an event dated ahead would join the evidence later, when nothing wakes us to say so.
    """
    rule = judged.rule
    stop = NEVER if episode.end is None else episode.end - 1
    world = World(asking, judged, episode.subject, max(episode.start - 1, OPENING), unknown_holds=False)
    names = dict.fromkeys(leaf.fact for leaf in leaves_of(rule.when))
    return {name: rule.facts[name].evidence(world.question, episode.start, stop) for name in names}


def joined(state: CustomerState, proofs: Iterable[Proof]) -> Proof:
    """Several proofs as one: the newest events of all, in the order in which they are true."""
    proofs = list(proofs)
    keys: set[Key] = {key for one in proofs for key in one.keys}
    known = sorted((entry for entry in map(state.find, keys) if entry is not None), key=lambda entry: entry.order)
    total = len(known) if all(len(one.keys) == one.total for one in proofs) else sum(one.total for one in proofs)
    return Proof([entry.key for entry in known[-MAX_EVENTS:]], total)


def leaf_values(asking: Asking, judged: Judged, episode: Episode, at: Micros) -> list[tuple[Leaf, Value]]:
    """What each leaf of the rule's condition compared at an instant of the episode."""
    rule = judged.rule
    if rule.definition.kind == "point":
        return point_values(asking, judged, point_items(asking, judged, episode)[-1])
    return values_at(asking, judged, episode.subject, at)


def values_at(asking: Asking, judged: Judged, subject: str, at: Micros) -> list[tuple[Leaf, Value]]:
    """What each leaf of a stretch's condition compares at an instant."""
    world = World(asking.at(at), judged, subject, at, unknown_holds=False)
    return [(leaf, world.course(leaf.fact)[0].value) for leaf in leaves_of(judged.rule.when)]


def exists(state: CustomerState, rule: Rule, subject: str) -> bool:
    """Whether an event that a rule with subjects reads names this one; a correction may have taken the last away."""
    if rule.subject is None:
        return True
    return any(
        pick.subject is not None and subject in state.series(pick.whole).groups(pick.subject)
        for fact in rule.facts.values()
        for pick in fact.picks
    )


def subjects(asking: Asking, rule: Rule) -> list[str]:
    """Everybody whom a rule with subjects may ask about, as the customer's events name them."""
    if rule.subject is None:
        return [""]
    names: dict[str, None] = dict.fromkeys(asking.state.announced.subjects(rule.id))
    for fact in rule.facts.values():
        for pick in fact.picks:
            if pick.subject is not None:
                names.update(dict.fromkeys(asking.state.series(pick.whole).groups(pick.subject)))
    if rule.of is not None:
        names.update(dict.fromkeys(asking.state.series(rule.of).groups(rule.subject)))
    names.pop("", None)
    return list(names)
