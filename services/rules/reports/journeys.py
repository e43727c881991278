"""The way from a lead to a contract: each lead with what became of it, and deals that came without a lead. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from schemas.customers import Lead, Opportunity, StageVisit
from schemas.sales import STAGES
from services.rules.reports.customer import Customer
from services.rules.reports.model import Words

PLACES = {stage: place for place, stage in enumerate(STAGES)}
STAGE_TITLES: dict[str, Words] = {
    "lead": Words("线索", "Lead"),
    "opportunity": Words("商机", "Opportunity"),
    "needs": Words("需求分析", "Needs analysis"),
    "proposal": Words("方案呈现", "Proposal"),
    "negotiation": Words("商务谈判", "Negotiation"),
    "won": Words("赢单", "Won"),
}


@dataclass(frozen=True)
class Journey:
    """`first` and `furthest` are places in STAGES; `lead_at` is None for a deal that goes back to no lead, `won_at`
    while it is not won."""

    began: datetime
    owner: str | None
    first: int
    furthest: int
    lead_at: datetime | None
    won_at: datetime | None


def journeys(customer: Customer, at: datetime) -> Iterator[Journey]:
    """Every journey that had begun before `at`, as far as it had come by then.

    A lead that became several deals goes as far as the one that went furthest. A deal without a known lead that began
    in the stage `lead` is its own lead; others begin where they were first seen.
    """
    deals: dict[str, list[tuple[Opportunity, list[StageVisit]]]] = {}
    leads = {lead.id: lead for lead in customer.snapshot.leads if lead.created < at}
    for deal, visits in customer.deals_until(at):
        if deal.lead_id in leads:
            deals.setdefault(deal.lead_id, []).append((deal, visits))
        else:
            yield from _without_lead(customer, deal, visits)
    for lead in leads.values():
        yield _of_lead(customer, lead, [visits for _, visits in deals.get(lead.id, [])])


def _of_lead(customer: Customer, lead: Lead, visited: list[list[StageVisit]]) -> Journey:
    places = [place for visits in visited for place in _places(visits)]
    won = [at for at in map(_won_at, visited) if at is not None]
    return Journey(
        began=lead.created,
        owner=lead.owner or customer.usual_owner,
        first=0,
        furthest=max(places, default=0),
        lead_at=lead.created,
        won_at=min(won, default=None),
    )


def _without_lead(customer: Customer, deal: Opportunity, visits: list[StageVisit]) -> Iterator[Journey]:
    places = _places(visits)
    if not places:
        return
    began = visits[0].entered
    yield Journey(
        began=began,
        owner=deal.owner or customer.usual_owner,
        first=places[0],
        furthest=max(places),
        lead_at=began if visits[0].stage == "lead" else None,
        won_at=_won_at(visits),
    )


def _places(visits: list[StageVisit]) -> list[int]:
    return [PLACES[visit.stage] for visit in visits if visit.stage in PLACES]


def _won_at(visits: list[StageVisit]) -> datetime | None:
    return visits[-1].entered if visits[-1].stage == "won" else None
