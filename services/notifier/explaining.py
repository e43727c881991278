"""PURE: why a warning holds, as its reader is told: the condition with the values that it saw, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.warnings import Bilingual, Branch, Compared, EventRef, Evidence
from services.notifier.words import Known, percent, value_in_words

Say = Callable[[Bilingual], str]
"""A bilingual text in the reader's language."""


@dataclass(frozen=True)
class Leaf:
    """One comparison. `condition` is what was asked of the value (`≥ 2`); `decided`: the warning began with it.
    `events` are the newest of `total` behind the value."""

    label: str
    value: str
    condition: str
    held: bool
    decided: bool
    events: tuple[EventRef, ...]
    total: int


@dataclass(frozen=True)
class Group:
    """Branches of which `there` hold; `values`: how they hang together was not told."""

    mode: Literal["all", "any", "values"]
    held: bool
    there: int
    of: tuple[Group | Leaf, ...]


@dataclass(frozen=True)
class Raised:
    """What made it graver than its rule is by itself: `said` names the severity."""

    said: str
    because: Group


def explain(evidence: Evidence, say: Say, known: Known) -> Group | None:
    """The condition as a tree; None when nothing was compared (what is withdrawn held at no instant)."""
    leaves = [_leaf(compared, say, known) for compared in evidence.compared]
    if not leaves:
        return None
    told = _told(evidence.tree, leaves) if evidence.tree is not None else None
    return _group("values", tuple(leaves)) if told is None else _as_group(told)


def explain_rise(evidence: Evidence, say: Say, known: Known) -> Raised | None:
    """The condition that raised the severity; None when none did."""
    if evidence.rise is None:
        return None
    told = _told(evidence.rise.tree, [_leaf(compared, say, known) for compared in evidence.compared])
    if told is None:
        return None
    to = evidence.rise.to
    return Raised(known(f"condition.raised_{to}", to), _as_group(told))


def _as_group(told: Group | Leaf) -> Group:
    return told if isinstance(told, Group) else _group("all", (told,))


def lines(group: Group, known: Known, depth: int = 0) -> Iterator[tuple[int, str, Leaf | None]]:
    """The tree line by line, each with its depth; the line of a leaf also with the leaf."""
    if depth or len(group.of) > 1:
        yield depth, heading(group, known), None
        depth += 1
    for branch in group.of:
        if isinstance(branch, Group):
            yield from lines(branch, known, depth)
        else:
            yield depth, "", branch


def heading(group: Group, known: Known) -> str:
    """How the branches of a group hang together, and how many hold: 2 of 3."""
    return known(f"condition.{group.mode}", group.mode, n=len(group.of), there=group.there)


def _told(branch: Branch, leaves: list[Leaf]) -> Group | Leaf | None:
    """None for a branch that leads to no leaf."""
    if branch.mode == "leaf":
        return leaves[branch.leaf] if branch.leaf is not None and 0 <= branch.leaf < len(leaves) else None
    of = tuple(told for told in (_told(one, leaves) for one in branch.of) if told is not None)
    return _group(branch.mode, of) if of else None


def _group(mode: Literal["all", "any", "values"], of: tuple[Group | Leaf, ...]) -> Group:
    there = sum(branch.held for branch in of)
    return Group(mode, there > 0 if mode == "any" else there == len(of), there, of)


def _leaf(compared: Compared, say: Say, known: Known) -> Leaf:
    return Leaf(
        label=say(compared.label),
        value=_value(compared.value, compared, known),
        condition=_condition(compared, known),
        held=compared.held,
        # Every leaf of a point begins with it; one that does not hold has decided nothing.
        decided=compared.decisive and compared.held,
        events=tuple(compared.events),
        total=compared.events_total,
    )


def _condition(compared: Compared, known: Known) -> str:
    """What was asked of the value; equality needs no sign."""
    op, threshold = compared.op, _value(compared.threshold, compared, known)
    if op in ("known", "not known"):
        return known(f"op.{op}", op)
    if op == "==" or (op == "in" and ", " not in compared.threshold):
        return threshold
    return f"{known(f'op.{op}', op)} {threshold}"


def _value(text: str, compared: Compared, known: Known) -> str:
    return value_in_words(percent(text) if compared.ratio else text, known)
