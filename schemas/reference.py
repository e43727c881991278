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
    """A dated ranking of customers by one measure: percentile 0 (last) to 1 (first).

    A large one comes in `parts`, numbered from 0; it counts once all are there. `notes` say something of a customer's
    place in words, such as the product line that its like buy and it does not.
    """

    measure: Slug
    as_of: Instant
    part: Annotated[int, Field(ge=0)] = 0
    parts: Annotated[int, Field(ge=1)] = 1
    percentiles: dict[Identifier, Annotated[float, Field(ge=0, le=1)]]
    notes: dict[Identifier, Label] = {}


def natural_key(data: object) -> tuple[str, ...]:
    """What an event's data says something about, among its source's events of one kind: the newest word on it counts.

    A heartbeat replaces the feed's last one. Rates and ranks keep every date: a fact at an earlier instant needs the
    figure of that day, and one that arrives late must not hide a newer one. A plan holds several figures: one for each
    period, metric and scope. Raises TypeError for the data of a customer's event.
    """
    match data:
        case FeedHeartbeat():
            return (data.feed,)
        case RatePublished():
            return (data.base, data.quote, data.date.isoformat())
        case PromotionAnnounced():
            return (data.promotion_id,)
        case PlanSet():
            return (data.plan_id, data.period, data.metric, data.scope, data.scope_id or "")
        case RanksPublished():
            return (data.measure, str(int(data.as_of.timestamp())), str(data.part))
    raise TypeError(f"{type(data).__name__} belongs to a customer")
