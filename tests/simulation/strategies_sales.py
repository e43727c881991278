"""Opportunities on their way from a lead to a contract."""

from __future__ import annotations

from datetime import datetime

from tests.simulation.strategies_contact import any_contact, contact
from tests.simulation.strategies_scene import DAY, HOUR, Document, Scene

DEALS = ("D1", "D2")
WAY = ("lead", "opportunity", "needs", "proposal", "negotiation", "won")
STAGES = (*WAY, "lost", "elsewhere")
CONFIRMED = (True, True, True, True, True, True, False, None)
TASKS = {
    "opportunity": ("decision_chain", "budget"),
    "needs": ("needs_interview", "needs_document"),
    "proposal": ("proposal_document", "presentation"),
    "negotiation": ("price_agreed", "contract_draft"),
}


def step(scene: Scene, at: datetime, deal: str, before: str | None, after: str) -> Document:
    """One change of stage; the confirmations come along where they belong, or not."""
    data: Document = {"opportunity_id": deal, "from": before, "to": after}
    if before == "lead":
        for name in ("need_confirmed", "budget_confirmed", "decision_process_confirmed"):
            data[name] = scene.pick(*CONFIRMED)
    return scene.tell("opportunity.stage_changed", at, data)


def any_step(scene: Scene) -> Document:
    return step(scene, scene.moment(), scene.pick(*DEALS), scene.pick(*STAGES, None), scene.pick(*STAGES))


def way(scene: Scene) -> list[Document]:
    """Stage after stage, some skipped, some taken back, some held for a month: R24, R24e, R24s."""
    at, deal = scene.moment(), scene.pick(*DEALS)
    told, before = [], None
    for stage in WAY[scene.pick(0, 0, 0, 1) : scene.pick(2, 3, 4, 6)]:
        if before is not None and not scene.often(6):
            continue
        told.append(step(scene, at, deal, before, stage))
        before, at = stage, scene.beside(at, scene.pick(1, 5, 30) * DAY)
    if not scene.often(3):
        told.append(step(scene, at, deal, before, scene.pick("lost", "lead", "needs", "won")))
    return told


def role_set(scene: Scene, at: datetime | None = None, role: str | None = None) -> Document:
    roles = ("procurement", "technical", "finance", "executive")
    data = {"contact_id": scene.pick("k1", "k2", "k3"), "decision_role": role or scene.pick(*roles)}
    return scene.tell("contact.role_set", at or scene.moment(), data, None)


def mapped(scene: Scene) -> list[Document]:
    """The decision chain, mapped or nearly, when the deal leaves the stage that asks for it: R24a."""
    at, deal = scene.moment(), scene.pick(*DEALS)
    told = [step(scene, at, deal, "lead", "opportunity")]
    told += [role_set(scene, scene.beside(at, 5 * DAY), role) for role in ("procurement", "technical", "finance")]
    return [*told, step(scene, scene.beside(at, 6 * DAY), deal, "opportunity", scene.pick("needs", "lost", "proposal"))]


def proposed(scene: Scene) -> list[Document]:
    """A proposal, and what has to follow within a day: R24b."""
    at, deal = scene.moment(), scene.pick(*DEALS)
    told = [step(scene, at, deal, "needs", "proposal")]
    if scene.often(3):
        told.append(minutes(scene, scene.beside(at, scene.pick(0, 24, 24) * HOUR), deal))
    if scene.often(3):
        told.append(document(scene, scene.beside(at, scene.pick(0, 24, 24) * HOUR), deal))
    if not scene.often(3):
        told.append(step(scene, scene.beside(at, DAY), deal, "needs", "proposal"))
    return told


def minutes(scene: Scene, at: datetime | None = None, deal: str | None = None) -> Document:
    return contact(
        scene, at or scene.moment(), kind="minutes_sent", channel="email", opportunity_id=deal or scene.pick(*DEALS)
    )


def document(scene: Scene, at: datetime | None = None, deal: str | None = None) -> Document:
    data = {"kind": scene.pick("proposal", "proposal", "leaflet"), "opportunity_id": deal or scene.pick(*DEALS, None)}
    return scene.tell("document.sent", at or scene.moment(), data)


def tasks(scene: Scene) -> list[Document]:
    """A stage, and its tasks: before it began, in it, or half of them. R24d."""
    at, deal, stage = scene.moment(), scene.pick(*DEALS), scene.pick(*TASKS)
    told = [step(scene, at, deal, None, stage)]
    for kind in TASKS[stage]:
        data = {"kind": kind, "opportunity_id": deal if scene.often(9) else scene.pick(*DEALS, None)}
        told.append(scene.tell("task.completed", scene.beside(at, scene.pick(0, 2, 2) * DAY), data))
    if not scene.often(3):
        told.append(step(scene, scene.beside(at, 9 * DAY), deal, stage, scene.pick(*STAGES)))
    return told


def task(scene: Scene) -> Document:
    kind = scene.pick(*TASKS[scene.pick(*TASKS)])
    return scene.tell("task.completed", scene.moment(), {"kind": kind, "opportunity_id": scene.pick(*DEALS, None)})


def status(scene: Scene) -> Document:
    word = scene.pick("needs_technical_support", "contract_review", "waiting")
    data = {"opportunity_id": scene.pick(*DEALS), "status": word}
    return scene.tell("opportunity.status_changed", scene.moment(), data)


def statuses(scene: Scene) -> list[Document]:
    return [status(scene) for _ in range(scene.pick(2, 3, 4))]


STORIES = (way, way, mapped, proposed, tasks, tasks, statuses)
EVENTS = (any_step, any_step, role_set, minutes, document, task, status, any_contact)
