"""What makes a class or a score: growth, requests, press, judgement, years together, ranks."""

from __future__ import annotations

from tests.simulation.strategies_contact import any_contact
from tests.simulation.strategies_contact import profile as archive_word
from tests.simulation.strategies_finance import contract, large_orders, late_payments, order
from tests.simulation.strategies_first import contact_changed
from tests.simulation.strategies_sales import any_step
from tests.simulation.strategies_scene import DAY, Document, Scene
from tests.simulation.strategies_service import external

EXPANSIONS = (True, False, "yes")
GROWTH = (25, 26, "25", "24.9", 10, "9.99", 30.5, 9, None, "fast", 0)


def words(scene: Scene, **fields: object) -> Document:
    """A word about the customer's field of business, or about us there."""
    chosen = fields or {
        scene.pick("industry_growth_pct"): scene.pick(*GROWTH),
        **scene.pick({}, {"expansion_plan": scene.pick(*EXPANSIONS)}, {"owner_role": scene.pick("KAM", "rep", None)}),
        **scene.pick({}, {}, {"important": scene.pick(*EXPANSIONS)}),
    }
    return scene.tell("profile.updated", scene.moment(), {"section": "external", "fields": chosen})


def request(scene: Scene) -> Document:
    return scene.tell("request.logged", scene.moment(), {"kind": scene.pick("custom", "custom", "sample")})


def requests(scene: Scene) -> list[Document]:
    """Growth and wishes, nearly a year apart or not: R27, R10p."""
    at = scene.moment()
    told = [words(scene, industry_growth_pct=scene.pick(*GROWTH[:4], 30))]
    return told + [
        scene.tell("request.logged", at + span * DAY, {"kind": "custom"})
        for span in scene.pick((0, 365), (0, 1), (0, 366), (0, 10, 20), (0,))
    ]


def assessment(scene: Scene) -> Document:
    at = scene.moment()
    last = (at + scene.pick(0, 1, 30, 100) * DAY).date().isoformat()
    data = {"score": scene.pick(0, 55, 80, 100), "assessor": "w", "valid_until": last if scene.often(2) else None}
    return scene.tell("assessment.recorded", at, data, None)


def survey_answered(scene: Scene) -> Document:
    return scene.tell(
        "survey.answered", scene.moment(), {"satisfaction": scene.pick(1.0, 4.5), "nps": scene.pick(None, 9)}
    )


def attended(scene: Scene) -> Document:
    return scene.tell("event.attended", scene.moment(), {"event_id": "s", "kind": scene.pick("salon", "fair")})


def others(scene: Scene) -> Document:
    """Events that no rule reads."""
    kind, data = scene.pick(
        ("lead.created", {"lead_id": "L"}),
        ("customer.merged", {"merged_customer_id": "c9"}),
        ("contract.ended", {"contract_id": "V"}),
    )
    return scene.tell(kind, scene.moment(), data, None)


def cultivated(scene: Scene) -> list[Document]:
    """Two million a year, a growing industry, never late: the story of R10a."""
    growth = words(scene, industry_growth_pct=scene.pick(25, "25", 24))
    return [order(scene, scene.moment(), "O1", scene.pick("2000000", "1000000")), growth]


def strategic(scene: Scene) -> list[Document]:
    """Five million a year, and who looks after it: R23, R7."""
    told = [order(scene, scene.moment(), "O1", "5000000")]
    return told if scene.often(2) else [*told, words(scene, owner_role=scene.pick("KAM", "rep", "", None))]


def old_friend(scene: Scene) -> list[Document]:
    """Five years together, three million a year, slow growth: R27p, R25."""
    years = scene.pick(365, 1095, 1825, 1826, 1827, 1900, 2000)
    signed = scene.tell("contract.signed", scene.moment() - years * DAY, {"contract_id": "V"}, "signed_at")
    return [
        signed,
        order(scene, scene.moment(), "O1", "3000000"),
        words(scene, industry_growth_pct=scene.pick(5, "9.99", 10)),
    ]


def risk(scene: Scene) -> list[Document]:
    """Deciders who change and bad press, about as far apart as the window: R10r."""
    at, kind = scene.moment(), scene.pick("contact.changed", "external.noted")
    told = [order(scene, scene.moment(), "O1", scene.pick("5000000", "1000000"))]
    for span in scene.pick((0, 1), (0, 183), (0, 182), (0, 30, 60)):
        when = scene.beside(at, span * DAY)
        if kind == "contact.changed":
            data = {"contact_id": scene.pick("k1", "k2"), "change": "left", "decision_role": "finance"}
            told.append(scene.tell(kind, when, data, "effective_at"))
        else:
            told.append(scene.tell(kind, when, {"kind": "media", "sentiment": "negative"}))
    return told


STORIES = (requests, cultivated, strategic, old_friend, risk, large_orders, late_payments)
EVENTS = (
    *(words, request, assessment, survey_answered, attended, others, external, any_contact, archive_word, any_step),
    *(contract, contact_changed),
)
