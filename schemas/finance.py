"""Finance and orders: what ERP and finance systems report of one customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from schemas.fields import (
    Amount,
    AmountOrZero,
    Currency,
    Day,
    Identifier,
    Instant,
    Label,
    Number,
    PersonalText,
    Slug,
    Wire,
)


class Instalment(Wire):
    """One due part of an invoice."""

    due_date: Day
    amount: Amount


_DUE_ONCE: JsonDict = {
    "oneOf": [
        {"required": ["due_date"], "properties": {"due_date": {"not": {"type": "null"}}}},
        {"required": ["instalments"], "properties": {"instalments": {"type": "array", "minItems": 1}}},
    ]
}


class InvoiceIssued(Wire):
    """A claim on the customer: due at once on `due_date`, or in `instalments` that add up to `amount`."""

    model_config = ConfigDict(json_schema_extra=_DUE_ONCE)

    invoice_id: Identifier
    amount: Amount
    currency: Currency
    issue_date: Day
    due_date: Day | None = None
    instalments: Annotated[list[Instalment], Field(max_length=120)] | None = None
    order_id: Identifier | None = None
    contract_id: Identifier | None = None

    @model_validator(mode="after")
    def _due_once(self) -> InvoiceIssued:
        if (self.due_date is None) == (not self.instalments):
            raise ValueError("give either due_date or instalments")
        if self.instalments and sum((part.amount for part in self.instalments), Decimal(0)) != self.amount:
            raise ValueError("the instalments must add up to amount")
        return self


class InvoiceCredited(Wire):
    """A credit note: the invoice is smaller by `amount`, from its issue on."""

    invoice_id: Identifier
    credit_id: Identifier
    amount: Amount
    currency: Currency
    credit_date: Day


class InvoiceDisputed(Wire):
    """The customer contests an invoice; it does not count as late while that is open or once it is upheld."""

    invoice_id: Identifier
    reason: PersonalText | None = None
    at: Instant | None = None


class DisputeSettled(Wire):
    """`upheld`: the customer was right. `rejected`: the invoice counts again from its due date."""

    invoice_id: Identifier
    outcome: Literal["upheld", "rejected"]
    at: Instant | None = None


class InvoiceDelayExplained(Wire):
    """Why an invoice was paid late, and whose fault it was."""

    invoice_id: Identifier
    reason: PersonalText
    fault: Literal["ours", "customer", "third_party"]


class Allocation(Wire):
    """The part of a payment that the finance system booked on one invoice."""

    invoice_id: Identifier
    amount: Amount


class PaymentReceived(Wire):
    """Money with a value date. What `allocations` leave over covers undisputed invoices, oldest due first."""

    payment_id: Identifier
    amount: Amount
    currency: Currency
    value_date: Day
    allocations: Annotated[list[Allocation], Field(max_length=1000)] = []

    @model_validator(mode="after")
    def _not_over_allocated(self) -> PaymentReceived:
        if sum((part.amount for part in self.allocations), Decimal(0)) > self.amount:
            raise ValueError("the allocations exceed the amount of the payment")
        return self


class PaymentReversed(Wire):
    """A payment bounced or was booked by mistake: it never was."""

    payment_id: Identifier
    at: Instant | None = None
    reason: PersonalText | None = None


class OrderLine(Wire):
    product_id: Identifier
    quantity: Amount
    unit_price: AmountOrZero
    unit_cost: AmountOrZero | None = None
    product_line: Label | None = None


class OrderPlaced(Wire):
    order_id: Identifier
    currency: Currency
    lines: Annotated[list[OrderLine], Field(min_length=1, max_length=1000)]
    at: Instant | None = None
    promised_date: Day | None = None
    campaign: Label | None = None


class CancelledLine(Wire):
    product_id: Identifier
    quantity: Amount


class OrderCancelled(Wire):
    """The whole order, or the quantities in `lines`."""

    order_id: Identifier
    lines: Annotated[list[CancelledLine], Field(max_length=1000)] | None = None
    at: Instant | None = None


class OrderDelivered(Wire):
    order_id: Identifier
    at: Instant | None = None


class OrderSpecChanged(Wire):
    """The customer changed what was ordered; a new promised date resets the promise."""

    order_id: Identifier
    at: Instant | None = None
    promised_date: Day | None = None
    note: PersonalText | None = None


class ContractSigned(Wire):
    contract_id: Identifier
    signed_at: Instant | None = None
    value: Number | None = None
    currency: Currency | None = None
    kind: Slug | None = None
    valid_until: Day | None = None


class ContractEnded(Wire):
    contract_id: Identifier
    at: Instant | None = None
    reason: PersonalText | None = None
