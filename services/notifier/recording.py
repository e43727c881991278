"""What the ledger is told, by occasion: one function each, called inside the transaction in which it happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, delete, or_, select

from schemas import warnings as wire
from schemas.cases import Anchor, CaseEvent
from services.notifier import ledger
from services.notifier.actions import Action
from services.notifier.case import Case, Page, TaskChange, Verdict
from services.notifier.holds import Hold
from services.notifier.ledger import Private
from services.notifier.tables import cases, ledger_private
from services.notifier.tables import ledger as ledger_table
from services.notifier.views import PageState

Via = Literal["console", "link", "api", "command", "service"]

ERASED = "private.erased"
EXPIRED = "private.expired"
"""Rows that tell why salts are gone."""

KEPT = timedelta(days=180)
EXPIRING = ("address", "agent", "said")
"""From where somebody acted, and what a provider said, may be known for so long."""

MAX_AGENT = 300
"""Characters of what a browser calls itself."""

MAX_ADDRESS = 100
"""A proxy may say anything."""


@dataclass(frozen=True)
class Origin:
    """From where somebody acts. `address` and `agent` say something about a person: they go into the ledger as seals,
    are deleted after a while, and stand in no log. `page` is the key of the page whose link it was."""

    via: Via = "service"
    address: str = ""
    agent: str = ""
    page: str | None = None


SERVICE = Origin()

PAGE = ("key", "case_id", "warning_id", "revision", "kind", "role", "person", "channel")
"""The columns of a page that the ledger tells."""


def timeline_entry(tx: Connection, event: CaseEvent) -> None:
    """An entry of a case's timeline; it is published too. What people write in a note may be about people: it stays in
    the database, where it can be cleared, and the topic, which is kept for a year, does not have it."""
    body = event.model_dump(mode="json", exclude={"case_id", "sequence", "type", "at", "note", "ledger"})
    private = {"note": Private(event.note, kept=False) if event.note else None}
    told = event.model_copy(update={"note": None}) if event.actor else event
    whole = {**body, "entry": event.sequence}

    def tell(row: Anchor) -> CaseEvent:
        return told.model_copy(update={"ledger": row})

    ledger.append(tx, event.type, event.case_id, whole, at=event.at, private=private, tell=tell)


def case_saved(tx: Connection, case: Case, state: str, now: datetime) -> None:
    """The case as it is from now on, sealed: what people wrote of its tasks is in it."""
    body = {"customer_id": case.customer_id, "status": case.status, "severity": case.severity}
    whole = Private(state, kept=False)
    ledger.append(tx, "case.saved", case.id, {**body, "decision": case.decision}, at=now, private={"state": whole})


def warning_filed(tx: Connection, warning: wire.Warning, case_id: str | None, verdict: Verdict, now: datetime) -> None:
    """What was made of a revision. The body as it came is sealed: values of it may be cleared for a customer's sake."""
    body = {
        "warning_id": warning.id,
        "revision": warning.revision,
        "customer_id": warning.customer_id,
        "rule": warning.rule,
        "change": warning.change,
        "severity": warning.severity,
        "verdict": str(verdict),
    }
    whole = Private(wire.encode_warning(warning).decode(), kept=False)
    ledger.append(tx, "warning.filed", case_id, body, at=now, private={"body": whole})


def warning_settled(
    tx: Connection, warning: wire.Warning, case_id: str | None, verdict: Verdict, now: datetime
) -> None:
    """What was made of one that had waited."""
    body = {"warning_id": warning.id, "revision": warning.revision, "customer_id": warning.customer_id}
    ledger.append(tx, "warning.settled", case_id, {**body, "verdict": str(verdict)}, at=now)


def task_set(tx: Connection, warning: wire.Warning, change: TaskChange, now: datetime) -> None:
    """A task is on people's lists, or off them by itself."""
    people = list(change.people) if change.status == "open" else None
    body = {"task": warning.id, "revision": warning.revision, "customer_id": warning.customer_id, "people": people}
    ledger.append(tx, f"task.{change.status}", None, {**body, "department": change.department}, at=now)


def task_done(tx: Connection, task_id: str, actor: str, now: datetime, origin: Origin) -> None:
    """Somebody has finished a task."""
    body = {"task": task_id, "actor": actor, "via": origin.via}
    ledger.append(tx, "task.done", None, body, at=now, private=_from(origin))


def acted(tx: Connection, case: Case, action: Action, verdict: Verdict, now: datetime, origin: Origin) -> None:
    """What somebody wanted to do with a case, what came of it, and from where it was. What is new in the case by it
    stands in the rows right before this one; a refusal has this row alone."""
    body = {
        "customer_id": case.customer_id,
        "action": type(action).__name__,
        "actor": action.actor,
        "verdict": str(verdict),
        "via": origin.via,
        "page": origin.page,
    }
    ledger.append(tx, "case.acted", case.id, body, at=now, private=_from(origin))


def hold_became(tx: Connection, hold: Hold, state: Literal["set", "ended"], actor: str | None, now: datetime) -> None:
    """Pages about (rule, customer) are kept back from now on, or no longer. Why is what somebody wrote."""
    body = {"hold": hold.id, "hold_kind": hold.kind, "rule": hold.rule, "customer_id": hold.customer_id}
    until = {"expires_at": hold.expires_at.isoformat(), "up_to": hold.up_to, "actor": actor}
    ledger.append(
        tx, f"hold.{state}", None, {**body, **until}, at=now, private={"reason": Private(hold.reason, kept=False)}
    )


def page_held(tx: Connection, hold: Hold, page: Page, case_id: str | None, now: datetime) -> None:
    """A page was decided on, and a hold keeps it back."""
    body = {"hold": hold.id, "warning_id": page.warning_id, "revision": page.revision, "person": page.person}
    ledger.append(tx, "page.held", case_id, {**body, "page_kind": page.kind, "step": page.step}, at=now)


def pages_became(
    tx: Connection, pages: Iterable[Mapping[Any, Any]], state: PageState, now: datetime, note: str | None = None
) -> None:
    """Pages with the columns in PAGE are in another state, pending when they were written down. `note` is the
    provider's word: an id, or why not. It may name an address."""
    said = Private(note) if note else None
    for page in pages:
        body = {
            "page": page["key"],
            "warning_id": page["warning_id"],
            "revision": page["revision"],
            "page_kind": page["kind"],
            "role": page["role"],
            "person": page["person"],
            "channel": page["channel"],
        }
        ledger.append(tx, f"page.{state}", page["case_id"], body, at=now, private={"said": said})


def _from(origin: Origin) -> dict[str, Private | None]:
    said = {"address": _printable(origin.address)[:MAX_ADDRESS], "agent": _printable(origin.agent)[:MAX_AGENT]}
    return {name: Private(value) if value else None for name, value in said.items()}


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def directory_changed(
    tx: Connection,
    version: int,
    source: str,
    actor: str,
    entries: Sequence[tuple[str, str, str | None]],
    now: datetime,
) -> None:
    """Who answers for whom is another from now on. `entries` (kind, id, what it says or None) have names and addresses
    in them: they are sealed together."""
    body = {"version": version, "source": source, "actor": actor, "changes": len(entries)}
    whole = Private(directory_text(entries), kept=False)
    ledger.append(tx, "directory.changed", None, body, at=now, private={"entries": whole})


def directory_text(entries: Iterable[tuple[str, str, str | None]]) -> str:
    """What is sealed of a version of the directory."""
    return orjson.dumps(sorted(entries, key=lambda entry: entry[:2])).decode()


def forget_customer(tx: Connection, customer_id: str, now: datetime, versions: Sequence[int] = ()) -> int:
    """Destroy what opens the seals about a customer, its cases, and these versions of the directory, which told its
    name; say so in the ledger; how many there were. Again: nothing."""
    mine = list(tx.execute(select(cases.c.id).where(cases.c.customer_id == customer_id)).scalars())
    of_cases = select(ledger_table.c.sequence).where(ledger_table.c.case_id.in_(mine))
    private = ledger_private.c
    of_versions = _of_versions(tx, frozenset(versions))
    about = or_(private.customer_id == customer_id, private.sequence.in_(of_cases), private.sequence.in_(of_versions))
    gone = tx.execute(delete(ledger_private).where(about)).rowcount
    if gone:
        body = {"customer_id": customer_id, "cases": mine, "versions": list(versions), "fields": gone}
        ledger.append(tx, ERASED, None, body, at=now)
    return int(gone)


def _of_versions(tx: Connection, versions: frozenset[int]) -> list[int]:
    """Where the ledger tells of these versions of the directory."""
    if not versions:
        return []
    query = select(ledger_table.c.sequence, ledger_table.c.body).where(ledger_table.c.kind == "directory.changed")
    return [row.sequence for row in tx.execute(query) if orjson.loads(row.body)["version"] in versions]


def expire(tx: Connection, now: datetime, keep: timedelta = KEPT) -> int:
    """Delete from where people acted, and what providers said, once it is older than `keep`; how many fields."""
    names, before = [*EXPIRING], now - keep
    old = ledger_private.c.name.in_(names), ledger_private.c.at < before
    gone = tx.execute(delete(ledger_private).where(*old)).rowcount
    if gone:
        ledger.append(tx, EXPIRED, None, {"names": names, "before": before.isoformat(), "fields": gone}, at=now)
    return int(gone)
