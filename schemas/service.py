"""Service cases and promises."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.fields import Identifier, Instant, Label, PersonalText, Wire


class ServiceCaseOpened(Wire):
    case_id: Identifier
    priority: Literal["P1", "P2", "P3", "P4"]
    topic: Label | None = None
    at: Instant | None = None


class ServiceCaseAcknowledged(Wire):
    case_id: Identifier
    by: Identifier | None = None
    at: Instant | None = None


class ServiceCaseAssigned(Wire):
    """One hop on the way to the person who owns the fault."""

    case_id: Identifier
    to: Identifier
    at: Instant | None = None


class ServiceCaseResolved(Wire):
    case_id: Identifier
    at: Instant | None = None


class ServiceCaseClosed(Wire):
    """`score`: the customer's satisfaction with the solution, 1 to 5."""

    case_id: Identifier
    score: Annotated[int, Field(ge=1, le=5)] | None = None
    promised_at: Instant | None = None
    resolved_at: Instant | None = None
    at: Instant | None = None


class PromiseMade(Wire):
    promise_id: Identifier
    due: Instant
    by: Identifier | None = None
    about: PersonalText | None = None
    order_id: Identifier | None = None
    at: Instant | None = None


class PromiseMet(Wire):
    promise_id: Identifier
    at: Instant | None = None
