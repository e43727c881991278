"""Which rules what came or went can move, each about whom and from when on. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.rules.asking import Asking, Judged
from services.rules.calendar import Calendar, Micros
from services.rules.compiling import Rule
from services.rules.entries import Item
from services.rules.episodes import point_subject, subjects
from services.rules.judging import Result
from services.rules.reference import Reference
from services.rules.rulebook import Reader, Rulebook, passing
from services.rules.series import Pick, Source
from services.rules.skipping import only_soothes, soothing, was_silent
from services.rules.state import CustomerState

MARK = "\x1f"
"""Between a rule and a subject in the names of what is due."""

Agenda = dict[tuple[str, str], Micros]
"""The rules to be asked, each about a subject, and from when on."""

Watch = tuple[Pick, list[tuple[Reader, bool]]]
"""A pick and who reads it; True for a reader whom one item more of it can only soothe."""


def due_name(rule_id: str, subject: str) -> str:
    """What is due of a rule about a subject, by its name."""
    return f"{rule_id}{MARK}{subject}" if subject else rule_id


class Moving:
    """Who of a book's rules reads what."""

    def __init__(self, rulebook: Rulebook, calendar: Calendar, judged: Mapping[str, Judged]) -> None:
        self._rulebook = rulebook
        self._calendar = calendar
        self._judged = judged
        self._soothing = {rule.id: soothing(rule) for rule in rulebook.rules.values()}
        self._watches: dict[Source, list[Watch]] = {}

    def agenda(self, state: CustomerState, reference: Reference, now: Micros) -> Agenda:
        """The rules that what came or went can move. What has no effect before an instant to come is asked then."""
        agenda: Agenda = {}
        for source, moved in state.moved(now).items():
            items = [*moved.gone, *moved.come]
            for pick, readers in self._watching(source):
                found = passing(pick, items)
                if not found:
                    continue
                has_gone = bool(moved.gone) and bool(passing(pick, moved.gone))
                for reader, soothes in readers:
                    # What a silent feed leaves open, an event of it may decide.
                    may_soothe = soothes and not has_gone and not _is_guarded(reader.rule, reference)
                    self._note(state, reader, found, agenda, now, reference, may_soothe=may_soothe)
        return agenda

    def _watching(self, source: Source) -> list[Watch]:
        watches = self._watches.get(source)
        if watches is None:
            watches = self._watches[source] = [
                (
                    watched.pick,
                    [(one, (id(one.fact), one.pick) in self._soothing[one.rule.id]) for one in watched.readers],
                )
                for watched in self._rulebook.watching(source)
            ]
        return watches

    def _note(
        self,
        state: CustomerState,
        reader: Reader,
        items: Sequence[Item],
        agenda: Agenda,
        now: Micros,
        reference: Reference,
        *,
        may_soothe: bool,
    ) -> None:
        rule_id, first = reader.rule.id, items[0].at if len(items) == 1 else min(item.at for item in items)
        since = first if reader.fact is None else reader.fact.takes_effect(first, self._calendar)
        soothes = may_soothe and since <= now and only_soothes(reader, state, items)
        if soothes and not state.announced.subjects(rule_id):
            return
        for subject in self._subjects(state, reader, items, reference):
            silent = was_silent(state.announced.of(rule_id, subject), min(since, now))
            if since > now:
                name = due_name(rule_id, subject)
                state.head.due[name] = min(since, state.head.due.get(name, since))
            # What has no effect yet is evidence already of what runs; what another rule judged is no evidence.
            is_evidence = since <= now or not isinstance(reader.fact, Result)
            if (not silent and is_evidence) or (since <= now and not soothes):
                key = (rule_id, subject)
                agenda[key] = min(since, agenda.get(key, since))

    def _subjects(
        self, state: CustomerState, reader: Reader, items: Sequence[Item], reference: Reference
    ) -> Iterable[str]:
        rule = reader.rule
        if rule.subject is None:
            return ("",)
        if reader.fact is None:
            return {point_subject(rule, item) for item in items}
        touched = reader.fact.touched(state, reader.pick, items)
        if touched is None:
            touched = subjects(Asking(state, state.head.clock, reference, self._judged), rule)
        return [subject for subject in touched if subject]


def _is_guarded(rule: Rule, reference: Reference) -> bool:
    return rule.source is not None and reference.complete_until(rule.source) is not None
