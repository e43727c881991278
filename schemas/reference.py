"""What belongs to no single customer: it goes to the compacted reference topic, which every worker reads whole."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.fields import Amount, Currency, Day, Identifier, Instant, Label, Slug, Wire


class FeedHeartbeat(Wire):
    """The source has sent everything that was true up to `complete_until`."""

    feed: Identifier
    complete_until: Instant


class RatePublished(Wire):
    """One unit of `base` is worth `rate` of `quote` on `date`."""

    base: Currency
    quote: Currency
    date: Day
    rate: Amount


class PromotionAnnounced(Wire):
    promotion_id: Identifier
    announced_at: Instant | None = None
    campaign: Label | None = None
    channel: Label | None = None


class PlanSet(Wire):
    plan_id: Identifier
    period: Label
    metric: Slug
    scope: Literal["company", "region", "team", "person", "product_line"]
    scope_id: Identifier | None = None
    amount: Amount
    currency: Currency | None = None


class RanksPublished(Wire):
    """A dated ranking of customers by one measure: percentile 0 (last) to 1 (first)."""

    measure: Slug
    as_of: Instant
    part: Annotated[int, Field(ge=0)] = 0
    parts: Annotated[int, Field(ge=1)] = 1
    percentiles: dict[Identifier, Annotated[float, Field(ge=0, le=1)]]
