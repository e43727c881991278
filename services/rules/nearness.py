"""How close each quiet rule of a customer is: what it still lacks, and when time alone would bring it. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from schemas.warnings import Bilingual
from services.rules.asking import Asking, Judged, World
from services.rules.calendar import Micros
from services.rules.conditions import Leaf, Node
from services.rules.episodes import subjects
from services.rules.facts import Span, Unknown, Value
from services.rules.judging import Result
from services.rules.wording import chinese_text, class_words, duration_text, holds, label_of, parameter_text, value_text

MAX_SUBJECTS = 20
"""Subjects of one rule that are looked at: those asked about last."""


class Near(NamedTuple):
    """A rule that does not hold: what it lacks, in both languages, and when time alone would bring it (None: never)."""

    rule: str
    subject: str
    zh: str
    en: str
    due: Micros | None


class _Lack(NamedTuple):
    leaf: Leaf
    value: Value


def near_misses(asking: Asking) -> list[Near]:
    """Every quiet rule that has something to measure, the soonest due first."""
    found = [near for judged in asking.judged.values() for near in _of_rule(asking, judged)]
    return sorted(found, key=lambda near: (near.due is None, near.due or 0, near.rule, near.subject))


def _of_rule(asking: Asking, judged: Judged) -> Iterator[Near]:
    rule = judged.rule
    if rule.of is not None or rule.definition.judges:
        return
    for subject in subjects(asking, rule)[-MAX_SUBJECTS:]:
        if any(one.end is None and one.change != "withdrawn" for one in asking.state.announced.of(rule.id, subject)):
            continue
        world = World(asking.at(asking.now), judged, subject, asking.now, unknown_holds=False)
        lacks = _lacking(rule.when, world)
        if lacks and _comes_nearer(lacks):
            yield _near(asking, judged, subject, lacks)


def _lacking(node: Node, world: World) -> list[_Lack] | None:
    """The leaves that would have to hold as well; of alternatives those that lack least. None where one of them cannot
    be measured or is far off: then it is not near, and nothing more is asked."""
    if isinstance(node, Leaf):
        lack = _Lack(node, world.course(node.fact)[0].value)
        if holds(node, lack.value, world.since):
            return []
        return [lack] if _is_measured(lack) else None
    if node.mode == "all":
        together: list[_Lack] = []
        for branch in node.branches:
            lacks = _lacking(branch, world)
            if lacks is None:
                return None
            together += lacks
        return together
    found = [lacks for branch in node.branches if (lacks := _lacking(branch, world)) is not None]
    return min(found, key=_far) if found else None


def _far(lacks: Sequence[_Lack]) -> tuple[int, bool, Micros]:
    """How far an alternative is: what lacks less comes first, then what time brings sooner."""
    due = _due_of(lacks)
    return len(lacks), due is None, due or 0


def _is_measured(lack: _Lack) -> bool:
    leaf, value = lack
    if value is None or isinstance(value, (Unknown, Span)):
        return False
    if leaf.elapsed or not isinstance(value, (int, Decimal)):
        return True
    # Nothing of it has happened yet: every rule of the book would be "0 of 3" from the start.
    return bool(value) and not _is_far(leaf, value)


def _is_far(leaf: Leaf, value: int | Decimal) -> bool:
    """Less than half of an amount or a share, or a third of a count, that is to be reached."""
    if leaf.op not in (">", ">=") or not isinstance(leaf.threshold, (int, Decimal)):
        return False
    return value * (2 if isinstance(value, Decimal) else 3) < leaf.threshold


def _comes_nearer(lacks: Sequence[_Lack]) -> bool:
    """Whether time brings all of them, or of what it does not bring more of the same brings a part; where a word must
    become another first, the passing of time is no nearness."""
    rest = [lack for lack in lacks if _due(lack) is None]
    return not rest or any(lack.leaf.op in (">", ">=") for lack in rest)


def _near(asking: Asking, judged: Judged, subject: str, lacks: list[_Lack]) -> Near:
    english = [_said(asking, judged, lack, chinese=False) for lack in lacks]
    chinese = [_said(asking, judged, lack, chinese=True) for lack in lacks]
    return Near(judged.rule.id, subject, "；".join(chinese), "; ".join(english), _due_of(lacks))


def _due_of(lacks: Sequence[_Lack]) -> Micros | None:
    """When time alone brings all of them; None when it does not."""
    waits = [_due(lack) for lack in lacks]
    return None if None in waits else max((at for at in waits if at is not None), default=None)


def _due(lack: _Lack) -> Micros | None:
    """When a time that passes reaches its limit; None for what time does not bring."""
    leaf, value = lack
    if leaf.elapsed and leaf.op in (">", ">=") and isinstance(value, int) and isinstance(leaf.threshold, int):
        return value + leaf.threshold
    return None


def _said(asking: Asking, judged: Judged, lack: _Lack, *, chinese: bool) -> str:
    (leaf, value), now = lack, asking.now
    label = label_of(judged.rule, leaf.fact)
    name = label.zh if chinese else label.en
    due = _due(lack)
    if due is not None:
        left = duration_text(max(due - now, 0))
        return f"{name}：还有 {chinese_text(left)}到期" if chinese else f"{name}: due in {left}"
    word = _class_name(asking, judged, lack)
    shown = value_text(value, leaf.elapsed, now) if word is None else word.zh if chinese else word.en
    if leaf.op in (">", ">=") and isinstance(leaf.threshold, (int, Decimal)):
        least = parameter_text(leaf.threshold)
        more = leaf.op == ">"
        if chinese:
            return f"{name}：{shown}，{'超过' if more else '达到'} {least} 才触发"
        return f"{name}: {shown} of {'more than ' if more else ''}{least}"
    return f"{name}：目前 {chinese_text(shown)}" if chinese else f"{name}: now {shown}"


def _class_name(asking: Asking, judged: Judged, lack: _Lack) -> Bilingual | None:
    """What people call the class that a leaf compares; None for anything else."""
    fact = judged.rule.facts.get(lack.leaf.fact)
    other = asking.judged.get(fact.rule) if isinstance(fact, Result) else None
    if other is None:
        return None
    return class_words(other.rule).get(str(lack.value))
