"""Service cases, feedback, promises, milestones, and what is said outside."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.simulation.strategies_contact import any_contact, contact
from tests.simulation.strategies_finance import order
from tests.simulation.strategies_scene import DAY, HOUR, Document, Scene

CASES = ("S1", "S2")
TIMES = (timedelta(minutes=30), 4 * HOUR, DAY, 7 * DAY)


def _case(scene: Scene, word: str, at: datetime, case: str | None = None, **more: object) -> Document:
    return scene.tell(f"service_case.{word}", at, {"case_id": case or scene.pick(*CASES), **more})


def case_word(scene: Scene) -> Document:
    """One word about one of the cases, opened or not."""
    word = scene.pick("opened", "acknowledged", "assigned", "resolved", "closed")
    more: Document = {}
    if word == "opened":
        more["priority"] = scene.pick("P1", "P2", "P3", "P4")
    elif word == "assigned":
        more["to"] = scene.pick("x", "y")
    elif word == "closed":
        more["score"] = scene.pick(None, 1, 2, 3, 5)
    return _case(scene, word, scene.moment(), **more)


def fault(scene: Scene) -> list[Document]:
    """A case with its answers about as late as is allowed: R30, R12, R39b."""
    at, case = scene.moment(), scene.pick(*CASES)
    told = [_case(scene, "opened", at, case, priority=scene.pick("P1", "P1", "P2", "P4"))]
    if scene.often(2):
        told.append(_case(scene, "acknowledged", scene.beside(at, scene.pick(*TIMES)), case))
    told += [_case(scene, "assigned", at + hops * HOUR, case, to="x") for hops in range(scene.pick(0, 2, 3, 4))]
    if scene.often(3):
        told.append(_case(scene, "resolved", scene.beside(at, scene.pick(*TIMES)), case))
    if scene.often(2):
        closed = scene.beside(at, 7 * DAY)
        told.append(_case(scene, "closed", closed, case, score=scene.pick(1, 2, 2, 3, None)))
        if scene.often(2):
            told.append(contact(scene, scene.beside(closed, 7 * DAY)))
    return told


def scores(scene: Scene) -> list[Document]:
    """Cases closed with marks around the limit, about as far apart as the window: R12."""
    at = scene.moment()
    return [
        _case(scene, "closed", scene.beside(at, span * DAY), score=scene.pick(1, 2, 2, 3))
        for span in scene.pick((0,), (0, 45), (0, 90), (0, 1, 90))
    ]


def feedback(scene: Scene) -> list[Document]:
    """Something said, and an answer about as late as is allowed: R14."""
    at, name = scene.moment(), scene.pick("F1", "F2")
    told = [scene.tell("feedback.raised", at, {"feedback_id": name, "topic": "x"})]
    spans = scene.pick((), (7,), (30,), (-1, 8))
    answers = [scene.tell("feedback.answered", scene.beside(at, days * DAY), {"feedback_id": name}) for days in spans]
    return told + answers


def feedback_word(scene: Scene) -> Document:
    name = {"feedback_id": scene.pick("F1", "F2")}
    if scene.often(2):
        return scene.tell("feedback.raised", scene.moment(), {**name, "topic": "x"})
    return scene.tell("feedback.answered", scene.moment(), name)


def promise(scene: Scene) -> list[Document]:
    """A promise that is kept in time, late or never, and perhaps an order that changes under it: R31."""
    at, name, of = scene.moment(), scene.pick("Q1", "Q2"), scene.pick("O1", "O2", None)
    due = scene.beside(at, 10 * DAY)
    told = [scene.tell("promise.made", at, {"promise_id": name, "due": scene.iso(due), "order_id": of})]
    if scene.often(2):
        told.append(scene.tell("promise.met", scene.beside(due), {"promise_id": name}))
    if scene.often(2):
        told.append(spec_changed(scene, scene.beside(at, scene.pick(0, 5, 10) * DAY)))
    return told


def spec_changed(scene: Scene, at: datetime | None = None) -> Document:
    when = at or scene.moment()
    day = (when + scene.pick(3, 10, 30) * DAY).date().isoformat()
    data = {"order_id": scene.pick("O1", "O2"), "promised_date": scene.pick(day, day, None)}
    return scene.tell("order.spec_changed", when, data)


def promise_met(scene: Scene) -> Document:
    return scene.tell("promise.met", scene.moment(), {"promise_id": scene.pick("Q1", "Q2")})


def milestone(scene: Scene) -> Document:
    day = scene.day()
    data = {"kind": scene.pick("opening", "award", "mourning"), "occurs_on": day.isoformat()}
    return scene.event(day, "customer.milestone", data)


def care(scene: Scene) -> list[Document]:
    """A day that calls for care, and care around the limit: R28d."""
    told = [milestone(scene)]
    day = datetime.fromisoformat(told[0]["data"]["occurs_on"]).replace(tzinfo=scene.zone)
    if scene.often(2):
        told.append(contact(scene, scene.beside(day, scene.pick(0, 3, 4) * DAY), kind="care", channel="phone"))
    return told


def external(scene: Scene) -> Document:
    sentiment = scene.pick("negative", "negative", "neutral", "positive")
    return scene.tell(
        "external.noted", scene.moment(), {"kind": scene.pick("media", "policy", "competitor"), "sentiment": sentiment}
    )


def some_order(scene: Scene) -> Document:
    return order(scene, scene.moment(), scene.pick("O1", "O2"))


STORIES = (fault, fault, scores, feedback, promise, care)
EVENTS = (case_word, case_word, feedback_word, spec_changed, promise_met, milestone, external, any_contact, some_order)
