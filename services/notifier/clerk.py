"""The clerk: asks the policy and writes down what it decides, all of one warning's consequences in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from schemas import warnings as wire
from services.common.clock import Now
from services.common.database import Database
from services.notifier import due, holding, outbox, recording, settling, store
from services.notifier.actions import Action, on_action
from services.notifier.calling import called_off
from services.notifier.case import Case, Outcome, Page, Verdict
from services.notifier.clocks import held_back
from services.notifier.docket import Docket
from services.notifier.due import Due
from services.notifier.grouping import is_critical
from services.notifier.house import House
from services.notifier.people import Absence, Directory, Source, newest
from services.notifier.policy import (
    HOUSE,
    as_seen,
    case_for,
    must_settle,
    on_task_due,
    on_tick,
    on_warning,
    repeated,
    settled_since,
)
from services.notifier.recording import SERVICE, Origin
from services.notifier.refusals import refusal, refused

log = logging.getLogger(__name__)

BATCH = 200
"""Settled warnings that are decided in one transaction: nobody else waits long for the database."""


class Clerk:
    """Safe to share between threads. `channels` are the names of those configured beside the inbox; `settle` is for how
    long it must be quiet before what was found late is decided, zero that it is decided as it comes. `house` are the
    clocks and routes by which is decided; `people` gives the newest directory."""

    def __init__(
        self,
        database: Database,
        directory: Source,
        now: Now,
        channels: Sequence[str] = (),
        settle: timedelta = timedelta(0),
        house: House = HOUSE,
    ) -> None:
        self.database = database
        self.people = directory
        self.now = now
        self._channels = tuple(channels)
        self.reaches: outbox.Reaches = outbox.by_address
        self._settle = settle
        self._house = house
        self._seen: Directory | None = None
        self._away: frozenset[Absence] = frozenset()

    @property
    def directory(self) -> Directory:
        """The newest directory; it may be another at the next look."""
        return newest(self.people)

    def file(self, warnings: Sequence[wire.Warning]) -> Counter[Verdict]:
        """File the warnings in one transaction; how many met which verdict. A crash before its end files none."""
        now = self.now()
        with self.database.writing() as tx:
            docket = Docket(tx, now)
            docket.read_about(warnings)
            found = Counter(self._file(docket, warning, now) for warning in warnings)
            docket.write()
            return found

    def look(self) -> Due:
        """What time has made due. `tick`, `settle_down` and `release` look themselves: who turns to all three of them
        need look only once."""
        with self.database.reading() as tx:
            return due.look(tx, self.now())

    def tick(self, found: Due | None = None) -> int:
        """Take the steps that are due, of cases and of tasks; how many cases and tasks had one. Called again while that
        is any: a step is late when its transaction is, so no transaction has many."""
        found, now = found or self.look(), self.now()
        taken = self._take_steps(now) if found.steps or found.reminders else 0
        return taken + self._look_at_people(now)

    def _take_steps(self, now: datetime) -> int:
        with self.database.writing() as tx:
            taken, tasks = self._tick_cases(tx, store.due_cases(tx, now), now), store.due_tasks(tx, now)
            docket = Docket(tx, now)
            for task in tasks:
                outcome = on_task_due(task, now, self.directory, self._house)
                store.reminded(tx, task.id, outcome.remind_at)
                self._save(docket, outcome, now)
            docket.write()
            return taken + len(tasks)

    def _tick_cases(self, tx: Connection, case_ids: Sequence[str], now: datetime) -> int:
        docket, taken = Docket(tx, now), 0
        docket.read_cases(case_ids)
        for case in filter(None, map(docket.case, case_ids)):
            outcome = on_tick(case, now, self.directory, self._house)
            taken += outcome.verdict is not Verdict.NOT_DUE
            self._save(docket, outcome, now)
        docket.write()
        return taken

    def _look_at_people(self, now: datetime) -> int:
        """Whoever is asked for a review and has gone away, or was moved, hands it over at once and not only with the
        next step of its clock. What was looked at is not remembered beyond a restart: then everything is."""
        directory = self.directory
        # Absences and not people: of two that overlap the second may name another delegate.
        away = frozenset(one for one in directory.absences if one.covers(now))
        if directory is self._seen and away == self._away:
            return 0
        holders, taken = (
            None if directory is not self._seen else _touched(directory, {one.person for one in away ^ self._away}),
            0,
        )
        with self.database.reading() as tx:
            found = store.reviewed_cases(tx, "", holders)
        while found:
            with self.database.writing() as tx:
                taken += self._tick_cases(tx, found, now)
                found = store.reviewed_cases(tx, found[-1], holders)
        self._seen, self._away = directory, away
        return taken

    def settle_down(self, found: Due | None = None) -> Counter[Verdict]:
        """Decide what has waited for calm, if it has come; how many met which verdict. Called again while that is any:
        a round is decided in batches, and its pages are sent when all of it is."""
        found, now = found or self.look(), self.now()
        if not found.round and self._settled_since(found, now) is None:
            return Counter()
        with self.database.writing() as tx:
            found = due.look(tx, now)
            until = self._settled_since(found, now)
            if until is not None and not found.round:
                settling.begin_round(tx, until, now)
            taken, docket = list(settling.take(tx, BATCH)), Docket(tx, now)
            docket.read_about([one.warning for _, one in taken])
            decided = Counter(self._decide(docket, one, now, round_at) for round_at, one in taken)
            docket.write()
            return decided

    def release(self, found: Due | None = None) -> int:
        """Page about what holds kept back, where they are over and it still holds; how much was looked at."""
        found, now = found or self.look(), self.now()
        if not found.holds:
            return 0
        looked_at = 0
        with self.database.writing() as tx:
            for outcome, warning in holding.release(tx, self.directory, now, self._house):
                # One for each: what the next hold is about is looked for in the tables.
                docket = Docket(tx, now)
                self._save(docket, outcome, now, warning=warning)
                docket.write()
                looked_at += 1
        return looked_at

    def keep(self, tx: Connection, outcome: Outcome) -> None:
        """Write down what was decided elsewhere, in a transaction of the caller's."""
        now = self.now()
        docket = Docket(tx, now)
        self._save(docket, outcome, now)
        docket.write()

    def act(self, case_id: str, action: Action, origin: Origin = SERVICE) -> Outcome | None:
        """What somebody does with a case; None when there is no such case. Outcome.refusals says why not."""
        with self.database.writing() as tx:
            return self.act_within(tx, case_id, action, origin)

    def act_within(self, tx: Connection, case_id: str, action: Action, origin: Origin) -> Outcome | None:
        """`act` in a transaction of the caller's."""
        now, case = self.now(), store.find_case(tx, case_id)
        if case is None:
            return None
        outcome = on_action(case, action, now, self.directory, self._house)
        if outcome.case is not None and case.status == "closed" and outcome.case.status == "open":
            other = store.find_open_case(tx, case.customer_id)
            if other is not None:
                outcome = refused(
                    refusal("open_case", "该客户已有未结案件。", "The customer has an open case already.")
                )
        docket = Docket(tx, now)
        self._save(docket, outcome, now)
        docket.write()
        recording.acted(tx, case, action, outcome.verdict, now, origin)
        return outcome

    def _file(self, docket: Docket, warning: wire.Warning, now: datetime) -> Verdict:
        known = docket.revision(warning.id)
        nothing_new = repeated(warning, known)
        if nothing_new is not None:
            return nothing_new
        seen, holding = as_seen(warning, now), docket.holding_case(warning.id)
        if docket.is_waiting(warning.id) or self._must_settle(docket, seen, holding, now):
            docket.wait(seen)
            docket.file(warning, holding.id if holding else None, Verdict.SETTLING)
            verdict = Verdict.SETTLING
        else:
            outcome = self._follow(docket, seen, holding, known, now)
            docket.file(warning, outcome.case.id if outcome.case else None, outcome.verdict)
            verdict = outcome.verdict
        _log(warning, verdict)
        return verdict

    def _must_settle(self, docket: Docket, seen: wire.Warning, holding: Case | None, now: datetime) -> bool:
        if not self._settle:
            return False
        is_open, was_set = docket.has_open_task(seen.id), docket.has_task(seen.id)
        return must_settle(seen, holding, now, task_is_open=is_open, task_was_set=was_set)

    def _decide(self, docket: Docket, waiting: settling.Waiting, now: datetime, round_at: datetime) -> Verdict:
        """The newest revision, as if it had come now and were the first: nobody has acted on those before."""
        warning = waiting.warning
        seen = as_seen(warning, now, worse=waiting.worse)
        outcome = self._follow(docket, seen, docket.holding_case(warning.id), 0, now, round_at)
        docket.decide(warning, outcome.case.id if outcome.case else None, outcome.verdict)
        _log(warning, outcome.verdict)
        return outcome.verdict

    def _settled_since(self, found: Due, now: datetime) -> datetime | None:
        return None if found.waiting is None else settled_since(*found.waiting, now, self._settle)

    def _follow(
        self,
        docket: Docket,
        warning: wire.Warning,
        holding: Case | None,
        known: int,
        now: datetime,
        round_at: datetime | None = None,
    ) -> Outcome:
        """Everything that the warning causes, but for its own row."""
        case = None
        if warning.output == "warning":
            case = case_for(holding, docket.open_case(warning.customer_id), warning)
        outcome = on_warning(case, warning, now, self.directory, known, self._house)
        if warning.change == "withdrawn":
            docket.write_pages_about(warning.id)
            outbox.cancel(docket.tx, warning.id, now)
        self._save(docket, outcome, now, round_at, warning)
        if outcome.task is not None:
            docket.set_task(warning, outcome.task)
        return outcome

    def _save(
        self,
        docket: Docket,
        outcome: Outcome,
        now: datetime,
        round_at: datetime | None = None,
        warning: wire.Warning | None = None,
    ) -> None:
        case = outcome.case
        if not docket.is_unheld(case.customer_id if case else warning.customer_id if warning else ""):
            outcome = holding.keep_back(docket.tx, outcome, now, warning)
        if case is not None:
            docket.save(case, self.directory)
            docket.append(case.id, outcome.events, case)
            stale = called_off(outcome)
            if stale is not None:
                outbox.call_off(docket.tx, case.id, stale, now)
        if outcome.pages:
            # Graded first: what is critical is not held back for anybody's night.
            graded = [_graded(page, case, warning) for page in outcome.pages]
            wanted = self._through_channels(docket.tx, held_back(graded, self._house.clocks, self.directory, now))
            docket.page(case.id if case else None, wanted, round_at)

    def _through_channels(self, tx: Connection, pages: Iterable[Page]) -> Iterator[tuple[Page, outbox.Way]]:
        for page in pages:
            reached = outbox.reached(tx, page.warning_id, page.person) if page.kind == "withdrawn" else None
            person = self.directory.people.get(page.person)
            for way in outbox.ways(person, self._channels, page.channels, self.reaches):
                # Whom no page has reached is not told that it is off.
                if reached is None or way.channel in reached:
                    yield page, way


def _graded(page: Page, case: Case | None, warning: wire.Warning | None) -> Page:
    """The page with what decides whether it waits for company: how grave its warning is."""
    held = case.held(page.warning_id) if case else None
    about = held or warning
    return (
        page
        if about is None
        else replace(page, critical=is_critical(page.kind, about.severity, page_says=page.critical))
    )


def _touched(directory: Directory, people: Collection[str]) -> set[str]:
    """Who may have to hand a review over since these people went away or are back: they, their delegates, and those
    above them, who act for them and then do not review what they did."""
    found = {directory.fallback, *people}
    for person in people:
        found.update(directory.superiors_of(person))
    named = {(one.person, one.delegate) for one in directory.absences if one.delegate is not None}
    # A delegate may have one in turn: who is asked now may stand at the end of a chain.
    while more := {delegate for person, delegate in named if person in found} - found:
        found |= more
    return found


def _log(warning: wire.Warning, verdict: Verdict) -> None:
    log.info("warning %s revision %d of %s: %s", warning.id, warning.revision, warning.customer_id, verdict)
