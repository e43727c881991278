"""The shape of sequences and absence: something happened, and what should have followed has not. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.rules.calendar import BEGINNING, NEVER, Micros
from services.rules.entries import Item, Key
from services.rules.facts import Measured, Point, Proof, Question, subject_text
from services.rules.series import Path, Pick, Series
from services.rules.state import CustomerState


class Match(NamedTuple):
    """An answer belongs to the item whose field says the same."""

    answer: Path
    after: Path


class Wait(NamedTuple):
    """An item for which something was waited, from its instant until an answer (NEVER for none)."""

    item: Item
    until: Micros


@dataclass(frozen=True)
class Waiting(Measured):
    """The time since the subject's `after` item while no answer has come."""

    after: Pick
    answers: tuple[Pick, ...]
    match: tuple[Match, ...] = ()
    first_only: bool = False
    restarts: bool = False
    early: bool = False
    elapsed: bool = True
    least_elapsed: Micros | None = None
    reach: Micros = 0
    asks: bool = False

    @property
    def picks(self) -> tuple[Pick, ...]:
        return (self.after, *self.answers)

    def points(self, question: Question) -> Iterator[Point]:
        since = question.since
        waits = self._waits(question)
        first = next(waits, None)
        if first is None or first.item.at > since:
            yield Point(since, None)
        wait = first
        while wait is not None:
            following = next(waits, None)
            ends = min(wait.until, following.item.at if following else NEVER)
            if wait.until > wait.item.at and ends > since:
                yield Point(max(wait.item.at, since), wait.item.at)
            elif wait.item.at >= since or following is None or following.item.at > since:
                yield Point(max(wait.item.at, since), None)
            if since < wait.until < (following.item.at if following else NEVER) and wait.until > wait.item.at:
                yield Point(wait.until, None)
            wait = following

    def _waits(self, question: Question) -> Iterator[Wait]:
        """The items that begin a wait, from the one that may last at `since`."""
        series = question.series(self.after)
        if self.restarts:
            start = max(series.up_to(question.since) - 1, 0)
            for item in series.items[start:]:
                yield self._wait(item, question.state)
            return
        for item in self._firsts(series, question):
            yield self._wait(item, question.state)
            return

    def _firsts(self, series: Series, question: Question) -> list[Item]:
        if not self.first_only or self.after.subject is None:
            return series.items[:1]
        life = question.state.series(self.after.whole)
        return [item for item in series.items[:1] if item.at == life.ats[0]]

    def _wait(self, item: Item, state: CustomerState) -> Wait:
        answer = self._answer(item, state)
        return Wait(item, NEVER if answer is None else answer.at)

    def _answer(self, item: Item, state: CustomerState) -> Item | None:
        """The first answer: of any time where it belongs to the item, else not before it."""
        from_at = BEGINNING if not self.restarts and (self.early or self.match) else item.at
        found: Item | None = None
        for pick in self.answers:
            series = state.series(pick)
            for match in self.match[:1]:
                series = series.of(match.answer, subject_text(match.after.read(item)))
            for answer in series.items[series.before(from_at) :]:
                if found is not None and answer.at >= found.at:
                    break
                if all(match.answer.read(answer) == match.after.read(item) for match in self.match):
                    found = answer
                    break
        return found

    def evidence(self, question: Question, start: Micros, stop: Micros) -> Proof:
        series = question.series(self.after)
        # What begins after the episode is over has no part in it, whether it was known by then or not.
        items = [item for item in self._firsts(series, question) if item.at <= stop]
        if self.restarts:
            index = series.up_to(start)
            items = series.items[max(index - 1, 0) : index]
        keys = [key for item in items for key in item.keys]
        return Proof(keys, len(keys))

    def keeps(self, state: CustomerState, line: Micros) -> Iterable[Key]:
        series = state.series(self.after.whole)
        groups = [series] if self.after.subject is None else list(series.groups(self.after.subject).values())
        firsts = (
            series.items[:1] if self.first_only else [one.items[0] for one in groups if one.ats and one.ats[-1] >= line]
        )
        waited = [item for one in groups for item in one.items[: one.before(line)] if self._lasts(item, state, line)]
        for item in (*firsts, *waited):
            answer = self._answer(item, state)
            yield from (*item.keys, *(answer.keys if answer is not None else ()))

    def _lasts(self, item: Item, state: CustomerState, line: Micros) -> bool:
        return self._wait(item, state).until >= line

    def touched(self, state: CustomerState, pick: Pick, items: Sequence[Item]) -> Iterable[str] | None:
        subject = self.after.subject
        if subject is None:
            return None
        if self.first_only:
            moved = items if pick == self.after else ()
            return {subject_text(subject.read(item)) for item in (*moved, *self._firsts_of_life(state, moved))}
        if pick == self.after:
            return {subject_text(subject.read(item)) for item in items}
        for match in self.match:
            if match.after == subject:
                return {subject_text(match.answer.read(item)) for item in items}
        return None if self.early else self._waiting_at(state, pick, items, subject)

    def _firsts_of_life(self, state: CustomerState, moved: Sequence[Item]) -> list[Item]:
        """Those that are the first of the customer's life, and those that were until what moved was learned. That may
        be several earlier ones at once."""
        series, new = state.series(self.after.whole), {id(item) for item in moved}
        before = next((item for item in series.items if id(item) not in new), None)
        return series.items if before is None else series.items[: series.up_to(before.at)]

    def _waiting_at(self, state: CustomerState, pick: Pick, items: Sequence[Item], subject: Path) -> set[str]:
        """Those whom an answer between these instants may serve: who began after the answer before them."""
        answers, begun = state.series(pick), state.series(self.after.whole)
        first, last = min(item.at for item in items), max(item.at for item in items)
        index = answers.before(first)
        start = begun.up_to(answers.ats[index - 1]) if index else 0
        if index and begun.before(answers.ats[index - 1]) < start:
            start = begun.before(answers.ats[index - 1])
        return {subject_text(subject.read(item)) for item in begun.items[start : begun.up_to(last)]}
