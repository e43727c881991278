"""What the ledger is told, by occasion: one function each, called inside the transaction in which it happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from schemas import warnings as wire
from schemas.cases import CaseEvent
from services.notifier import ledger
from services.notifier.case import TaskChange, Verdict
from services.notifier.ledger import Private
from services.notifier.views import PageState

Via = Literal["console", "link", "api", "command", "service"]

MAX_AGENT = 300
"""Characters of what a browser calls itself."""


@dataclass(frozen=True)
class Origin:
    """From where somebody acts. `address` and `agent` say something about a person: they go into the ledger as seals,
    are deleted after a while, and stand in no log."""

    via: Via = "service"
    address: str = ""
    agent: str = ""


def timeline_entry(tx: Connection, event: CaseEvent) -> None:
    """An entry of a case's timeline; it is published too. What is written in its note may be about people."""
    body = event.model_dump(mode="json", exclude={"case_id", "sequence", "type", "at", "note", "ledger"})
    note = Private(event.note, kept=False) if event.note else None
    ledger.append(
        tx,
        event.type,
        event.case_id,
        {**body, "entry": event.sequence},
        at=event.at,
        private={"note": note},
        event=event,
    )


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


def acted(
    tx: Connection, case_id: str, customer_id: str, what: Mapping[str, Any], now: datetime, origin: Origin
) -> None:
    """Somebody has done something with a case: `what` has action and actor, and the page whose link it was. What came
    of it stands in the case's own entries, right before this row."""
    body = {**what, "customer_id": customer_id, "via": origin.via}
    ledger.append(tx, "case.acted", case_id, body, at=now, private=_from(origin))


def pages_became(
    tx: Connection, pages: Iterable[Mapping[str, Any]], state: PageState, now: datetime, note: str | None = None
) -> None:
    """Pages with key, case_id, warning_id, revision, kind, role, person and channel are in another state, pending when
    they were written down. `note` is the provider's word: an id, or why not. It may name an address."""
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
    said = {"address": origin.address, "agent": _printable(origin.agent)[:MAX_AGENT]}
    return {name: Private(value) if value else None for name, value in said.items()}


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
