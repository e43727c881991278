"""What a transaction has read of cases and warnings, and what it will write of them: a batch is read in a handful of
statements and written in another, instead of some eighteen a warning.

Lines of the ledger are handed over as things are decided, so they stand in the order of decisions. The rows themselves
are written by `write`, which must be called before the transaction ends, and before anybody in it looks into the tables
by another way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from schemas import warnings as wire
from schemas.cases import CaseEvent
from services.notifier import outbox, recording, settling, store
from services.notifier.case import Case, Entry, Page, TaskChange, Verdict
from services.notifier.feedback import judged
from services.notifier.outbox import Way
from services.notifier.people import Directory
from services.notifier.policy import case_id_of
from services.notifier.tables import cases, deadlines, holds, tasks, timeline, warnings
from services.notifier.tables import settling as waiting


def _among(name: str) -> Any:
    return bindparam(name, expanding=True)


# Built once: SQLAlchemy takes longer to put a statement together than SQLite to answer it.
_WAITING = select(waiting.c.warning_id).where(waiting.c.warning_id.in_(_among("ids")))
_CURRENT = select(warnings.c.id, warnings.c.revision, warnings.c.case_id).where(
    warnings.c.id.in_(_among("ids")), warnings.c.current
)
_TASKS = select(tasks.c.id).where(tasks.c.id.in_(_among("ids")))
_CASE = select(cases.c.id, cases.c.customer_id, cases.c.status, cases.c.sequence, cases.c.state)
_CASES = _CASE.where(cases.c.id.in_(_among("ids")))
_OPEN_CASES = _CASE.where(cases.c.customer_id.in_(_among("customers")), store.IS_OPEN)
_HOLDS = select(holds.c.customer_id).where(
    holds.c.customer_id.in_(_among("customers")), holds.c.ended_at.is_(None), holds.c.expires_at > bindparam("now")
)
_CHANGE_CASE = update(cases).where(cases.c.id == bindparam("case"))
_COUNT_ON = _CHANGE_CASE.values(sequence=bindparam("last"))
_DROP_DEADLINES = delete(deadlines).where(deadlines.c.case_id.in_(_among("ids")))
_OVERTAKE = update(warnings).where(warnings.c.id.in_(_among("ids"))).values(current=False, standing=False)

_ENTRY = tuple(Entry.__dataclass_fields__)


@dataclass
class _Known:
    """A case, and how many entries its timeline has. `row` is what is to be written of it, if anything is."""

    customer_id: str
    sequence: int
    case: Case
    in_table: bool
    row: dict[str, Any] | None = None


class Docket:
    """For one transaction, one thread, and one instant."""

    def __init__(self, tx: Connection, now: datetime) -> None:
        self.tx = tx
        self._now = now
        self._cases: dict[str, _Known] = {}
        self._open: dict[str, str] = {}
        self._asked: set[str] = set()
        self._unheld: set[str] = set()
        self._filed: dict[str, tuple[int, str | None]] = {}
        self._waiting: set[str] = set()
        self._tasks: set[str] = set()
        self._counted: set[str] = set()
        self._entries: list[dict[str, Any]] = []
        self._revisions: list[dict[str, Any]] = []
        self._decided: list[tuple[str, str | None, Verdict]] = []
        self._pages: list[dict[str, Any]] = []

    def read_about(self, found: Sequence[wire.Warning]) -> None:
        """Everything that filing these warnings asks for."""
        ids, customers = [warning.id for warning in found], {warning.customer_id for warning in found}
        about = {"ids": ids}
        self._waiting.update(self.tx.execute(_WAITING, about).scalars())
        self._tasks.update(self.tx.execute(_TASKS, about).scalars())
        self._filed |= {row.id: (row.revision, row.case_id) for row in self.tx.execute(_CURRENT, about)}
        # A case that a warning would open may have been opened by it before.
        wanted = {case_id_of(warning) for warning in found}
        wanted.update(case_id for _, case_id in self._filed.values() if case_id is not None)
        self._take(_OPEN_CASES, {"customers": sorted(customers)})
        self.read_cases(wanted)
        held = self.tx.execute(_HOLDS, {"customers": sorted(customers), "now": self._now}).scalars()
        self._unheld.update(customers - set(held))

    def read_cases(self, case_ids: Collection[str]) -> None:
        """These cases, before they are asked for one by one."""
        missing = sorted(set(case_ids) - self._asked)
        if missing:
            self._take(_CASES, {"ids": missing})
            self._asked.update(missing)

    def case(self, case_id: str) -> Case | None:
        """The case of that id, as it is by now."""
        known = self._known(case_id)
        return known.case if known else None

    def open_case(self, customer_id: str) -> Case | None:
        """The customer's open case, where warnings about the customer were read."""
        case_id = self._open.get(customer_id)
        return self._cases[case_id].case if case_id is not None else None

    def holding_case(self, warning_id: str) -> Case | None:
        """The case in which the warning's newest revision was filed."""
        _, case_id = self._filed.get(warning_id, (0, None))
        return self.case(case_id) if case_id is not None else None

    def revision(self, warning_id: str) -> int:
        """The highest received of the warning, 0 for none."""
        return self._filed.get(warning_id, (0, None))[0]

    def is_waiting(self, warning_id: str) -> bool:
        """Whether it waits for calm."""
        return warning_id in self._waiting

    def has_task(self, warning_id: str) -> bool:
        """Whether it has ever been on anybody's list."""
        return warning_id in self._tasks

    def has_open_task(self, warning_id: str) -> bool:
        """Whether it is on anybody's list now."""
        return warning_id in self._tasks and bool(store.task_people(self.tx, warning_id))

    def is_unheld(self, customer_id: str) -> bool:
        """Whether it is known that no hold is about the customer."""
        return customer_id in self._unheld

    def wait(self, warning: wire.Warning) -> None:
        """The warning waits for calm from now on, or goes on waiting with another revision."""
        settling.wait(self.tx, warning, self._now)
        self._waiting.add(warning.id)

    def set_task(self, warning: wire.Warning, change: TaskChange) -> None:
        """The entry in people's lists follows the warning."""
        store.set_task(self.tx, warning, change, self._now)
        self._tasks.add(warning.id)

    def save(self, case: Case, directory: Directory) -> None:
        """The case is so from now on, with its deadlines."""
        known = self._known(case.id)
        if known is None:
            known = self._cases[case.id] = _Known(case.customer_id, 0, case, in_table=False)
        known.case, known.row = case, store.case_row(case, directory)
        self._note_open(case.id, case.customer_id, case.status)
        recording.case_saved(self.tx, case, str(known.row["state"]), self._now)

    def append(self, case_id: str, entries: Sequence[Entry], case: Case | None = None) -> None:
        """Number the entries and add them to the timeline of a case that is there or was saved, to be published too;
        with the warnings that a decision is about, if the case is given."""
        known = self._known(case_id)
        if known is None:
            raise LookupError(f"case {case_id} is not there")
        for entry in entries:
            known.sequence += 1
            row = {"case_id": case_id, "sequence": known.sequence, **{name: getattr(entry, name) for name in _ENTRY}}
            self._entries.append({**row, "value": row["value"] and str(row["value"])})
            about = {"customer_id": known.customer_id, "judged": judged(case, entry) if case else None}
            recording.timeline_entry(self.tx, CaseEvent.model_validate({**row, **about}))
        if entries:
            self._counted.add(case_id)

    def file(self, warning: wire.Warning, case_id: str | None, verdict: Verdict) -> None:
        """Keep the revision as received. It is the current one: lower revisions are not filed."""
        for row in self._revisions:
            if row["id"] == warning.id:
                row |= {"current": False, "standing": False}
        self._revisions.append(store.warning_row(warning, case_id, verdict, self._now))
        self._filed[warning.id] = (warning.revision, case_id)
        recording.warning_filed(self.tx, warning, case_id, verdict, self._now)

    def decide(self, warning: wire.Warning, case_id: str | None, verdict: Verdict) -> None:
        """What became of one that had waited and was filed before."""
        self._decided.append((warning.id, case_id, verdict))
        recording.warning_settled(self.tx, warning, case_id, verdict, self._now)

    def page(self, case_id: str | None, wanted: Iterable[tuple[Page, Way]], round_at: datetime | None = None) -> None:
        """Write pages down with their ways, to be sent from now on, or when the round is decided to its end."""
        self._pages += outbox.rows_of(case_id, wanted, self._now, round_at=round_at)

    def write_pages_about(self, warning_id: str) -> None:
        """Whoever looks at the pages of the warning finds all of them."""
        if any(row["warning_id"] == warning_id for row in self._pages):
            self.write()

    def write(self) -> None:
        """Write down what has come together. Cases first: all else refers to them."""
        self._write_cases()
        if self._entries:
            self.tx.execute(insert(timeline), self._entries)
        overtaken = sorted({row["id"] for row in self._revisions if row["revision"] > 1})
        if overtaken:
            self.tx.execute(_OVERTAKE, {"ids": overtaken})
        if self._revisions:
            self.tx.execute(insert(warnings), self._revisions)
        settling.decided(self.tx, self._decided)
        outbox.put_down(self.tx, self._pages, self._now)
        self._entries, self._revisions, self._decided, self._pages = [], [], [], []

    def _write_cases(self) -> None:
        saved = {case_id: known for case_id, known in self._cases.items() if known.row is not None}
        changed = [{"case": one, **(known.row or {})} for one, known in saved.items() if known.in_table]
        # Those that were closed first: a customer has one open case at most, and the table checks it row by row.
        changed.sort(key=lambda row: row["status"] == "open")
        if changed:
            self.tx.execute(_CHANGE_CASE, changed)
            self.tx.execute(_DROP_DEADLINES, {"ids": [row["case"] for row in changed]})
        new = [
            {"id": one, "sequence": known.sequence, **(known.row or {})}
            for one, known in saved.items()
            if not known.in_table
        ]
        if new:
            self.tx.execute(insert(cases), new)
        rows = [row for known in saved.values() for row in store.deadline_rows(known.case)]
        if rows:
            self.tx.execute(insert(deadlines), rows)
        counted = [
            {"case": one, "last": self._cases[one].sequence}
            for one in sorted(self._counted)
            if self._cases[one].in_table
        ]
        if counted:
            self.tx.execute(_COUNT_ON, counted)
        self._counted.clear()
        for known in saved.values():
            known.in_table, known.row = True, None

    def _known(self, case_id: str) -> _Known | None:
        if case_id not in self._cases and case_id not in self._asked:
            self.read_cases([case_id])
        return self._cases.get(case_id)

    def _take(self, query: Any, about: dict[str, Any]) -> None:
        for row in self.tx.execute(query, about):
            if row.id not in self._cases:
                self._cases[row.id] = _Known(row.customer_id, row.sequence, store.read_case(row.state), in_table=True)
                self._note_open(row.id, row.customer_id, row.status)

    def _note_open(self, case_id: str, customer_id: str, status: str) -> None:
        if status == "open":
            self._open[customer_id] = case_id
        elif self._open.get(customer_id) == case_id:
            del self._open[customer_id]
