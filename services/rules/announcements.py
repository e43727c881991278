"""The announced episodes of a customer: open ones in the head, closed ones beside the months they began in. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from services.rules.records import Announced
from services.rules.segments import Segments


class Announcements:
    """Every announced episode by rule and subject. `put` is told of each change, so that it is written in its place."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._by_rule: dict[str, dict[str, list[Announced]]] = {}
        self._by_id: dict[str, Announced] = {}
        self._open: dict[int, Announced] = {}

    def read(self, one: Announced, *, is_shelved: bool) -> None:
        """Takes in an episode from a record."""
        if one.id in self._by_id:
            # A crash between a segment and the head: the newer revision is true.
            if self._by_id[one.id].revision >= one.revision:
                return
            self.forget(self._by_id[one.id])
        self._list(one)
        if not is_shelved:
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
                self.forget(known)
            self._list(one)
        if one.end is None and one.change != "withdrawn":
            self._segments.unshelve(one)
            self._open[one.number] = one
        else:
            self._open.pop(one.number, None)
            self._segments.shelve(one)

    def forget(self, one: Announced) -> None:
        """Nothing found from now on can be this episode again."""
        self._segments.unshelve(one)
        self._open.pop(one.number, None)
        del self._by_id[one.id]
        subjects = self._by_rule[one.rule]
        subjects[one.subject].remove(one)
        if not subjects[one.subject]:
            del subjects[one.subject]

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
