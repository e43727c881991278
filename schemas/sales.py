"""The market outside, the customer's profile, and the way from a lead to a contract."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from schemas.fields import (
    Amount,
    Currency,
    Day,
    Identifier,
    Instant,
    Label,
    PersonalLabel,
    PersonalText,
    Share,
    Slug,
    Wire,
)


class CompetitorActivity(Wire):
    competitor_id: Identifier
    kind: Literal["trade_show", "visit", "trial", "tender"]
    occurred_at: Instant | None = None
    source: Label | None = None
    confidence: Share | None = None


class ExternalNoted(Wire):
    kind: Literal["policy", "competitor", "media"]
    sentiment: Literal["negative", "neutral", "positive"] = "neutral"
    headline: PersonalLabel | None = None
    source: Label | None = None
    competitor_id: Identifier | None = None
    at: Instant | None = None


ProfileValue = str | bool | int | float | None


_SAYS_SOMETHING: JsonDict = {
    "anyOf": [
        {"required": ["fields"], "properties": {"fields": {"minProperties": 1}}},
        {"required": ["confirmed_unchanged"], "properties": {"confirmed_unchanged": {"const": True}}},
    ]
}


class ProfileUpdated(Wire):
    """One section of the archive: changed `fields`, or `confirmed_unchanged`. Decimals are strings."""

    model_config = ConfigDict(json_schema_extra=_SAYS_SOMETHING)

    section: Literal["basic", "relationship", "transaction", "external"]
    fields: Annotated[dict[Slug, ProfileValue], Field(max_length=200)] = {}
    confirmed_unchanged: bool = False
    at: Instant | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ProfileUpdated:
        if not self.fields and not self.confirmed_unchanged:
            raise ValueError("give fields, or confirmed_unchanged: true")
        return self


class AssessmentRecorded(Wire):
    """Somebody's judgement of the prospects, 0 to 100."""

    score: Annotated[int, Field(ge=0, le=100)]
    assessor: Identifier
    valid_until: Day | None = None
    note: PersonalText | None = None


class CustomerMilestone(Wire):
    """A day that calls for care: an opening, an award, an anniversary, a bereavement (kind mourning)."""

    kind: Slug
    occurs_on: Day
    note: PersonalText | None = None


class RequestLogged(Wire):
    kind: Slug
    topic: Label | None = None
    at: Instant | None = None


class CustomerMerged(Wire):
    """`merged_customer_id` turned out to be this customer."""

    merged_customer_id: Identifier


class LeadCreated(Wire):
    lead_id: Identifier
    owner: Identifier | None = None
    channel: Label | None = None
    campaign: Label | None = None


STAGES = ("lead", "opportunity", "needs", "proposal", "negotiation", "won")
"""The way of an opportunity; `lost` may end it anywhere."""

LOST = "lost"
CLOSED_STAGES = frozenset({STAGES[-1], LOST})
"""An opportunity whose newest stage is one of these is over."""


class OpportunityStageChanged(Wire):
    """`from` is absent for a new opportunity. The confirmations belong to the step from lead to opportunity."""

    opportunity_id: Identifier
    from_: Annotated[Slug | None, Field(alias="from")] = None
    to: Slug
    at: Instant | None = None
    owner: Identifier | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    close_date: Day | None = None
    lead_id: Identifier | None = None
    need_confirmed: bool | None = None
    budget_confirmed: bool | None = None
    decision_process_confirmed: bool | None = None


class OpportunityStatusChanged(Wire):
    opportunity_id: Identifier
    status: Slug
    at: Instant | None = None


class DocumentSent(Wire):
    kind: Slug
    opportunity_id: Identifier | None = None
    at: Instant | None = None


class TaskCompleted(Wire):
    kind: Slug
    task_id: Identifier | None = None
    opportunity_id: Identifier | None = None
    by: Identifier | None = None
    at: Instant | None = None
