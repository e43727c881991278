"""Classes and scores, from READINGS."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from tests.oracle.book_words import (
    BAD_PRESS,
    CUSTOM_REQUESTS,
    DECIDER_CHANGES,
    GROWTH,
    LATE_HALF_YEAR,
    LATE_THREE_YEARS,
    ORDERS_YEAR,
    RANKED_FOR,
    YEAR,
    profile,
)
from tests.oracle.conditions import All, Some
from tests.oracle.counting import Count, Mean, Share
from tests.oracle.known import Where
from tests.oracle.lasting import AnniversariesSinceFirst, Filled, Latest, Rank, Result
from tests.oracle.rules import ClassRule, Input, ScoreRule

ONE = Fraction(1)
PERCENT = ((0, 0), (1, 100))
NOT_OURS: Where = {"fault": {"not": "ours"}}
ON_TIME: Where = {"late": {"is": False}}

VALUE = ClassRule("R10v", (("high", ORDERS_YEAR >= 5_000_000), ("mid", ORDERS_YEAR >= 1_000_000)), "low")
POTENTIAL = ClassRule(
    "R10p",
    (
        ("high", Some(GROWTH >= 25, profile("expansion_plan").equals(True), CUSTOM_REQUESTS >= 2)),  # noqa: FBT003
        ("mid", GROWTH >= 10),
    ),
    "low",
)
RISK = ClassRule(
    "R10r",
    (
        ("high", Some(LATE_HALF_YEAR >= 3, DECIDER_CHANGES >= 2, BAD_PRESS >= 2)),
        ("low", All(LATE_THREE_YEARS <= 0, BAD_PRESS <= 0)),
    ),
    "mid",
)
_value, _potential, _risk = Result(VALUE), Result(POTENTIAL), Result(RISK)
KIND = ClassRule(
    "R10",
    (
        ("risk_watch", All(_value.equals("high"), LATE_HALF_YEAR >= 3)),
        ("strategic", All(_value.equals("high"), _potential.equals("high"), _risk.differs("high"))),
        ("key_cultivation", All(_value.equals("mid"), _potential.equals("high"), _risk.equals("low"))),
        ("growth", All(_value.equals("low"), _potential.equals("high"), _risk.differs("high"))),
        ("risk_control", _risk.equals("high")),
        ("maintain", _value.within("high", "mid")),
    ),
    "ordinary",
)
BY_AMOUNT = Share("instalments", ON_TIME, "amount", NOT_OURS, YEAR, "CNY")
BY_COUNT = Share("instalments", ON_TIME, None, NOT_OURS, YEAR)
VERY_LATE = Count("instalments", {"late": {"is": True}, **NOT_OURS}, YEAR, grace_days=60)
CREDIT = ClassRule(
    "R15",
    (
        ("D", Some(VERY_LATE >= 1, Fraction(7, 10) > BY_AMOUNT, Fraction(7, 10) > BY_COUNT)),
        ("A", All(Fraction(95, 100) <= BY_AMOUNT, Fraction(95, 100) <= BY_COUNT)),
        ("B", All(Fraction(85, 100) <= BY_AMOUNT, Fraction(85, 100) <= BY_COUNT)),
        ("C", All(Fraction(7, 10) <= BY_AMOUNT, Fraction(7, 10) <= BY_COUNT)),
    ),
    "none",
)
OPEN = Count(
    "stage_visits",
    {"left_at": {"known": False}, "stage": {"in": ["opportunity", "needs", "proposal", "negotiation"]}},
)
ORDERS = Count("orders")
LIFECYCLE = ClassRule("R21", (("repurchase", ORDERS >= 2), ("deal", ORDERS >= 1), ("intent", OPEN >= 1)), "potential")
YEARS = AnniversariesSinceFirst("contract.signed")
TENURE = ClassRule("R25", (("strategic_tenure", YEARS >= 3), ("growth", YEARS >= 1), ("new", YEARS >= 0)), "none")
AMOUNT_RANK = Rank("order_amount_12m", RANKED_FOR)
CONTRIBUTION = ClassRule(
    "R26",
    (
        ("base", Count("orders", window=YEAR) <= 0),
        ("head", Fraction(8, 10) <= AMOUNT_RANK),
        ("waist", Fraction(2, 10) <= AMOUNT_RANK),
    ),
    "base",
)
INDUSTRY = ClassRule("R10g", (("high", GROWTH >= 25), ("slow", GROWTH < 10), ("mid", GROWTH >= 10)), "unknown")
PROMISE = ClassRule(
    "R27p",
    (
        ("high_potential", All(GROWTH >= 25, CUSTOM_REQUESTS >= 2)),
        ("maintain", All(YEARS >= 5, ORDERS_YEAR >= 3_000_000, GROWTH < 10)),
    ),
    "ordinary",
)

SECTIONS = {
    "basic": ["name", "industry", "size", "address"],
    "relationship": ["decision_chain", "preferences", "key_contact"],
    "transaction": ["payment_terms", "credit_limit", "product_lines"],
    "external": ["competitors", "policy", "market"],
}
COMPLETENESS = ScoreRule(
    "R11c", tuple(Input(Filled(name, fields), ONE, PERCENT, missing=0) for name, fields in SECTIONS.items())
)
AMOUNT_SCORE = ScoreRule("R16", (Input(AMOUNT_RANK, ONE, PERCENT, missing="inconclusive"),))
JUDGEMENT = Latest("assessment.recorded", "score", expires=timedelta(days=365), last_day="valid_until")
PROSPECTS = ScoreRule("R17", (Input(JUDGEMENT, ONE, ((0, 0), (100, 100)), missing="inconclusive"),))
PROFIT_SCORE = ScoreRule("R18", (Input(Rank("margin_12m", RANKED_FOR), ONE, PERCENT, missing="inconclusive"),))
HUNDRED = ((0, 0), (100, 100))
COMPOSITE = ScoreRule(
    "R19",
    (
        Input(Result(CREDIT), Fraction(30), map={"A": 100, "B": 80, "C": 60, "D": 20}),
        Input(Result(AMOUNT_SCORE), Fraction(25), HUNDRED),
        Input(Result(PROSPECTS), Fraction(20), HUNDRED),
        Input(Result(PROFIT_SCORE), Fraction(25), HUNDRED),
    ),
)
RFM = ScoreRule(
    "R20",
    tuple(
        Input(Rank(f"rfm_{what}", RANKED_FOR), ONE, PERCENT, missing="inconclusive")
        for what in ("recency", "frequency", "monetary")
    ),
)
INBOUND: Where = {"direction": {"is": "inbound"}, "automated": {"not": True}}
ACTIVITY = ScoreRule(
    "R22",
    (
        Input(Count("activity.logged", INBOUND, "90d"), ONE, ((0, 0), (6, 100)), missing=0),
        Input(Mean("activity.logged", "reply_latency_minutes", window="90d"), ONE, ((60, 100), (2880, 0))),
        Input(Count("event.attended", window="90d"), ONE, ((0, 0), (2, 100))),
    ),
)

CLASSES = (VALUE, INDUSTRY, POTENTIAL, RISK, KIND, CREDIT, LIFECYCLE, TENURE, CONTRIBUTION, PROMISE)
SCORES = (COMPLETENESS, AMOUNT_SCORE, PROSPECTS, PROFIT_SCORE, COMPOSITE, RFM, ACTIVITY)
