"""The step: an event or a wake-up changes a customer's state, and the rules that it can move say what is new. PURE.

The engine judges a rule's whole course anew when an event that it reads came in, or when its own next change is due,
and compares the episodes found with those announced. So what is announced is a function of what is known, and not of
the order in which it was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from schemas.codec import InvalidEvent
from schemas.events import Event
from schemas.warnings import Warning, encode_warning
from services.rules.announcing import (
    Moment,
    Say,
    announce,
    is_forgotten,
    is_frozen,
    matched,
    revise,
    withdraw,
)
from services.rules.calendar import BEGINNING, NEVER, Calendar, Micros
from services.rules.compiling import Rulebook
from services.rules.conditions import Judge, Node
from services.rules.entries import Key, entry_of
from services.rules.episodes import Episode, Judged, evidence, find, leaf_values
from services.rules.forgetting import forget
from services.rules.state import Announced, CustomerState, wake_at
from services.rules.wording import warning_of

MakeJudge = Callable[[str, Node], Judge]
"""Given a name for a tree and the tree, who judges it."""


@dataclass(frozen=True)
class Settings:
    """`horizon_months` None: everything is remembered, as in a backtest."""

    horizon_months: int | None


class Engine:
    """All rules of one book over one company's calendar. Without state of its own: any worker may run any customer."""

    def __init__(
        self, rulebook: Rulebook, judges: Mapping[str, Mapping[int, Judge]], calendar: Calendar, settings: Settings
    ) -> None:
        self.rulebook = rulebook
        self.calendar = calendar
        self.settings = settings
        self._facts = [fact for rule in rulebook.rules.values() for fact in rule.facts.values()]
        self._reach = max((fact.reach for fact in self._facts), default=0)
        self._judged = {rule.id: Judged(rule, judges[rule.id]) for rule in rulebook.rules.values()}

    def apply(self, state: CustomerState, event: Event, offset: int, now: Micros) -> None:
        """Learns of an event and announces what changed by it. An offset that was applied before changes nothing.

        Raises InvalidEvent (id_reused, before_horizon, wrong_topic): then only the offset has advanced.
        """
        head = state.head
        if offset <= head.offset:
            return
        head.offset, head.revision = offset, 0
        now = head.clock = max(head.clock, now)
        entry = entry_of(event, self.calendar)
        horizon = self._horizon(now)
        if max(entry.at, entry.time) < horizon:
            raise InvalidEvent(
                "before_horizon",
                f"the event is older than the {self.settings.horizon_months} months that are remembered",
                (),
                entry.id,
                entry.source,
            )
        self._forget(state, horizon)
        if entry.history:
            # What time or a new rulebook brought to light is no history, though an event of the past finds it.
            self._announce(state, set(), Moment(head.customer_id, now, horizon, history=False))
        kinds = state.add(entry)
        moved = {rule.id for kind in kinds for rule in self.rulebook.reading(kind)}
        self._announce(state, moved, Moment(head.customer_id, now, horizon, entry.history))

    def wake(self, state: CustomerState, now: Micros) -> None:
        """Time has passed: announces what holds or has ended by `now`."""
        head = state.head
        head.revision += 1
        now = head.clock = max(head.clock, now)
        self._announce(state, set(), Moment(head.customer_id, now, self._horizon(now), history=False))

    def _horizon(self, now: Micros) -> Micros:
        if self.settings.horizon_months is None or now == BEGINNING:
            return BEGINNING
        return self.calendar.start_of_month(self.calendar.month_of(now) - self.settings.horizon_months)

    def _forget(self, state: CustomerState, horizon: Micros) -> None:
        """Once a month: what lies further back than the horizon and the longest look of any fact."""
        line = horizon - self._reach
        if horizon == BEGINNING or state.head.kept_from >= line:
            return
        forget(state, line, self._facts)
        head = state.head
        head.kept_from = line
        head.announced = [one for one in head.announced if not is_forgotten(one, horizon)]

    def _announce(self, state: CustomerState, moved: set[str], moment: Moment) -> None:
        head = state.head
        is_new_book = head.book != self.rulebook.fingerprint and head.book != ""
        if is_new_book or state.reconcile:
            moved = set(self._judged)
            head.due = {}
            state.reconcile = False
        head.book = self.rulebook.fingerprint
        due = {rule for rule, at in head.due.items() if at <= moment.now}
        for rule_id in sorted(moved | due):
            self._announce_rule(state, self._judged[rule_id], moment)
        head.wake_at = wake_at(head.due)

    def _announce_rule(self, state: CustomerState, judged: Judged, moment: Moment) -> None:
        finding = find(judged, state, moment.now)
        rule_id = judged.rule.id
        if finding.next_change < NEVER:
            state.head.due[rule_id] = finding.next_change
        else:
            state.head.due.pop(rule_id, None)
        announced = [one for one in state.head.announced if one.rule == rule_id]
        episodes = [one for one in finding.episodes if not is_frozen(one.end, moment.horizon)]
        for say, keys in self._compare(state, judged, announced, episodes, moment):
            state.unsent.append(encode_warning(self._warning(state, judged, say, keys, moment)))

    def _compare(
        self, state: CustomerState, judged: Judged, announced: list[Announced], episodes: list[Episode], moment: Moment
    ) -> list[tuple[Say, list[Key]]]:
        living = [one for one in announced if one.change != "withdrawn" and not is_frozen(one.end, moment.horizon)]
        lives, merged = matched(living, episodes, judged.rule.definition.kind == "point")
        says: list[tuple[Say, list[Key]]] = []
        for old in living:
            episode = lives.get(old.number)
            if episode is None:
                if old.start < moment.horizon:
                    continue  # its evidence may be forgotten by now: it freezes
                says.append((withdraw(old, merged.get(old.number)), []))
                continue
            keys = evidence(judged, state, episode, moment.now)
            say = revise(old, episode, _digest(keys), moment)
            if say is not None:
                says.append((say, keys))
        known = state.head.announced
        for episode in episodes:
            if episode not in lives.values():
                keys = evidence(judged, state, episode, moment.now)
                say = announce(judged.rule.id, episode, _digest(keys), known, moment)
                state.head.announced = known = [one for one in known if one.id != say.announced.id] + [say.announced]
                says.append((say, keys))
        return says

    def _warning(self, state: CustomerState, judged: Judged, say: Say, keys: list[Key], moment: Moment) -> Warning:
        episode = say.episode
        at = moment.now
        values = []
        if episode is not None:
            if judged.rule.definition.kind == "point":
                at = episode.start
            elif episode.end is not None and episode.end <= moment.now:
                at = episode.end - 1  # the last instant at which it held
            values = leaf_values(judged, state, episode, at)
        return warning_of(judged.rule, say, moment.customer_id, keys, values, at, moment.now)


def judges_for(rulebook: Rulebook, make: MakeJudge) -> dict[str, dict[int, Judge]]:
    """A judge for every tree of every rule."""
    return {
        rule.id: {id(tree): make(f"{rule.id}#{number}", tree) for number, tree in enumerate(rule.trees())}
        for rule in rulebook.rules.values()
    }


def _digest(keys: list[Key]) -> bytes:
    digest = blake2b(digest_size=8)
    for key in sorted(keys):
        digest.update(f"{key.source}\x1f{key.id}\x1e".encode())
    return digest.digest()
