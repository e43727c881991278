"""Reference data: rates, rankings, heartbeats, plans, promotions, and what corrections make of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from schemas.codec import parse
from schemas.events import ReferenceEvent
from services.rules.calendar import micros
from services.rules.rankings import MAX_RANKINGS
from services.rules.reference import Reference
from tests.support.records import START, at

DAY_1 = date(2026, 3, 1)


def said(kind: str, name: str, hours: float = 0, *, source: str = "erp", **fields: Any) -> ReferenceEvent[Any]:
    """A reference event with the id `name`; `fields` are its data, but for supersedes and retracted."""
    envelope = {key: fields.pop(key) for key in ("supersedes", "retracted") if key in fields}
    made = parse(
        {
            "specversion": "1.0",
            "id": name,
            "source": source,
            "type": f"bellwether.{kind}",
            "time": at(hours).isoformat(),
            "data": fields,
            **envelope,
        }
    )
    assert isinstance(made, ReferenceEvent)
    return made


def rate(name: str, value: str, hours: float = 0, day: int = 1, pair: str = "USD/CNY", **more: Any) -> Any:
    base, quote = pair.split("/")
    when = (DAY_1 + timedelta(days=day - 1)).isoformat()
    return said("rate.published", name, hours, base=base, quote=quote, date=when, rate=value, **more)


def beat(name: str, until: float, hours: float = 0, **more: Any) -> Any:
    return said("feed.heartbeat", name, hours, feed="crm", complete_until=at(until).isoformat(), **more)


def ranks(name: str, figures: dict[str, float], hours: float = 0, as_of: float = 0, **more: Any) -> Any:
    data = {"measure": "orders", "as_of": at(as_of).isoformat(), "percentiles": figures, **more}
    return said("ranks.published", name, hours, **data)


def knowing(*events: ReferenceEvent[Any]) -> Reference:
    reference = Reference()
    for event in events:
        reference.learn(event)
    return reference


def usd(reference: Reference, day: int = 1) -> Decimal | None:
    return reference.rate("USD", "CNY", DAY_1.toordinal() + day - 1)


# ---- rates


def test_a_rate_holds_from_its_date_until_the_next() -> None:
    reference = knowing(rate("a", "7.1", day=2), rate("b", "7.2", day=5))
    assert [usd(reference, day) for day in (1, 2, 4, 5, 900)] == [
        None,
        Decimal("7.1"),
        Decimal("7.1"),
        Decimal("7.2"),
        Decimal("7.2"),
    ]


def test_a_currency_is_worth_one_of_itself_and_an_unknown_pair_nothing() -> None:
    assert Reference().rate("CNY", "CNY", 1) == 1
    assert knowing(rate("a", "7.1")).rate("EUR", "CNY", DAY_1.toordinal()) is None


def test_the_inverse_rate_serves_as_well() -> None:
    reference = knowing(rate("a", "8", pair="CNY/USD"))
    assert usd(reference) == Decimal("0.125")


@pytest.mark.parametrize(
    ("direct_day", "inverse_day", "expected"),
    [(3, 2, "7.0"), (2, 3, "0.125"), (3, 3, "7.0")],
    ids=["direct is newer", "inverse is newer", "one date: the direct one"],
)
def test_of_a_rate_and_its_inverse_the_newer_counts(direct_day: int, inverse_day: int, expected: str) -> None:
    reference = knowing(rate("a", "7.0", day=direct_day), rate("b", "8", day=inverse_day, pair="CNY/USD"))
    assert usd(reference, 9) == Decimal(expected)


def test_of_two_sources_with_a_rate_for_one_day_the_one_that_spoke_last_counts() -> None:
    reference = knowing(rate("a", "7.1", hours=2, source="bank"), rate("a", "7.2", hours=1, source="erp"))
    assert usd(reference) == Decimal("7.1")


# ---- corrections


CORRECTIONS: dict[str, tuple[list[ReferenceEvent[Any]], str | None]] = {
    "the newest word of one source counts": ([rate("a", "7.1"), rate("b", "7.2", hours=1)], "7.2"),
    "a correction, though its clock is behind": (
        [rate("a", "7.1", hours=5), rate("b", "7.2", hours=1, supersedes="a")],
        "7.2",
    ),
    "a retraction": ([rate("a", "7.1"), rate("b", "7.1", hours=1, supersedes="a", retracted=True)], None),
    "nothing older comes back": (
        [
            rate("a", "7.1"),
            rate("b", "7.2", hours=1),
            rate("c", "7.2", hours=2, supersedes="b", retracted=True),
        ],
        None,
    ),
    "a new word after a retraction": (
        [
            rate("a", "7.1"),
            rate("b", "7.1", hours=1, supersedes="a", retracted=True),
            rate("c", "7.3", hours=2),
        ],
        "7.3",
    ),
    "a correction that was for another day": (
        [rate("a", "7.1"), rate("b", "7.9", hours=1, day=4, supersedes="a")],
        None,
    ),
    "of two corrections of one event the newer": (
        [
            rate("a", "7.1"),
            rate("b", "7.2", hours=1, supersedes="a"),
            rate("c", "7.3", hours=2, supersedes="a"),
        ],
        "7.3",
    ),
}


@pytest.mark.parametrize(("events", "expected"), CORRECTIONS.values(), ids=list(CORRECTIONS))
def test_corrections_count_in_whatever_order_and_however_often_they_come(
    events: list[ReferenceEvent[Any]], expected: str | None
) -> None:
    wanted = None if expected is None else Decimal(expected)
    fingerprints = set()
    for order in permutations(events):
        reference = knowing(*order, *order[:1])
        assert usd(reference) == wanted, [event.id for event in order]
        fingerprints.add(reference.fingerprint)
    assert len(fingerprints) == 1


def test_a_correction_for_another_day_moves_the_rate_there() -> None:
    reference = knowing(rate("a", "7.1"), rate("b", "7.9", hours=1, day=4, supersedes="a"))
    assert usd(reference, 4) == Decimal("7.9")


def test_events_that_correct_each_other_stand_for_nothing() -> None:
    reference = knowing(rate("a", "7.1", supersedes="b"), rate("b", "7.2", day=2, supersedes="a"))
    assert usd(reference, 9) is None


# ---- heartbeats


def test_a_feed_is_complete_up_to_the_greatest_instant_heard() -> None:
    reference = knowing(beat("a", until=5, hours=5), beat("b", until=3, hours=6))
    assert reference.complete_until("crm") == micros(at(5))
    assert reference.feeds()["crm"].last_heartbeat == micros(at(6))
    assert reference.complete_until("erp") is None


def test_several_sources_may_send_the_heartbeats_of_one_feed() -> None:
    reference = knowing(beat("a", until=5), beat("a", until=7, source="crm-2"))
    assert reference.complete_until("crm") == micros(at(7))


def test_a_heartbeat_that_promised_too_much_can_be_corrected_and_the_next_one_counts() -> None:
    wrong, right = beat("a", until=50, hours=1), beat("b", until=2, hours=2, supersedes="a")
    assert knowing(wrong, right).complete_until("crm") == micros(at(2))
    assert knowing(right, wrong).complete_until("crm") == micros(at(2))
    assert knowing(wrong, right, beat("c", until=3, hours=3)).complete_until("crm") == micros(at(3))


def test_after_a_retracted_heartbeat_a_smaller_one_counts() -> None:
    back = beat("b", until=50, hours=2, supersedes="a", retracted=True)
    reference = knowing(beat("a", until=50, hours=1), back)
    assert reference.complete_until("crm") is None
    reference.learn(beat("c", until=3, hours=3))
    assert reference.complete_until("crm") == micros(at(3))


# ---- rankings


def test_a_ranking_counts_once_all_its_parts_are_there() -> None:
    first = ranks("a", {"C-1": 1.0, "C-2": 0.1}, part=0, parts=2, notes={"C-1": "pumps"})
    second = ranks("b", {"C-3": 0.05}, part=1, parts=2)
    assert knowing(first).ranking("orders") == []
    for order in permutations([first, second]):
        (found,) = knowing(*order).ranking("orders")
        assert found.as_of == micros(START)
        assert dict(found.percentiles) == {"C-1": Decimal(1), "C-2": Decimal("0.1"), "C-3": Decimal("0.05")}
        assert len(found.percentiles) == 3
        assert found.notes == {"C-1": "pumps"}


def test_rankings_come_by_date_and_do_not_name_each_others_customers() -> None:
    reference = knowing(ranks("a", {"C-1": 0.5, "C-9": 1.0}, as_of=48), ranks("b", {"C-1": 0.25}, as_of=24))
    old, new = reference.ranking("orders")
    assert (old.percentiles["C-1"], new.percentiles["C-1"]) == (Decimal("0.25"), Decimal("0.5"))
    assert "C-9" not in old.percentiles
    assert "C-8" not in new.percentiles
    assert reference.ranking("margin") == []


def test_a_ranking_published_again_in_fewer_parts_is_whole() -> None:
    old = [ranks(f"a{n}", {f"C-{n}": 0.5}, part=n, parts=3) for n in range(3)]
    new = ranks("b", {"C-7": 0.75}, hours=1, part=0, parts=1)
    for order in permutations([*old, new]):
        (found,) = knowing(*order).ranking("orders")
        assert dict(found.percentiles) == {"C-7": Decimal("0.75")}


def test_a_new_ranking_leaves_the_others_as_they_are() -> None:
    reference = knowing(ranks("a", {"C-1": 0.5}), ranks("b", {"C-1": 0.5}, as_of=24))
    before = reference.ranking("orders")
    reference.learn(ranks("c", {"C-1": 0.75}, hours=1, as_of=24))
    after = reference.ranking("orders")
    assert after[0] is before[0]
    assert after[1].percentiles["C-1"] == Decimal("0.75")


def test_a_retracted_part_makes_the_ranking_incomplete() -> None:
    back = ranks("b", {"C-1": 0.5}, hours=1, supersedes="a", retracted=True)
    assert knowing(ranks("a", {"C-1": 0.5}), back).ranking("orders") == []


def test_only_the_newest_rankings_of_a_measure_are_kept() -> None:
    reference = Reference()
    order = list(range(3 * MAX_RANKINGS))
    random.Random(1).shuffle(order)
    for day in order:
        reference.learn(ranks(f"r{day}", {"C-1": 0.5}, as_of=24 * day))
        assert len(reference.ranking("orders")) <= MAX_RANKINGS
    assert [found.as_of for found in reference.ranking("orders")] == [
        micros(at(24 * day)) for day in range(2 * MAX_RANKINGS, 3 * MAX_RANKINGS)
    ]


# ---- plans and promotions


def test_plans_and_promotions_are_listed_as_the_newest_word_has_them() -> None:
    plan: dict[str, Any] = {"period": "2026", "metric": "sales", "scope": "company", "currency": "CNY"}
    reference = knowing(
        said("plan.set", "a", plan_id="P", amount="10.00", **plan),
        said("plan.set", "b", 1, plan_id="P", amount="12.00", **plan),
        said("promotion.announced", "c", 2, promotion_id="fair"),
    )
    assert [found.amount for found in reference.plans()] == [Decimal("12.00")]
    assert [(found.promotion_id, found.announced_at) for found in reference.promotions()] == [("fair", at(2))]


# ---- the fingerprint


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (rate("b", "7.2", day=2), True),
        (rate("b", "7.1", hours=1), False),
        (rate("b", "7.1", hours=1, supersedes="a", retracted=True), True),
        (ranks("b", {"C-1": 0.5}), True),
        (ranks("b", {"C-1": 0.5}, part=0, parts=2), False),
        (beat("b", until=5), False),
        (said("promotion.announced", "b", promotion_id="fair"), False),
    ],
)
def test_the_fingerprint_changes_when_a_verdict_may(event: ReferenceEvent[Any], changes: bool) -> None:
    reference = knowing(rate("a", "7.1"))
    before = reference.fingerprint
    reference.learn(event)
    assert (reference.fingerprint != before) is changes


def test_a_note_or_a_figure_more_changes_the_fingerprint() -> None:
    plain = ranks("a", {"C-1": 0.5})
    others = [ranks("a", {"C-1": 0.5}, notes={"C-1": "pumps"}), ranks("a", {"C-1": 0.25}), ranks("a", {"C-2": 0.5})]
    assert len({knowing(event).fingerprint for event in [plain, *others]}) == 4
    assert knowing().fingerprint == ""


def test_whatever_the_order_of_many_events_the_same_is_known() -> None:
    events: list[ReferenceEvent[Any]] = []
    rng = random.Random(7)
    for number in range(60):
        day, hours = rng.randrange(1, 6), rng.randrange(50)
        events.append(rate(f"r{number}", f"7.{number}", hours, day, rng.choice(["USD/CNY", "CNY/USD"])))
        events.append(ranks(f"k{number}", {"C-1": number / 100}, hours, 24 * day, part=number % 2, parts=2))
    expected = facts_of(knowing(*events))
    for _ in range(20):
        rng.shuffle(events)
        assert facts_of(knowing(*events)) == expected


def facts_of(reference: Reference) -> Iterable[object]:
    found = [(one.as_of, dict(one.percentiles)) for one in reference.ranking("orders")]
    return reference.fingerprint, [usd(reference, day) for day in range(8)], found
