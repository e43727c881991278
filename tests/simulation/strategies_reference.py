"""Events of no customer: rates, rankings, heartbeats."""

from __future__ import annotations

from tests.simulation.strategies_scene import DAY, SPAN_DAYS, Document, Scene

SHARES = (0.0, 0.2, 0.35, 0.5, 0.79, 0.8, 1.0)
MEASURES = (
    "order_amount_12m",
    "order_amount_12m",
    "margin_12m",
    "rfm_recency",
    "rfm_frequency",
    "rfm_monetary",
    "cross_sell",
)
RATES = (
    ("EUR", "CNY", "8"),
    ("EUR", "CNY", "5"),
    ("CNY", "EUR", "0.125"),
    ("USD", "CNY", "7.5"),
    ("CNY", "USD", "0.2"),
)


def rates(scene: Scene) -> list[Document]:
    """Rates of some days, both ways round; at most one of a pair and a day."""
    days = {scene.day() - scene.pick(0, 0, 300) * DAY for _ in range(scene.pick(1, 2))}
    told = []
    for day in sorted(days):
        base, quote, rate = scene.pick(*RATES)
        told.append(
            _word(scene, "rate.published", {"base": base, "quote": quote, "date": day.isoformat(), "rate": rate})
        )
    return told


def rankings(scene: Scene, measure: str | None = None) -> list[Document]:
    """Rankings of one measure, mostly as of the start of a day; some do not name the customer, some lack a part."""
    measure, told = measure or scene.pick(*MEASURES), []
    for day in sorted({scene.day() for _ in range(scene.pick(1, 2, 3))}):
        places = {name: scene.pick(*SHARES) for name in ("c1", "c2") if scene.often(6)}
        as_of = scene.iso(scene.moment(day)) if not scene.often(4) else f"{day.isoformat()}T00:00:00+08:00"
        parts = 2 if day.toordinal() % 4 == 0 else 1  # of one instant nobody publishes now one part and now two
        for part in range(parts if scene.often(3) else 1):
            data = {
                "measure": measure,
                "as_of": as_of,
                "part": part,
                "parts": parts,
                "percentiles": places if not part else {},
            }
            told.append(_word(scene, "ranks.published", data))
    return told


def all_ranks(scene: Scene) -> list[Document]:
    """Every measure, as of days on which a history may end soon after: rankings do not last."""
    ends = [scene.first_day + days * DAY for days in (65, 280, SPAN_DAYS - 15)]
    days = {scene.day(), *(ends if scene.often(3) else ())}
    return [
        _word(
            scene, "ranks.published", {"measure": measure, "as_of": as_of, "percentiles": {"c1": scene.pick(*SHARES)}}
        )
        for as_of in sorted(scene.iso(scene.moment(day)) for day in days)
        for measure in sorted(set(MEASURES))
    ]


def heartbeat(scene: Scene) -> list[Document]:
    """A feed that is complete up to some day of the history."""
    data = {"feed": scene.pick("crm", "crm", "erp", "service"), "complete_until": scene.instant()}
    return [_word(scene, "feed.heartbeat", data)]


def _word(scene: Scene, kind: str, data: Document) -> Document:
    return {"type": f"bellwether.{kind}", "time": scene.instant(), "data": data}


STORIES = (rates, rankings, rankings, all_ranks, heartbeat)
