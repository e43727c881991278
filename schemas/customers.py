"""What the rules service tells of every customer on the compacted customers topic: a snapshot, and counters by month.

The snapshot's key is the customer id; the counters of a month have the key customer id + "\\x1f" + "2026-03". Both lie
on the customer's partition, in any order; the newest record of a key counts. Reports and rankings read nothing else.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    TypeAdapter,
    WithJsonSchema,
)

from schemas.fields import Currency, Day, Identifier, Instant, Label, Slug, Wire
from schemas.warnings import Bilingual, Severity

MAX_RECORD_BYTES = 900_000
"""One record's JSON; a Kafka record carries 1 MiB at most by default."""

SEPARATOR = "\x1f"
"""Between the customer id and the month; no identifier contains it."""

# Sums of products outgrow what one event may say: 15 digits times 15 digits.
_SUM = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,12})?")


def _parse_sum(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    if not isinstance(value, str) or not _SUM.fullmatch(value):
        raise ValueError('must be a decimal string such as "1200.50"')
    return Decimal(value)


def _plain(value: Decimal) -> str:
    return format(value, "f")


Sum = Annotated[
    Decimal,
    BeforeValidator(_parse_sum),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,40}(\.[0-9]{1,12})?$"}),
    PlainSerializer(_plain, return_type=str, when_used="json"),
]
"""A decimal string with up to 40 digits before and 12 after the point."""

MonthName = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]

Counted = Literal[
    "lead",
    "call",
    "visit",
    "contact",
    "order",
    "order_margin",
    "order_without_cost",
    "order_line",
    "order_line_margin",
    "receipt",
    "contract",
    "opportunity_won",
    "opportunity_lost",
    "stage",
    "satisfaction",
    "service_score",
    "nps_promoter",
    "nps_passive",
    "nps_detractor",
    "complaint",
]
"""What is counted.

order, order_margin     cancellations netted, on the day of the order; a margin only where every line has a cost
order_line, …_margin    the same by product line, n = orders that have the line
receipt                 payments that were not reversed, on their value date
contact, visit          reached, not automated; a visit is a contact too
call                    outbound calls, reached or not
stage                   opportunities that entered the `stage`
satisfaction, service_score   `amount` = Σ of 0 (worst) to 100 (best), of surveys and of closed service cases
"""


class ClassNow(Wire):
    """What a class rule says of the customer; `value` is None while it is inconclusive. `name` and `advice` are the
    value's; `says` is what it rests on, as the rule's summary tells it; `ranked_at` is of when the oldest ranking is
    that it rests on."""

    value: Label | None
    rule_name: Bilingual | None = None
    name: Bilingual | None = None
    advice: Bilingual | None = None
    says: Bilingual | None = None
    since: Instant | None = None
    ranked_at: Instant | None = None


class ScoreInput(Wire):
    """One input of a score: what was seen, its weight, and its part from 0 to 100. `ranked_at` is of when the ranking
    is that a place was taken from."""

    name: Label
    label: Bilingual | None = None
    value: str | None = None
    weight: Sum
    part: Sum | None = None
    ranked_at: Instant | None = None


class ScoreNow(Wire):
    """What a score rule says of the customer; `value` is None while it is inconclusive."""

    value: Sum | None
    rule_name: Bilingual | None = None
    since: Instant | None = None
    inputs: Annotated[list[ScoreInput], Field(max_length=50)] = []
    missing: Annotated[list[Label], Field(max_length=50)] = []


class OpenEpisode(Wire):
    """A warning, task or suggestion that holds; `id` is the warning's."""

    rule: Label
    rule_name: Bilingual | None = None
    id: Identifier
    severity: Severity
    start: Instant
    subject: str = ""


class NearMiss(Wire):
    """A rule that would hold soon; `due` is when, if time alone makes it."""

    rule: Label
    rule_name: Bilingual | None = None
    subject: str = ""
    text: Bilingual
    due: Instant | None = None


class OwnerSince(Wire):
    """Whose customer it is from this day of the company's calendar on; 1970-01-01 says as far back as is known."""

    owner: Identifier
    since: Day


class StageVisit(Wire):
    """A stage in which an opportunity was; `left` is None while it is there."""

    stage: Slug
    entered: Instant
    left: Instant | None = None


class Opportunity(Wire):
    """A deal with its stages, oldest first. Amount, currency, close date and owner are the newest that were said."""

    id: Identifier
    stage: Slug
    owner: Identifier | None = None
    lead_id: Identifier | None = None
    amount: Sum | None = None
    currency: Currency | None = None
    close_date: Day | None = None
    stages: Annotated[list[StageVisit], Field(min_length=1, max_length=100)]


class Lead(Wire):
    """A lead, with the owner it named or the customer's owner of that day."""

    id: Identifier
    created: Instant
    owner: Identifier | None = None
    channel: Label | None = None
    campaign: Label | None = None


class OrderFacts(Wire):
    """Orders that were not cancelled whole. `times` are the newest ones' instants, oldest first; `median_gap_s` is the
    median time between orders, in seconds, None with fewer than two."""

    count: Annotated[int, Field(ge=0)] = 0
    first: Instant | None = None
    last: Instant | None = None
    median_gap_s: Sum | None = None
    times: Annotated[list[Instant], Field(max_length=1000)] = []


class CustomerSnapshot(Wire):
    """All of a customer that reports, rankings and the console read, as it stood at `as_of`.

    `months` are the months that have counters. `cut` tells how many entries of a list were left out for its limit.
    """

    record: Literal["customer"] = "customer"
    customer_id: Identifier
    as_of: Instant
    owner: Identifier | None = None
    owners: Annotated[list[OwnerSince], Field(max_length=100)] = []
    region: Label | None = None
    team: Label | None = None
    product_lines: Annotated[list[Label], Field(max_length=200)] = []
    classes: Annotated[dict[Label, ClassNow], Field(max_length=100)] = {}
    scores: Annotated[dict[Label, ScoreNow], Field(max_length=100)] = {}
    episodes: Annotated[list[OpenEpisode], Field(max_length=500)] = []
    near_misses: Annotated[list[NearMiss], Field(max_length=100)] = []
    first_contract: Instant | None = None
    orders: OrderFacts = OrderFacts()
    opportunities: Annotated[list[Opportunity], Field(max_length=1000)] = []
    leads: Annotated[list[Lead], Field(max_length=1000)] = []
    months: Annotated[list[MonthName], Field(max_length=1200)] = []
    cut: dict[Slug, Annotated[int, Field(ge=1)]] = {}


class Count(Wire):
    """How often something happened on one day of the month, and what it came to. All but `n` and `amount` is the key.

    `owner` is who did it where that was said (a call, a lead, an opportunity), else the customer's owner of the day.
    """

    day: Annotated[int, Field(ge=1, le=31)]
    kind: Counted
    n: Annotated[int, Field(ge=1)]
    owner: Identifier | None = None
    amount: Sum | None = None
    currency: Currency | None = None
    product_line: Label | None = None
    campaign: Label | None = None
    channel: Label | None = None
    stage: Slug | None = None


class MonthCounters(Wire):
    """What happened with a customer in one month of the company's calendar. `cut` tells how many counts of a kind were
    left out because the record would have been too large."""

    record: Literal["month"] = "month"
    customer_id: Identifier
    month: MonthName
    counts: list[Count] = []
    cut: dict[Slug, Annotated[int, Field(ge=1)]] = {}


CustomerRecord = CustomerSnapshot | MonthCounters


def _tag(raw: Any) -> str | None:
    found = raw.get("record") if isinstance(raw, dict) else getattr(raw, "record", None)
    return found if isinstance(found, str) else None


_ADAPTER: TypeAdapter[CustomerRecord] = TypeAdapter(
    Annotated[
        Annotated[CustomerSnapshot, Tag("customer")] | Annotated[MonthCounters, Tag("month")], Discriminator(_tag)
    ]
)


def record_suffix(record: CustomerRecord) -> str:
    """What follows the customer id in the record's key: nothing, or the month."""
    return record.month if isinstance(record, MonthCounters) else ""


def record_key(customer_id: str, suffix: str = "") -> bytes:
    """The key on the customers topic. The partition is that of the customer id alone."""
    return (customer_id + SEPARATOR + suffix if suffix else customer_id).encode()


def split_key(key: bytes) -> tuple[str, str]:
    """Customer id and suffix of a key: ("C1", "") or ("C1", "2026-03")."""
    customer_id, _, suffix = key.decode("utf-8", "replace").partition(SEPARATOR)
    return customer_id, suffix


def encode_record(record: CustomerRecord) -> bytes:
    """The JSON on the customers topic. What is at its default is left out, but for `record`."""
    return _ADAPTER.dump_json(record, exclude_defaults=True).replace(b"{", f'{{"record":"{record.record}",'.encode(), 1)


def decode_record(raw: bytes) -> CustomerRecord:
    """Raises pydantic.ValidationError for what is neither a snapshot nor counters of a month."""
    return _ADAPTER.validate_json(raw)
