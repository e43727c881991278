"""What people did about the warnings: the events on the cases topic, keyed by customer_id."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import Field, StringConstraints, TypeAdapter

from schemas.fields import AmountOrZero, Currency, Identifier, Instant, Label, Text, Wire
from schemas.warnings import Severity

CaseEventType = Literal[
    "case.opened",
    "case.warning_joined",
    "case.warning_amended",
    "case.warning_ended",
    "case.warning_withdrawn",
    "case.paged",
    "case.page_uncertain",
    "case.page_held",
    "case.acknowledged",
    "case.assigned",
    "case.delegated",
    "case.valued",
    "case.came_back",
    "review.opened",
    "review.nudged",
    "review.breached",
    "review.handed_over",
    "review.decided",
    "intervention.asked",
    "intervention.joined",
    "task.set",
    "task.done",
    "case.commented",
    "hold.set",
    "hold.ended",
    "case.closed",
    "case.reopened",
]
Decision = Literal["act", "watch", "accept", "false_alarm", "withdrawn"]

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Anchor(Wire):
    """The row of the notifier's ledger that tells of the same: what its database says later can be held against it."""

    sequence: Annotated[int, Field(ge=1)]
    hash: Digest


class Judged(Wire):
    """A warning that a decision is about, in the revision that the case had: what feedback on a rule is counted by."""

    warning_id: Identifier
    revision: Annotated[int, Field(ge=1)]
    rule: Label
    severity: Severity


class Money(Wire):
    """An amount of one currency."""

    amount: AmountOrZero
    currency: Currency

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


class CaseEvent(Wire):
    """One entry of a case's timeline. `sequence` counts up from 1 within a case, so (case_id, sequence) is unique.

    `person` is whom it concerns: who missed a deadline, was reminded, has the task or the case from now on. `value` is
    what people say is at risk. `judged` stands in review.decided and case.closed: the warnings that are not withdrawn,
    or all when all are. `note` is the notifier's own; what people wrote (`actor`) is in the console alone.
    """

    case_id: Identifier
    sequence: int
    type: CaseEventType
    customer_id: Identifier
    at: Instant
    actor: Identifier | None = None
    warning_id: str | None = None
    person: Identifier | None = None
    department: Label | None = None
    channel: Label | None = None
    decision: Decision | None = None
    note: Text | None = None
    value: Money | None = None
    judged: list[Judged] | None = None
    ledger: Anchor | None = None


class LedgerAnchor(Wire):
    """The end of the notifier's ledger, where no case's event has told of it for a minute; of no case and no customer,
    and without a key. Only who verifies the ledger needs it."""

    type: Literal["ledger.anchored"]
    at: Instant
    ledger: Anchor


CasesRecord = CaseEvent | LedgerAnchor
"""What lies on the cases topic."""

_ADAPTER: TypeAdapter[CaseEvent] = TypeAdapter(CaseEvent)
_ANY: TypeAdapter[CasesRecord] = TypeAdapter(CasesRecord)


def encode_case_event(event: CasesRecord) -> bytes:
    """The JSON on the cases topic."""
    return orjson.dumps(event.model_dump(mode="json", exclude_none=True))


def decode_case_event(raw: bytes) -> CaseEvent:
    """Raises pydantic.ValidationError for what is no case event."""
    return _ADAPTER.validate_json(raw)


def decode_cases_record(raw: bytes) -> CasesRecord:
    """A case event or an anchor. Raises pydantic.ValidationError for what is neither."""
    return _ANY.validate_json(raw)
