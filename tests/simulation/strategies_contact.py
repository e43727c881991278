"""Who spoke with the customer and when: cadences, follow-ups, owners, birthdays, the archive."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.simulation.strategies_finance import contract, order, receipts
from tests.simulation.strategies_scene import DAY, Document, Scene

PEOPLE = ("w", "v")
CARD = ("name", "employer", "post", "address", "contact")
ARCHIVE = {
    "basic": (*CARD, "industry", "size"),
    "relationship": ("decision_chain", "preferences", "key_contact"),
    "transaction": ("payment_terms", "credit_limit", "product_lines"),
    "external": ("competitors", "policy", "market"),
}


def contact(scene: Scene, at: datetime, **more: object) -> Document:
    """A call, mail or visit; some are automatic or reach nobody."""
    data: Document = {
        "kind": scene.pick("call", "call", "visit", "exec_visit", "care", "survey"),
        "by": scene.pick(*PEOPLE),
    }
    data["channel"] = "onsite" if "visit" in data["kind"] else scene.pick("phone", "email", "video", "im", "post")
    if data["kind"] == "survey":
        data["parts"] = scene.pick(["questionnaire"], ["phone"], ["questionnaire", "phone"])
    data |= {"automated": not scene.often(8), "outcome": "reached" if scene.often(8) else scene.pick("bounced", "met")}
    data |= {"direction": scene.pick("outbound", "inbound"), "opportunity_id": scene.pick(None, None, "D1", "D2")}
    if not scene.often(3):
        data["reply_latency_minutes"] = scene.pick(30, 60, 61, 1000, 2880, 3000)
    if not scene.often(2):
        data["next_at"] = scene.iso(at + 7 * DAY)
    return scene.tell("activity.logged", at, {**data, **more})


def any_contact(scene: Scene) -> Document:
    return contact(scene, scene.moment())


def owner_changed(scene: Scene, at: datetime | None = None) -> Document:
    data = {"new": scene.pick(*PEOPLE), "old": scene.pick("u", "w", None)}
    return scene.tell("customer.owner_changed", at or scene.moment(), data)


def handover(scene: Scene) -> list[Document]:
    """One owner after the other, and contact about as late as is allowed: R8 and R9."""
    at = scene.moment()
    told = [owner_changed(scene, at)]
    if scene.often(2):
        told.append(owner_changed(scene, scene.beside(at, scene.pick(3, 7, 200, 365) * DAY)))
    spans = scene.pick((), (7,), (7, 21), (21,))
    return told + [contact(scene, scene.beside(at, span * DAY)) for span in spans]


def weekly(scene: Scene) -> list[Document]:
    """A customer of the tier who is called most weeks: R6, R6b and R7."""
    told = receipts(scene)
    start = scene.moment() if scene.often(3) else datetime.fromisoformat(told[0]["time"])
    for number in range(scene.pick(0, 2, 4, 6)):
        if scene.often(5):
            told.append(contact(scene, start + timedelta(days=7 * number + scene.pick(0, 0, 1, 5)), automated=False))
    return told


def quarterly(scene: Scene) -> list[Document]:
    """A customer who stays in the tier for a quarter and more, and is visited in it or not: R6b."""
    first = scene.first_day + scene.pick(0, 20) * DAY
    told = []
    for number in range(scene.pick(3, 4, 5)):
        day = first + timedelta(days=scene.pick(45, 55) * number)
        data = {"payment_id": f"T{number}", "value_date": day.isoformat(), "amount": "500000.00", "currency": "CNY"}
        told.append(scene.event(day, "payment.received", data))
    visits = [contact(scene, scene.moment(), kind="visit", channel="onsite") for _ in range(scene.pick(0, 1, 2))]
    return told + visits


def monthly(scene: Scene) -> list[Document]:
    """A customer by contract who is surveyed, invited and visited now and then: R28, R28b, R28c, R39c."""
    at = scene.moment()
    told = [contract(scene, at)]
    for number in range(scene.pick(1, 2, 3)):
        when = scene.beside(at, timedelta(days=scene.pick(20, 30, 31, 90) * (number + 1)))
        kind = scene.pick("survey", "exec_visit", "visit", "salon")
        if kind == "salon":
            told.append(invited(scene, when))
        elif kind == "survey":
            parts = scene.pick(["phone"], ["questionnaire", "phone"], ["questionnaire"])
            told.append(contact(scene, when, kind="survey", parts=parts))
        else:
            told.append(contact(scene, when, kind=kind, channel="onsite"))
    return told


def invited(scene: Scene, at: datetime | None = None) -> Document:
    data = {"event_id": "s", "kind": scene.pick("salon", "salon", "fair")}
    return scene.tell("event.invited", at or scene.moment(), data, None)


def delivered(scene: Scene, at: datetime | None = None, name: str | None = None) -> Document:
    return scene.tell("order.delivered", at or scene.moment(), {"order_id": name or scene.pick("O1", "O2")})


def deliveries(scene: Scene) -> list[Document]:
    """Delivered or closed, and a call about a week later: R39 and R39b."""
    at = scene.moment()
    name = scene.pick("O1", "O2")
    told = [order(scene, at, name, "100"), delivered(scene, scene.beside(at, DAY), name)]
    if scene.often(2):
        told.append(contact(scene, scene.beside(at, 8 * DAY)))
    return told


def birthday(scene: Scene) -> Document:
    """Some on leap days, some by the Chinese calendar, some near enough to lie within the lead."""
    at = scene.moment()
    near = (at + scene.pick(2, 3, 4, 30) * DAY).strftime("%m-%d")
    data: Document = {"contact_id": scene.pick("k1", "k2"), "opt_in": scene.often(4)}
    if scene.often(2):
        data["month_day"] = scene.pick("02-29", "02-28", "03-01", "12-31", "01-01", near, near)
    else:
        data |= {"month_day": scene.pick("01-01", "12-30", "08-15", "12-29", "02-30", "06-01"), "lunar": True}
    return scene.tell("contact.birthday", at, data, None)


def greetings(scene: Scene) -> list[Document]:
    return [birthday(scene), contract(scene), birthday(scene)]


def profile(scene: Scene) -> Document:
    """Some fields of a section, some of them empty; or a word that all is as it was."""
    section = scene.pick(*ARCHIVE)
    names = [name for name in ARCHIVE[section] if scene.often(3)]
    data: Document = {"section": section, "fields": {name: scene.pick("x", "x", "x", "", None, 0) for name in names}}
    if not names:
        data["confirmed_unchanged"] = True
    return scene.tell("profile.updated", scene.moment(), data)


def archive(scene: Scene) -> list[Document]:
    """A customer whose archive is kept up now and then: R11, R35."""
    at = scene.moment()
    told = [contract(scene, at)]
    for number, section in enumerate(ARCHIVE):
        when = scene.beside(at, scene.pick(1, 92, 92, 100) * DAY + number * DAY)
        told.append(scene.tell("profile.updated", when, {"section": section, "confirmed_unchanged": True}))
    fields = {name: "x" for name in CARD if scene.often(9)}
    words = {"section": "basic", "fields": fields or {"name": "x"}}
    return [*told, scene.tell("profile.updated", scene.moment(), words)]


STORIES = (handover, weekly, weekly, quarterly, monthly, deliveries, deliveries, greetings, archive)
EVENTS = (any_contact, any_contact, owner_changed, birthday, profile, contract, invited, delivered)
