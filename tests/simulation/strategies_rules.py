"""Invented rules: a fact of each shape, any filter and window over any events, a threshold near what is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.simulation import strategies_classes as classes
from tests.simulation import strategies_contact as contacts
from tests.simulation import strategies_finance as finance
from tests.simulation import strategies_first as first
from tests.simulation import strategies_reference
from tests.simulation import strategies_sales as sales
from tests.simulation import strategies_service as service
from tests.simulation.strategies import Maker, Story

Spec = dict[str, Any]
Picks = Callable[..., Any]


@dataclass(frozen=True)
class Kind:
    """Items to look at: who makes them, filters, fields with few values, fields with numbers, fields with amounts."""

    makers: tuple[Maker, ...]
    filters: tuple[Spec, ...] = ()
    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    stories: tuple[Story, ...] = ()


REACHED: Spec = {"automated": {"not": True}, "outcome": {"not_in": ["bounced", "unreached"]}}
INVOICES = (first.invoice_issued, first.payment_received, finance.delay_explained, first.invoice_credited)
KINDS: dict[str, Kind] = {
    "activity.logged": Kind(
        (contacts.any_contact,),
        (
            REACHED,
            {"channel": {"in": ["phone", "onsite"]}},
            {"parts": {"has": "phone"}},
            {"next_at": {"known": True}},
            {"reply_latency_minutes": {"at_least": 61}},
            {"reply_latency_minutes": {"below": 2880}, "by": {"is": "w"}},
            {"kind": {"not_in": ["call", "survey"]}, "opportunity_id": {"not": "D1"}},
        ),
        ("kind", "channel", "by", "opportunity_id"),
        ("reply_latency_minutes",),
    ),
    "customer.owner_changed": Kind(
        (contacts.owner_changed,), ({"old": {"known": True}}, {"new": {"is": "w"}}), ("new",)
    ),
    "service_case.closed": Kind(
        (service.case_word,),
        ({"score": {"at_most": 2}}, {"score": {"above": 1}}),
        ("case_id",),
        ("score",),
        (),
        (service.scores,),
    ),
    "external.noted": Kind(
        (service.external,), ({"sentiment": {"is": "negative"}}, {"kind": {"not": "media"}}), ("kind",)
    ),
    "feedback.raised": Kind((service.feedback_word,), ({"feedback_id": {"is": "F1"}},), ("feedback_id",)),
    "request.logged": Kind((classes.request,), ({"kind": {"is": "custom"}},), ("kind",)),
    "profile.updated": Kind(
        (classes.words, contacts.profile),
        (
            {"fields.important": {"is": True}},
            {"fields.industry_growth_pct": {"at_least": 25}},
            {"section": {"is": "basic"}},
        ),
        ("fields.owner_role", "section"),
    ),
    "assessment.recorded": Kind((classes.assessment,), ({"score": {"above": 55}},), ("assessor",), ("score",)),
    "contract.signed": Kind((finance.contract,), ({"contract_id": {"is": "V"}},), ("contract_id",)),
    "receipts": Kind(
        (first.large_payment, first.payment_reversed), ({"currency": {"is": "CNY"}},), ("payment_id",), (), ("amount",)
    ),
    "orders": Kind(
        (finance.order_placed, finance.order_placed, finance.order_cancelled),
        ({"lines": {"has": "valves"}}, {"amount": {"at_least": "500000"}}, {"campaign": {"known": True}}),
        ("order_id", "campaign"),
        ("quantity",),
        ("amount",),
        (finance.order_rhythm, finance.year_against_year),
    ),
    "instalments": Kind(
        (*INVOICES, first.dispute_settled, first.invoice_disputed),
        ({"late": {"is": True}}, {"fault": {"not": "ours"}}, {"late": {"is": False}, "currency": {"is": "CNY"}}),
        ("invoice_id",),
        (),
        ("amount",),
        (finance.late_payments, finance.good_payer),
    ),
    "promises": Kind(
        (service.promise_met, service.spec_changed),
        ({"met_at": {"known": False}}, {"order_id": {"is": "O1"}}),
        ("promise_id",),
        (),
        (),
        (service.promise,),
    ),
    "stage_steps": Kind(
        (sales.any_step,),
        ({"jump": {"above": 1}}, {"to": {"is": "needs"}}),
        ("to",),
        ("jump",),
        (),
        (sales.way,),
    ),
    "stage_visits": Kind(
        (sales.any_step,), ({"left_at": {"known": False}}, {"stage": {"not": "lost"}}), ("stage",), (), (), (sales.way,)
    ),
    "anniversaries": Kind(
        (contacts.birthday, finance.contract), ({"kind": {"is": "birthday"}}, {"opt_in": {"is": True}}), ("subject",)
    ),
}
WINDOWS: tuple[Any, ...] = (
    *("1d", "24h", "30d", "90d", "365d"),
    *({"months": 1}, {"months": 3}, {"months": 12}),
    *({"calendar": every} for every in ("week", "month", "quarter", "year")),
    *({"calendar": "month", "full": 1}, {"calendar": "month", "full": 3}, {"calendar": "week", "full": 2}),
    *({"calendar": "quarter", "full": 1}, {"calendar": "year", "full": 1}),
    *({"since": {"of": "contract.signed"}}, {"since": {"of": "activity.logged", "where": REACHED}}),
)
OPS = (">=", ">=", ">", "==", "<", "<=", "!=")
MONEY = ("10.00", "20.00", "100", "500000", "1000000", "250000.00", "0")


@dataclass
class Draft:
    """A rule in the making, and the events that it needs."""

    facts: dict[str, Spec]
    when: Spec
    makers: list[Maker]
    stories: list[Story]
    per: str | None = None
    conditions: dict[str, Spec] | None = None
    heard: tuple[Story, ...] = strategies_reference.STORIES


class Inventing:
    """Draws the parts of rules."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def mostly(self) -> bool:
        return self.draw(st.integers(0, 3)) < 3

    def kind(self, wanted: Callable[[Kind], Any] = lambda _: True) -> tuple[str, Kind]:
        name = self.pick(*(name for name, kind in KINDS.items() if wanted(kind)))
        return name, KINDS[name]

    def looking(self, name: str, kind: Kind, window: bool = True, late: bool = False) -> Spec:
        """`of`, perhaps `where`, perhaps a window and options; `late`, which may be unknown, only for some shapes."""
        spec: Spec = {"of": name}
        wants_late = late and name == "instalments"
        filters = [one for one in kind.filters if ("late" in one) is wants_late]
        if filters and (wants_late or self.mostly()):
            spec["where"] = self.pick(*filters)
        if window and self.mostly():
            spec["window"] = self.pick(*WINDOWS)
        if name == "instalments" and self.coin():
            spec |= self.pick(
                {"grace_days": 5}, {"exclude_disputed": False}, {"tolerance": "10.00"}, {"grace_days": 40}
            )
        return spec

    def leaf(self, spec: Spec, value: Any, *ops: str) -> Spec:
        return {"fact": "measured", "op": self.pick(*(ops or OPS)), "value": value}

    def drafted(self, spec: Spec, when: Spec, kind: Kind, *more: Kind) -> Draft:
        """Guarded: what is less than something was so before anything happened, and that has no beginning."""
        facts = {"measured": spec}
        if when["op"] not in (">=", ">") or when["value"] in ("0", "0s", 0) or "default" in spec:
            seen = spec.get("of", "activity.logged")
            facts["seen"] = {"shape": "count", "of": "activity.logged" if seen == "instalments" else seen}
            when = {"all": [{"fact": "seen", "op": ">=", "value": 1}, when]}
        every = (kind, *more, KINDS["contract.signed"], KINDS["activity.logged"])
        makers = [maker for one in (kind, kind, *every) for maker in one.makers]
        return Draft(facts, when, makers, [story for one in (kind, *more) for story in one.stories])


def counted(of: Inventing) -> Draft:
    name, kind = of.kind()
    shape = of.pick("count", "count", "distinct_days")
    spec = {"shape": shape, **of.looking(name, kind, late=shape == "count")}
    return of.drafted(spec, of.leaf(spec, of.pick(1, 2, 3, 0)), kind)


def told_apart(of: Inventing) -> Draft:
    name, kind = of.kind(lambda kind: kind.words)
    spec = {"shape": of.pick("distinct", "changes"), **of.looking(name, kind), "field": of.pick(*kind.words)}
    if spec["shape"] == "changes":
        spec["window"] = of.pick("30d", "365d", {"calendar": "quarter"}, {"months": 3})
    return of.drafted(spec, of.leaf(spec, of.pick(1, 2, 3)), kind)


def summed(of: Inventing) -> Draft:
    name, kind = of.kind(lambda kind: kind.numbers or kind.amounts)
    spec = {"shape": of.pick("sum", "mean"), **of.looking(name, kind), "field": of.pick(*kind.numbers, *kind.amounts)}
    if spec["field"] in kind.amounts:
        spec["currency"] = "CNY"
        return of.drafted(spec, of.leaf(spec, of.pick(*MONEY), ">=", ">", "<", "<="), kind)
    return of.drafted(spec, of.leaf(spec, of.pick(0, 1, 2, 3, 30, 1000), ">=", ">", "<", "<="), kind)


def extreme(of: Inventing) -> Draft:
    """The greatest of a number, or its mean weighed by an amount."""
    if of.coin():
        spec = {"shape": "mean", **of.looking("instalments", KINDS["instalments"]), "field": "days_late"}
        spec |= {"weight": "amount", "currency": "CNY"}
        return of.drafted(spec, of.leaf(spec, of.pick(0, 1, 3, 30), ">=", ">", "<", "<="), KINDS["instalments"])
    name, kind = of.kind(lambda kind: kind.numbers)
    spec = {"shape": "max", **of.looking(name, kind), "field": of.pick(*kind.numbers)}
    return of.drafted(spec, of.leaf(spec, of.pick(0, 1, 2, 3, 30), ">=", ">", "<", "<="), kind)


def shared(of: Inventing) -> Draft:
    name, kind = of.kind(lambda kind: kind.filters)
    spec = {"shape": "share", **of.looking(name, kind, late=True), "matching": of.pick(*kind.filters)}
    if kind.amounts and of.coin():
        spec |= {"field": of.pick(*kind.amounts), "currency": "CNY"}
    return of.drafted(spec, of.leaf(spec, of.pick("0.5", "0.25", "1", "0.4"), ">=", ">", "<", "<="), kind)


def trended(of: Inventing) -> Draft:
    name, kind = of.kind(lambda kind: kind.amounts)
    months = of.pick(1, 2, 3)
    spec = {
        "shape": "trend",
        **of.looking(name, kind, window=False),
        "field": of.pick(*kind.amounts),
        "currency": "CNY",
    }
    spec |= {"months": months, "back": of.pick(months, 6, 12)}
    return of.drafted(spec, of.leaf(spec, of.pick("0.5", "1", "2"), ">=", "<", "<="), kind)


def best_month(of: Inventing) -> Draft:
    spec = {"shape": "best_month", "series": "receipts", "currency": "CNY", "months": of.pick(1, 2, 3)}
    return of.drafted(spec, of.leaf(spec, of.pick(*MONEY[2:5]), ">=", ">"), KINDS["receipts"])


def newest(of: Inventing) -> Draft:
    name, field, values = of.pick(
        ("profile.updated", "fields.important", (True,)),
        ("profile.updated", "fields.industry_growth_pct", ("25", 10, "9.99")),
        ("activity.logged", "channel", ("phone", "onsite")),
        ("stage_visits", "stage", ("needs", "lost")),
        ("assessment.recorded", "score", (55, 80)),
        ("external.noted", "sentiment", ("negative",)),
    )
    kind = KINDS[name]
    spec = {"shape": "latest", **of.looking(name, kind, window=False), "field": field}
    if of.coin():
        spec["expires"] = of.pick("30d", "1d", "365d")
    if name == "assessment.recorded" and of.coin():
        spec["expires"] = {"field": "valid_until"}
    ordered = field in ("fields.industry_growth_pct", "score")
    ops = (">=", ">", "<", "<=") if ordered else ("==", "!=")
    return of.drafted(spec, of.leaf(spec, of.pick(*values), *ops), kind)


def filled(of: Inventing) -> Draft:
    section = of.pick(*contacts.ARCHIVE)
    spec = {
        "shape": "filled",
        "of": "profile.updated",
        "section": section,
        "fields": list(contacts.ARCHIVE[section])[:3],
    }
    return of.drafted(spec, of.leaf(spec, of.pick("0.5", "1", "0.3"), ">=", "<"), Kind((contacts.profile,)))


def since_last(of: Inventing) -> Draft:
    name, kind = of.kind()
    spec = {"shape": "since_last", **of.looking(name, kind, window=False)}
    extra: tuple[Kind, ...] = ()
    if of.coin():
        other = of.pick("contract.signed", "customer.owner_changed", "orders")
        extra = (KINDS[other],)
        spec["otherwise"] = {"of": other}
    limit = of.pick("1d", "30d", "92d", "12h", "365d")
    return of.drafted(spec, of.leaf(spec, limit, ">=", ">=", ">", "<", "<="), kind, *extra)


def since_condition(of: Inventing) -> Draft:
    """Since the last one; before, since a condition holds."""
    name, kind = of.kind()
    draft = of.pick(counted, newest, best_month)(of)
    facts = {f"inner_{name}": spec for name, spec in draft.facts.items()}
    spec = {"shape": "since_last", **of.looking(name, kind, window=False), "otherwise": {"condition": "inner"}}
    facts["measured"] = spec
    leaf = of.leaf(spec, of.pick("1d", "30d", "7d"), ">=", ">")
    return Draft(
        facts, leaf, [*draft.makers, *kind.makers], draft.stories, conditions={"inner": inner_names(draft.when)}
    )


def inner_names(tree: Spec) -> Spec:
    """The tree over facts that got other names."""
    if "all" in tree:
        return {"all": [inner_names(part) for part in tree["all"]]}
    return {**tree, "fact": f"inner_{tree['fact']}"}


def past_usual_gap(of: Inventing) -> Draft:
    name, kind = of.kind()
    spec = {"shape": "past_usual_gap", **of.looking(name, kind, window=False), "times": of.pick(1, 2, 3)}
    spec["least"] = of.pick("1d", "30d", "90d")
    return of.drafted(spec, of.leaf(spec, of.pick("0s", "0s", "5d"), ">="), kind)


def years(of: Inventing) -> Draft:
    name, kind = of.kind()
    spec = {"shape": "anniversaries_since_first", **of.looking(name, kind, window=False)}
    return of.drafted(spec, of.leaf(spec, of.pick(0, 1, 2, 3), ">=", "<", "=="), kind)
