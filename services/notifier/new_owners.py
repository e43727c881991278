"""A customer is somebody else's: whoever owns it now hears of its open case and tasks, whatever said so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection, Table, select

from services.notifier import lists, store
from services.notifier.calling import remembered, task_to_new_owner
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.people import Directory
from services.notifier.routing import matter_of
from services.notifier.tables import cases, tasks

BATCH = 100
"""Cases or tasks in one transaction: nobody else waits long for the database."""

CHUNK = 400


class NewOwners:
    """One worker's. Looks at a directory when it is another than the last; of several notifiers one tells. What was
    looked at is not remembered beyond a restart: then every open case and task is."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._seen: Directory | None = None

    def look(self, directory: Directory) -> int:
        """Tell new owners of open cases and tasks; how many of them were handed over."""
        before = self._seen
        if directory is before:
            return 0
        moved = None if before is None or before.fallback != directory.fallback else _moved(before, directory)
        told = self._hand_all_over(cases, moved, directory, self._hand_over)
        told += self._hand_all_over(tasks, moved, directory, self._hand_task_over)
        # Only now: what could not be written is looked at again.
        self._seen = directory
        return told

    def _hand_all_over(
        self,
        table: Table,
        moved: Sequence[str] | None,
        directory: Directory,
        hand_over: Callable[[Connection, str], bool],
    ) -> int:
        told = 0
        with self._clerk.database.reading() as tx:
            found = [one for one, customer, owner in _open(tx, table, moved) if _owner(directory, customer) != owner]
        for start in range(0, len(found), BATCH):
            with self._clerk.database.writing() as tx:
                told += sum(hand_over(tx, one) for one in found[start : start + BATCH])
        return told

    def _hand_over(self, tx: Connection, case_id: str) -> bool:
        case = store.find_case(tx, case_id)
        before = tx.execute(select(cases.c.owner).where(cases.c.id == case_id)).scalar()
        if case is None or before is None:
            return False
        outcome = lists.to_new_owner(case, before, self._clerk.now(), self._clerk.directory)
        self._clerk.keep(tx, remembered(outcome))
        return outcome.verdict is not Verdict.NOT_DUE

    def _hand_task_over(self, tx: Connection, task_id: str) -> bool:
        clerk, people = self._clerk, store.task_people(tx, task_id)
        warning = store.current_warnings(tx, [task_id]).get(task_id)
        before = tx.execute(select(tasks.c.owner).where(tasks.c.id == task_id)).scalar()
        # Another notifier may have done it, or somebody has finished it.
        if not people or warning is None or before in (None, _owner(clerk.directory, warning.customer_id)):
            return False
        now, directory = clerk.now(), clerk.directory
        plan = clerk.house.plan(matter_of(warning, directory), None, now, directory)
        outcome = task_to_new_owner(warning, people, plan, now, directory)
        clerk.keep(tx, outcome, warning)
        return outcome.verdict is not Verdict.NOT_DUE


def _owner(directory: Directory, customer_id: str) -> str:
    """As Directory.responsible has it, without the line above: this is asked of all customers."""
    customer = directory.customers.get(customer_id)
    owner = customer.owner if customer is not None else None
    return owner if owner is not None and owner in directory.people else directory.fallback


def _moved(before: Directory, after: Directory) -> list[str]:
    """Customers who have another owner now."""
    every = before.customers.keys() | after.customers.keys()
    return sorted(customer for customer in every if _owner(before, customer) != _owner(after, customer))


def _open(tx: Connection, table: Table, customers: Sequence[str] | None) -> list[tuple[str, str, str]]:
    """Open cases or tasks of these customers, or of all: id, customer, and who was called as owner."""
    called = table.c.status == "open", table.c.owner.is_not(None)
    query = select(table.c.id, table.c.customer_id, table.c.owner).where(*called)
    if customers is None:
        return [(row.id, row.customer_id, row.owner) for row in tx.execute(query)]
    chunks: list[Collection[str]] = [customers[start : start + CHUNK] for start in range(0, len(customers), CHUNK)]
    asked = (query.where(table.c.customer_id.in_(chunk)) for chunk in chunks)
    return [(row.id, row.customer_id, row.owner) for one in asked for row in tx.execute(one)]
