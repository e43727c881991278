"""Every business event: a CloudEvents 1.0 envelope around one data model, chosen by `type`.

To add an event, write its data model and name it in CUSTOMER_EVENTS or REFERENCE_EVENTS; the codec, the contracts
and ingest follow.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Discriminator, Tag, TypeAdapter, model_validator
from pydantic.config import JsonDict

from schemas import finance, people, reference, sales, service
from schemas.fields import EventId, Identifier, Instant, JsonMediaType, Wire

PREFIX = "bellwether."

CUSTOMER_EVENTS: dict[str, type[Wire]] = {
    "invoice.issued": finance.InvoiceIssued,
    "invoice.credited": finance.InvoiceCredited,
    "invoice.disputed": finance.InvoiceDisputed,
    "dispute.settled": finance.DisputeSettled,
    "invoice.delay_explained": finance.InvoiceDelayExplained,
    "payment.received": finance.PaymentReceived,
    "payment.reversed": finance.PaymentReversed,
    "order.placed": finance.OrderPlaced,
    "order.cancelled": finance.OrderCancelled,
    "order.delivered": finance.OrderDelivered,
    "order.spec_changed": finance.OrderSpecChanged,
    "contract.signed": finance.ContractSigned,
    "contract.ended": finance.ContractEnded,
    "contact.changed": people.ContactChanged,
    "contact.role_set": people.ContactRoleSet,
    "contact.birthday": people.ContactBirthday,
    "customer.owner_changed": people.CustomerOwnerChanged,
    "activity.logged": people.ActivityLogged,
    "feedback.raised": people.FeedbackRaised,
    "feedback.answered": people.FeedbackAnswered,
    "survey.answered": people.SurveyAnswered,
    "event.invited": people.EventInvited,
    "event.attended": people.EventAttended,
    "competitor.activity": sales.CompetitorActivity,
    "external.noted": sales.ExternalNoted,
    "profile.updated": sales.ProfileUpdated,
    "assessment.recorded": sales.AssessmentRecorded,
    "customer.milestone": sales.CustomerMilestone,
    "request.logged": sales.RequestLogged,
    "customer.merged": sales.CustomerMerged,
    "lead.created": sales.LeadCreated,
    "opportunity.stage_changed": sales.OpportunityStageChanged,
    "opportunity.status_changed": sales.OpportunityStatusChanged,
    "document.sent": sales.DocumentSent,
    "task.completed": sales.TaskCompleted,
    "service_case.opened": service.ServiceCaseOpened,
    "service_case.acknowledged": service.ServiceCaseAcknowledged,
    "service_case.assigned": service.ServiceCaseAssigned,
    "service_case.resolved": service.ServiceCaseResolved,
    "service_case.closed": service.ServiceCaseClosed,
    "promise.made": service.PromiseMade,
    "promise.met": service.PromiseMet,
}

REFERENCE_EVENTS: dict[str, type[Wire]] = {
    "feed.heartbeat": reference.FeedHeartbeat,
    "rate.published": reference.RatePublished,
    "promotion.announced": reference.PromotionAnnounced,
    "plan.set": reference.PlanSet,
    "ranks.published": reference.RanksPublished,
}

DataT = TypeVar("DataT", bound=Wire)


class Envelope(Wire):
    """What every event carries. `time` is when it happened as the source knows it; (source, id) names it for ever.

    Extension attributes: `supersedes` is the id of an event of the same source that this one replaces; `retracted`
    takes that one back without a replacement; `history` marks an import of the past, which pages nobody.
    """

    specversion: Literal["1.0"] = "1.0"
    id: EventId
    source: EventId
    type: str
    time: Instant
    datacontenttype: JsonMediaType = "application/json"
    supersedes: EventId | None = None
    retracted: bool = False
    history: bool = False

    @property
    def kind(self) -> str:
        """The type without its prefix, as rules name it: `invoice.issued`."""
        return self.type.removeprefix(PREFIX)

    @model_validator(mode="after")
    def _corrects_another(self) -> Envelope:
        if self.supersedes == self.id:
            raise ValueError("supersedes must name another event")
        if self.retracted and self.supersedes is None:
            raise ValueError("retracted needs supersedes, the id of the event that is taken back")
        return self


class CustomerEvent(Envelope, Generic[DataT]):
    """An event of one customer, on the events topic."""

    subject: Identifier
    data: DataT


_RETRACTED_NEEDS_SUPERSEDES: JsonDict = {
    "if": {"required": ["retracted"], "properties": {"retracted": {"const": True}}},
    "then": {"required": ["supersedes"], "properties": {"supersedes": {"not": {"type": "null"}}}},
}


class ReferenceEvent(Envelope, Generic[DataT]):
    """An event of no customer, on the reference topic."""

    model_config = ConfigDict(json_schema_extra=_RETRACTED_NEEDS_SUPERSEDES)

    subject: None = None
    data: DataT


class Retraction(Envelope):
    """Takes the event `supersedes` back; whatever data it carries is not read."""

    subject: Identifier
    supersedes: EventId
    retracted: Literal[True]
    data: None = None

    @model_validator(mode="before")
    @classmethod
    def _without_data(cls, raw: Any) -> Any:
        return {**raw, "data": None} if isinstance(raw, dict) else raw


Event = CustomerEvent[Any] | ReferenceEvent[Any] | Retraction

RETRACTION_TAG = "retraction"


def _literal(kind: str) -> Any:
    return Literal[f"{PREFIX}{kind}"]


def _model(base: Any, kind: str, data: type[Wire]) -> Any:
    name = "".join(part.capitalize() for part in kind.replace("_", ".").split("."))
    return type(f"{name}Event", (base[data],), {"__annotations__": {"type": _literal(kind)}, "__module__": __name__})


EVENT_MODELS: dict[str, Any] = {
    **{PREFIX + kind: _model(CustomerEvent, kind, data) for kind, data in CUSTOMER_EVENTS.items()},
    **{PREFIX + kind: _model(ReferenceEvent, kind, data) for kind, data in REFERENCE_EVENTS.items()},
}


def _tag(raw: Any) -> str | None:
    """The discriminator: the type, or the retraction of a customer's event."""
    if not isinstance(raw, dict):
        return RETRACTION_TAG if isinstance(raw, Retraction) else getattr(raw, "type", None)
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in EVENT_MODELS:
        return None
    is_customer_event = kind.removeprefix(PREFIX) in CUSTOMER_EVENTS
    return RETRACTION_TAG if raw.get("retracted") is True and is_customer_event else kind


def _union() -> Any:
    members = [Annotated[model, Tag(kind)] for kind, model in EVENT_MODELS.items()]
    members.append(Annotated[Retraction, Tag(RETRACTION_TAG)])
    union: Any = members[0]
    for member in members[1:]:
        union = union | member
    return Annotated[union, Discriminator(_tag)]


EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(_union())
