"""The announced episodes of a customer: open ones in the head, closed ones beside the months they began in. PURE.

What changes is written with the head first, and goes beside its month with a later write. A crash may leave a segment
ahead of its head, whose warnings were never sent: it must not tell of an episode what only those warnings said.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from services.rules.records import Announced
from services.rules.segments import Segments


class Announcements:
    """Every announced episode by rule and subject. `put` is told of each change. Segments hold copies of their own: an
    episode is changed in place, and they keep what was last written with a head."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._by_rule: dict[str, dict[str, list[Announced]]] = {}
        self._by_id: dict[str, Announced] = {}
        self._open: dict[int, Announced] = {}
        self._changed: dict[int, Announced] = {}
        self._with_head: dict[int, Announced] = {}

    def read(self, one: Announced, *, is_shelved: bool) -> None:
        """Takes in an episode from a record."""
        known = self._by_id.get(one.id)
        if known is not None:
            if known.revision >= one.revision:
                return
            self._unlist(known)
        if is_shelved:
            self._list(copy(one))
            return
        self._list(one)
        self._with_head[one.number] = one
        if is_open(one):
            self._open[one.number] = one

    def _list(self, one: Announced) -> None:
        self._by_id[one.id] = one
        episodes = self._by_rule.setdefault(one.rule, {}).setdefault(one.subject, [])
        episodes.append(one)
        if len(episodes) > 1 and episodes[-2].number > one.number:
            episodes.sort(key=lambda known: known.number)

    def put(self, one: Announced) -> None:
        """An episode is new, or has changed."""
        known = self._by_id.get(one.id)
        if known is not one:
            if known is not None:
                self._unlist(known)
            self._list(one)
        self._changed[one.number] = one
        if is_open(one):
            self._open[one.number] = one
        else:
            self._open.pop(one.number, None)

    def forget(self, one: Announced) -> None:
        """Nothing found from now on can be this episode again."""
        self._segments.unshelve(one)
        for kept in (self._open, self._changed, self._with_head):
            kept.pop(one.number, None)
        self._unlist(one)

    def _unlist(self, one: Announced) -> None:
        del self._by_id[one.id]
        subjects = self._by_rule[one.rule]
        subjects[one.subject].remove(one)
        if not subjects[one.subject]:
            del subjects[one.subject]

    def for_head(self) -> list[Announced]:
        """What the next head is to hold: all that is open, and whatever has changed since the last head. What was in
        that one and has not changed since goes to its place."""
        for number, one in self._with_head.items():
            if number in self._changed:
                continue
            if is_open(one):
                self._segments.unshelve(one)
            else:
                self._segments.shelve(copy(one))
        self._with_head, self._changed = self._changed, {}
        wanted = {**self._open, **self._with_head}
        return [wanted[number] for number in sorted(wanted)]

    def of(self, rule: str, subject: str) -> list[Announced]:
        """A rule's episodes about a subject, in the order in which they were announced. Not to be changed."""
        return self._by_rule.get(rule, {}).get(subject, [])

    def subjects(self, rule: str) -> list[str]:
        """Whom a rule has said something about."""
        return list(self._by_rule.get(rule, {}))

    def by_id(self, warning_id: str) -> Announced | None:
        return self._by_id.get(warning_id)

    def open(self) -> list[Announced]:
        """What still holds, in the order in which it was announced."""
        return [self._open[number] for number in sorted(self._open)]

    def __iter__(self) -> Iterator[Announced]:
        return iter(list(self._by_id.values()))


def is_open(one: Announced) -> bool:
    """Whether it still holds."""
    return one.end is None and one.change != "withdrawn"
