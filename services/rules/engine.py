"""The step: an event or a wake-up changes a customer's state, and the rules that it can move say what is new. PURE.

What an event changes it changes from its own instant on, so a rule is asked from there, and what it finds is compared
with what was announced from there on. A rule is asked again when its own next change is due. So what is announced is
a function of what is known, and not of the order in which it was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from schemas.codec import InvalidEvent
from schemas.events import Event
from schemas.warnings import encode_warning
from services.rules.announcing import Moment, Say, announce, is_forgotten, is_frozen, matched, revise, withdraw
from services.rules.asking import Asking, Judged, of_nobody
from services.rules.calendar import BEGINNING, DAY, HOUR, NEVER, OPENING, Calendar, Micros
from services.rules.conditions import Judge, Node
from services.rules.entries import Said, entry_of
from services.rules.episodes import Episode, Finding, evidence, exists, find, find_points, subjects
from services.rules.explaining import Told, notes_of, told_of
from services.rules.facts import MAX_EVENTS, Proof, Unknown, Value
from services.rules.forgetting import forget, reaches
from services.rules.glancing import glance_at
from services.rules.moving import MARK, Agenda, Moving, due_name
from services.rules.records import Judgement
from services.rules.reference import Reference
from services.rules.rulebook import Rulebook
from services.rules.skipping import was_silent
from services.rules.state import CustomerState, wake_at
from services.rules.wording import warning_of

MakeJudge = Callable[[str, Node], Judge]
"""Given a name for a tree and the tree, who judges it."""

ASK_AGAIN: Micros = HOUR
"""While a silent feed leaves a verdict open, it is looked at again after this, or a quarter of the silence."""

FORGETS_EVERY: Micros = 85 * DAY
"""How far the horizon moves before what lies beyond is forgotten: about a quarter. Each time costs a look at all that
is known of a customer, so a month would double what its events cost; waiting keeps a month or two more."""

SNAPSHOT = "@snapshot"
"""What is due when a customer is to be told to reports."""


@dataclass(frozen=True)
class Settings:
    """`horizon_months` None: everything is remembered, as in a backtest. `snapshot_every`: how long after a change a
    customer is told to reports, so that a busy one is not told at every event; None: never."""

    horizon_months: int | None
    snapshot_every: Micros | None = None


class Engine:
    """All rules of one book over one company's calendar. Without state of its own: any worker may run any customer."""

    def __init__(
        self,
        rulebook: Rulebook,
        judges: Mapping[str, Mapping[int, Judge]],
        calendar: Calendar,
        settings: Settings,
        reference: Reference,
    ) -> None:
        self.rulebook = rulebook
        self.calendar = calendar
        self.settings = settings
        self.reference = reference
        self._facts = rulebook.facts
        self._reach = reaches(self._facts)
        self._judging = [rule.id for rule in rulebook.rules.values() if rule.definition.judges]
        # What no event of a customer need prompt is asked when the customer is first heard of.
        self._unprompted = [
            rule.id
            for rule in rulebook.rules.values()
            if rule.id in rulebook.by_reference and not rule.definition.judges and not rule.of and not rule.subject
        ]
        self._glances = {
            rule.id: glance_at(rule, rulebook.rules)
            for rule in rulebook.rules.values()
            if not rule.of and not rule.definition.judges
        }
        judged = {rule.id: Judged(rule, judges[rule.id]) for rule in rulebook.rules.values()}
        self.judged = of_nobody(judged, calendar)
        self._moving = Moving(rulebook, calendar, self.judged)

    @property
    def book(self) -> str:
        """By what customers are judged: the rules, and rankings and rates."""
        return f"{self.rulebook.fingerprint}{MARK}{self.reference.fingerprint}"

    def apply(self, state: CustomerState, event: Event | Said, offset: int, now: Micros) -> None:
        """Learns of an event and announces what changed by it; see learn."""
        self.learn(state, event, offset, now)
        self.settle(state)

    def learn(self, state: CustomerState, event: Event | Said, offset: int, now: Micros) -> None:
        """Learns of an event; what changed by it is announced by `settle`, for all events learned since. An offset that
        was applied before changes nothing.

        Raises InvalidEvent (id_reused, before_horizon, wrong_topic): then only the offset has advanced.
        """
        head = state.head
        if offset <= head.offset:
            return
        head.offset, head.revision = offset, 0
        now = head.clock = max(head.clock, now)
        horizon = self._horizon(now)
        if state.reconcile:
            # Even if this event is refused: the head that is written with it hides that it was behind its segments.
            self._announce(state, {}, Moment(head.customer_id, now, horizon, history=False))
        entry = entry_of(event, self.calendar)
        if max(entry.at, entry.time) < horizon:
            raise InvalidEvent(
                "before_horizon",
                f"the event is older than the {self.settings.horizon_months} months that are remembered",
                (),
                entry.id,
                entry.source,
            )
        if state.learned not in (None, entry.history):
            # What is found by the past alone is history, and nothing else is.
            self.settle(state)
        self._forget(state, horizon)
        if entry.history and state.learned is None:
            # What time or a new rulebook brought to light is no history, though an event of the past finds it.
            self._announce(state, {}, Moment(head.customer_id, now, horizon, history=False))
        state.add(entry)
        state.learned = entry.history

    def settle(self, state: CustomerState) -> None:
        """Announces what the events changed that were learned since the last time."""
        if state.learned is None:
            return
        head, history, state.learned = state.head, state.learned, None
        now = head.clock
        agenda = self._moving.agenda(state, self.reference, now)
        self._announce(state, agenda, Moment(head.customer_id, now, self._horizon(now), history))

    def wake(self, state: CustomerState, now: Micros) -> None:
        """Time has passed: announces what holds or has ended by `now`."""
        self.settle(state)
        head = state.head
        head.revision += 1
        now = head.clock = max(head.clock, now)
        moment = Moment(head.customer_id, now, self._horizon(now), history=False)
        self._announce(state, self._moving.agenda(state, self.reference, now), moment)

    def retire(self, state: CustomerState, now: Micros, merged_into: str, limit: int) -> bool:
        """The customer turned out to be another: what was announced of it is withdrawn, `limit` warnings at most. False
        when there was nothing to withdraw. What ended before the horizon stays as it was told."""
        head = state.head
        moment = Moment(head.customer_id, max(head.clock, now), self._horizon(max(head.clock, now)), history=False)
        told = (one for one in state.announced if one.change != "withdrawn" and one.rule in self.judged)
        living = list(islice((one for one in told if not is_frozen(one.end, moment.horizon)), limit))
        if living:
            head.revision += 1
            head.clock = moment.now
        asking = Asking(state, moment.now, self.reference, self.judged)
        for old in living:
            say = withdraw(old, None)._replace(customer_merged_into=merged_into)
            self._say(asking, self.judged[old.rule], say, None, moment)
        return bool(living)

    def hear(self, state: CustomerState, feed: str, now: Micros) -> None:
        """A feed has told how far it is complete: what is due of its rules is asked again."""
        for key in state.head.due:
            rule = self.rulebook.rules.get(key.partition(MARK)[0])
            if rule is not None and rule.source == feed:
                state.head.due[key] = state.head.wake_at = min(state.head.due[key], now)
        self.wake(state, now)

    def _horizon(self, now: Micros) -> Micros:
        if self.settings.horizon_months is None or now == BEGINNING:
            return BEGINNING
        return self.calendar.start_of_month(self.calendar.month_of(now) - self.settings.horizon_months)

    def _forget(self, state: CustomerState, horizon: Micros) -> None:
        """Once a quarter: what lies further back than the horizon and the longest look of any fact."""
        if horizon - state.head.kept_from < FORGETS_EVERY:
            return
        self.settle(state)
        forget(state, horizon, self._facts, self._reach)
        state.moved(state.head.clock)  # no rule can tell what was forgotten
        state.head.kept_from = horizon
        for one in state.announced:
            if is_forgotten(one, horizon):
                state.announced.forget(one)

    # -- what is to be asked

    def _agenda(self, state: CustomerState, moved: Agenda, now: Micros) -> Agenda:
        head, agenda = state.head, moved
        rules, _, reference = head.book.partition(MARK)
        if state.reconcile or (head.book and rules != self.rulebook.fingerprint):
            agenda = self._everything(state, self.judged)
            head.due = {name: at for name, at in head.due.items() if name == SNAPSHOT}
            head.judgements, head.unsettled = {}, {}
        elif reference != self.reference.fingerprint and head.book:
            agenda = moved | self._everything(state, self.rulebook.by_reference)
        elif not head.book:
            agenda = moved | {(rule_id, ""): OPENING for rule_id in self._unprompted}
        state.reconcile = False
        head.book = self.book
        if head.wake_at is not None and head.wake_at <= now:
            for key, at in head.due.items():
                if at <= now and key != SNAPSHOT:
                    rule, _, subject = key.partition(MARK)
                    agenda[rule, subject] = min(at, agenda.get((rule, subject), at))
        return agenda

    def _everything(self, state: CustomerState, rules: Iterable[str]) -> Agenda:
        asking = Asking(state, state.head.clock, self.reference, self.judged)
        agenda: Agenda = {}
        for rule in (self.rulebook.rules[rule_id] for rule_id in rules):
            if rule.definition.judges:
                continue
            for subject in subjects(asking, rule):
                agenda[rule.id, subject] = OPENING
        return agenda

    # -- what is to be said

    def _announce(self, state: CustomerState, moved: Agenda, moment: Moment) -> None:
        head = state.head
        agenda = self._agenda(state, moved, moment.now)
        self._take_snapshot(state, moment.now)
        if not agenda:
            head.wake_at = wake_at(head.due)
            return
        asking = Asking(state, moment.now, self.reference, self.judged)
        for (rule_id, subject), since in sorted(agenda.items()):
            judged, name = self.judged[rule_id], due_name(rule_id, subject)
            if judged.rule.of is not None:
                change = self._announce_points(asking, judged, subject, min(since, moment.now), moment)
            else:
                change = self._announce_stretches(asking, judged, subject, min(since, moment.now), moment)
            if change < NEVER:
                head.due[name] = change
            else:
                head.due.pop(name, None)
        head.wake_at = wake_at(head.due)

    @staticmethod
    def _take_snapshot(state: CustomerState, now: Micros) -> None:
        """Reports are to be told when that is due; the facade plans it, since only it knows what they would tell."""
        if state.head.due.get(SNAPSHOT, NEVER) <= now:
            del state.head.due[SNAPSHOT]
            state.tells = True

    def judge(self, state: CustomerState, now: Micros, asking: Asking | None = None) -> dict[str, Judgement]:
        """Every class and score as it is at an instant. Nothing is said of them, so they are worked out when asked for;
        since when one has been so is told exactly from the second time on. `asking` may know some of it already."""
        asking = asking or Asking(state, now, self.reference, self.judged, ahead=0)
        known = state.head.judgements
        for rule_id in self._judging:
            value = _judgement(asking.result(rule_id, now)[0].value)
            before = known.get(rule_id)
            if before is None or before.value != value:
                known[rule_id] = Judgement(value, self._judged_since(asking, rule_id, before, now))
        return known

    @staticmethod
    def _judged_since(asking: Asking, rule_id: str, before: Judgement | None, now: Micros) -> Micros:
        course = asking.result(rule_id, OPENING if before is None else min(before.since, now))
        return max((point.at for point in course if point.at <= now), default=now)

    def _announce_points(self, asking: Asking, judged: Judged, subject: str, since: Micros, moment: Moment) -> Micros:
        finding = find_points(asking, judged, subject, since)
        self._compare(asking, judged, subject, finding, moment)
        return finding.next_change

    def _announce_stretches(
        self, asking: Asking, judged: Judged, subject: str, since: Micros, moment: Moment
    ) -> Micros:
        rule, state = judged.rule, asking.state
        name, unsettled = due_name(rule.id, subject), state.head.unsettled
        if not exists(state, rule, subject):
            unsettled.pop(name, None)
            self._compare(asking, judged, subject, Finding([], NEVER, OPENING), moment)
            return NEVER
        if name not in unsettled and was_silent(state.announced.of(rule.id, subject), since):
            # Who is woken looks as far as can be seen, so as not to be woken again for nothing.
            enough = moment.now if state.head.due.get(name, NEVER) > moment.now else NEVER - 1
            earliest = self._glances[rule.id](asking.look(subject, since, enough))
            if earliest > moment.now:
                return earliest
        finding = find(asking, judged, subject, min(since, unsettled.pop(name, since)))
        self._compare(asking, judged, subject, finding, moment)
        silence = moment.now - asking.complete_until(rule)
        if silence <= 0 or finding.unknown_from is None:
            return finding.next_change
        unsettled[name] = finding.unknown_from
        # The longer a feed has been silent, the less it is worth asking for.
        return min(finding.next_change, moment.now + max(ASK_AGAIN, silence // 4))

    def _compare(self, asking: Asking, judged: Judged, subject: str, finding: Finding, moment: Moment) -> None:
        state, is_point = asking.state, judged.rule.of is not None
        episodes = [one for one in finding.episodes if not is_frozen(one.end, moment.horizon)]
        living = [
            one
            for one in state.announced.of(judged.rule.id, subject)
            if one.change != "withdrawn"
            and (one.end is None or one.end >= finding.since)
            and not is_frozen(one.end, moment.horizon)
        ]
        if not living and not episodes:
            return
        lives, merged = matched(living, episodes, is_point)
        for old in living:
            episode = lives.get(old.number)
            if episode is None:
                if old.start >= moment.horizon:  # else its evidence may be forgotten by now: it freezes
                    self._say(asking, judged, withdraw(old, merged.get(old.number)), None, moment)
                continue
            found = evidence(asking, judged, episode)
            say = revise(old, episode, _digest(found, notes_of(asking, judged, episode)), moment)
            if say is not None:
                self._say(asking, judged, say, found, moment)
        for episode in episodes:
            if episode not in lives.values():
                self._say_new(asking, judged, episode, moment)

    def _say_new(self, asking: Asking, judged: Judged, episode: Episode, moment: Moment) -> None:
        state, found = asking.state, evidence(asking, judged, episode)
        number = state.head.numbered + 1
        say = announce(
            judged.rule.id, episode, _digest(found, notes_of(asking, judged, episode)), state.announced, number, moment
        )
        if say.announced.number == number:
            state.head.numbered = number
        self._say(asking, judged, say, found, moment)

    def _say(self, asking: Asking, judged: Judged, say: Say, found: Proof | None, moment: Moment) -> None:
        state = asking.state
        state.announced.put(say.announced)
        told = Told() if found is None else told_of(asking, judged, say, found)
        others = [one for one in state.announced.open() if one.id != say.announced.id]
        warning = warning_of(judged.rule, say, moment.customer_id, told, others, self.rulebook.rules, moment.now)
        state.unsent.append(encode_warning(warning))


def _judgement(value: Value) -> str | None:
    return None if value is None or isinstance(value, Unknown) else str(value)


def judges_for(rulebook: Rulebook, make: MakeJudge) -> dict[str, dict[int, Judge]]:
    """A judge for every tree of every rule."""
    return {
        rule.id: {id(tree): make(f"{rule.id}#{number}", tree) for number, tree in enumerate(rule.trees())}
        for rule in rulebook.rules.values()
    }


def _digest(found: Proof, notes: list[str]) -> bytes:
    """What an episode rests on, so that more of it is said; of very many events more are no news."""
    if found.total > MAX_EVENTS and not notes:
        return b"many"
    digest = blake2b(f"{found.total}{''.join(notes)}".encode(), digest_size=8)
    for key in sorted(found.keys):
        digest.update(f"{key.source}\x1f{key.id}\x1e".encode())
    return digest.digest()
