"""People and contact: who is who at the customer, who of us looks after them, and what was said."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.fields import Identifier, Instant, Label, PersonalLabel, PersonalText, Slug, Wire

DecisionRole = Literal["procurement", "technical", "finance", "executive", "user", "other"]
Channel = Literal["phone", "video", "im", "email", "onsite", "post", "web", "other"]


class ContactDetails(Wire):
    """Personal data: never in logs, metrics, or a page whose reader may not see it."""

    name: PersonalLabel | None = None
    title: PersonalLabel | None = None
    email: PersonalLabel | None = None
    phone: PersonalLabel | None = None
    im: PersonalLabel | None = None


class ContactChanged(Wire):
    """A change of person or role. `details` (a new phone number) is no change of the relationship."""

    contact_id: Identifier
    change: Literal["joined", "left", "replaced", "role_changed", "details"]
    decision_role: DecisionRole | None = None
    certainty: Literal["announced", "rumoured"] = "announced"
    effective_at: Instant | None = None
    successor_id: Identifier | None = None
    details: ContactDetails | None = None


class ContactRoleSet(Wire):
    contact_id: Identifier
    decision_role: DecisionRole
    details: ContactDetails | None = None


class ContactBirthday(Wire):
    """`month_day` is MM-DD; 02-29 is allowed. With `lunar` it is a date of the Chinese calendar.

    It is not sealed: a rule reads it. It has no year, and whose day it is is sealed with the contact's details.
    """

    contact_id: Identifier
    month_day: Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
    lunar: bool = False
    opt_in: bool = False


class CustomerOwnerChanged(Wire):
    new: Identifier
    old: Identifier | None = None
    at: Instant | None = None


class ActivityLogged(Wire):
    """Something that was done with or for the customer.

    `kind` is an open list: call, visit, meeting, message, needs_confirmation, survey, exec_visit, care, minutes_sent …
    Automated mail and calls that reached nobody (`outcome` unreached) are not contact.
    """

    kind: Slug
    channel: Channel | None = None
    at: Instant | None = None
    direction: Literal["outbound", "inbound"] = "outbound"
    by: Identifier | None = None
    with_: Annotated[list[Identifier], Field(alias="with", max_length=100)] = []
    outcome: Slug = "reached"
    automated: bool = False
    next_at: Instant | None = None
    parts: Annotated[list[Slug], Field(max_length=20)] = []
    reply_latency_minutes: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    opportunity_id: Identifier | None = None
    note: PersonalText | None = None


class FeedbackRaised(Wire):
    feedback_id: Identifier
    kind: Literal["suggestion", "question", "complaint"] = "question"
    topic: Label
    contact_id: Identifier | None = None
    contact_role: DecisionRole | None = None
    at: Instant | None = None
    text: PersonalText | None = None


class FeedbackAnswered(Wire):
    feedback_id: Identifier
    by: Identifier | None = None
    at: Instant | None = None
    text: PersonalText | None = None


class SurveyAnswered(Wire):
    """`satisfaction` on 1 to `scale`; `nps` on 0 to 10."""

    satisfaction: Annotated[float, Field(ge=0, le=100)] | None = None
    scale: Annotated[int, Field(ge=2, le=100)] = 5
    nps: Annotated[int, Field(ge=0, le=10)] | None = None
    contact_id: Identifier | None = None
    at: Instant | None = None


class EventInvited(Wire):
    """An invitation to something we hold: a salon, a training, a visit round."""

    event_id: Identifier
    kind: Slug
    held_at: Instant | None = None
    contact_id: Identifier | None = None


class EventAttended(Wire):
    event_id: Identifier
    kind: Slug
    at: Instant | None = None
    contact_id: Identifier | None = None
