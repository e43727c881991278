"""A customer is somebody else's: whoever owns it now hears of its open case, whatever said so."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select

from services.notifier import lists, store
from services.notifier.calling import remembered
from services.notifier.case import Verdict
from services.notifier.clerk import Clerk
from services.notifier.people import Directory
from services.notifier.tables import cases

BATCH = 100
"""Cases in one transaction: nobody else waits long for the database."""

CHUNK = 400


class NewOwners:
    """One worker's. Looks at a directory when it is another than the last; of several notifiers one tells. What was
    looked at is not remembered beyond a restart: then every open case is."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._seen: Directory | None = None

    def look(self, directory: Directory) -> int:
        """Tell new owners of open cases; how many cases were handed over."""
        before, told = self._seen, 0
        if directory is before:
            return 0
        moved = None if before is None or before.fallback != directory.fallback else _moved(before, directory)
        with self._clerk.database.reading() as tx:
            found = [case_id for case_id, customer, owner in _open(tx, moved) if _owner(directory, customer) != owner]
        for start in range(0, len(found), BATCH):
            with self._clerk.database.writing() as tx:
                told += sum(self._hand_over(tx, case_id) for case_id in found[start : start + BATCH])
        # Only now: what could not be written is looked at again.
        self._seen = directory
        return told

    def _hand_over(self, tx: Connection, case_id: str) -> bool:
        case = store.find_case(tx, case_id)
        before = tx.execute(select(cases.c.owner).where(cases.c.id == case_id)).scalar()
        if case is None or before is None:
            return False
        outcome = lists.to_new_owner(case, before, self._clerk.now(), self._clerk.directory)
        self._clerk.keep(tx, remembered(outcome))
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


def _open(tx: Connection, customers: Sequence[str] | None) -> list[tuple[str, str, str]]:
    """Open cases of these customers, or of all: id, customer, and who was called as owner."""
    query = select(cases.c.id, cases.c.customer_id, cases.c.owner).where(cases.c.status == "open")
    if customers is None:
        return [(row.id, row.customer_id, row.owner) for row in tx.execute(query)]
    chunks: list[Collection[str]] = [customers[start : start + CHUNK] for start in range(0, len(customers), CHUNK)]
    asked = (query.where(cases.c.customer_id.in_(chunk)) for chunk in chunks)
    return [(row.id, row.customer_id, row.owner) for one in asked for row in tx.execute(one)]
