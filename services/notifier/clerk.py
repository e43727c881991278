"""The clerk: asks the policy and writes down what it decides, all of one warning's consequences in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection

from schemas import warnings as wire
from services.common.clock import Now
from services.notifier import outbox, store
from services.notifier.actions import Action, on_action
from services.notifier.case import Case, Outcome, Page, Verdict
from services.notifier.database import Database
from services.notifier.people import Directory
from services.notifier.policy import case_for, on_tick, on_warning

log = logging.getLogger(__name__)

_IGNORED = (Verdict.REPEATED, Verdict.OUT_OF_ORDER)


class Clerk:
    """Safe to share between threads. `channels` are the names of those configured beside the inbox."""

    def __init__(self, database: Database, directory: Directory, now: Now, channels: Sequence[str] = ()) -> None:
        self.database = database
        self.directory = directory
        self.now = now
        self._channels = tuple(channels)

    def file(self, warnings: Sequence[wire.Warning]) -> Counter[Verdict]:
        """File the warnings in one transaction; how many met which verdict. A crash before its end files none."""
        now = self.now()
        with self.database.writing() as tx:
            return Counter(self._file(tx, warning, now) for warning in warnings)

    def tick(self) -> int:
        """Escalate what is overdue; the number of cases that were."""
        now = self.now()
        with self.database.reading() as tx:
            if not store.due_cases(tx, now, limit=1):
                return 0
        with self.database.writing() as tx:
            due = store.due_cases(tx, now)
            for case_id in due:
                case = store.find_case(tx, case_id)
                if case is not None:
                    self._save(tx, on_tick(case, now, self.directory), now)
            return len(due)

    def act(self, case_id: str, action: Action) -> Outcome | None:
        """What somebody does with a case; None when there is no such case. Outcome.refusals says why not."""
        now = self.now()
        with self.database.writing() as tx:
            case = store.find_case(tx, case_id)
            if case is None:
                return None
            outcome = on_action(case, action, now, self.directory)
            self._save(tx, outcome, now)
            return outcome

    def _file(self, tx: Connection, warning: wire.Warning, now: datetime) -> Verdict:
        case = self._case_of(tx, warning)
        outcome = on_warning(case, warning, now, self.directory, store.known_revision(tx, warning.id))
        if outcome.verdict in _IGNORED:
            return outcome.verdict
        self._save(tx, outcome, now)
        store.file_warning(tx, warning, outcome.case.id if outcome.case else None, outcome.verdict, now)
        if outcome.task is not None:
            store.set_task(tx, warning, outcome.task, now)
        log.info("warning %s revision %d of %s: %s", warning.id, warning.revision, warning.customer_id, outcome.verdict)
        return outcome.verdict

    def _case_of(self, tx: Connection, warning: wire.Warning) -> Case | None:
        if warning.output != "warning":
            return None
        holding = store.find_holding_case(tx, warning.id)
        return case_for(holding, store.find_open_case(tx, warning.customer_id), warning)

    def _save(self, tx: Connection, outcome: Outcome, now: datetime) -> None:
        case = outcome.case
        if case is not None:
            store.save_case(tx, case, self.directory)
            store.append(tx, case.id, case.customer_id, outcome.events)
        if outcome.pages:
            outbox.enqueue(tx, case.id if case else None, self._through_channels(outcome.pages), now)

    def _through_channels(self, pages: Sequence[Page]) -> Iterator[tuple[Page, str]]:
        for page in pages:
            person = self.directory.people.get(page.person)
            for channel in outbox.channels_for(person, self._channels):
                yield page, channel
