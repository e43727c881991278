"""Events and beginnings for the first rules: invoices and money, fairs, contracts, contacts that change."""

from __future__ import annotations

from datetime import date, timedelta

from tests.simulation.strategies_scene import AMOUNTS, Document, Scene

IMPORTANT_WORDS = (True, True, False, "true", None)
PAID_AMOUNTS = (*AMOUNTS, "100.00", "100.00")
LARGE_AMOUNTS = ("250000.00", "499999.99", "500000.00", "0.01")


def invoice_issued(scene: Scene) -> Document:
    issued = scene.day()
    due = scene.near(issued)
    data: Document = {
        "invoice_id": scene.invoice_id(),
        "currency": scene.currency(),
        "issue_date": issued.isoformat(),
    }
    if scene.often(3 if scene.narrow else 4):
        return scene.event(issued, "invoice.issued", data | {"amount": scene.amount(), "due_date": due.isoformat()})
    dues = [due, scene.day(), due + timedelta(days=31)][: scene.pick(1, 2, 3)]
    parts = [{"due_date": day.isoformat(), "amount": scene.pick("10.00", "20.00")} for day in dues]
    total = sum(int(part["amount"][:2]) for part in parts)
    return scene.event(issued, "invoice.issued", data | {"amount": f"{total}.00", "instalments": parts})


def invoices_monthly(scene: Scene) -> list[Document]:
    """Invoices of several months running, some paid around the day they were due: what R1 is about."""
    first, currency = scene.day(), scene.currency()
    documents = []
    for number in range(scene.pick(2, 3, 4)):
        due = first + timedelta(days=30 * number)
        issued = due - timedelta(days=20)
        data: Document = {"invoice_id": "ABCD"[number], "amount": scene.amount(), "currency": currency}
        data |= {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
        documents.append(scene.event(issued, "invoice.issued", data))
        if not scene.often(2):
            documents.append(_settlement(scene, "PQRS"[number], data))
    return documents


def _settlement(scene: Scene, payment_id: str, invoice: Document) -> Document:
    """The invoice's amount, around its due date; booked on it, or left to find its way."""
    value_date = scene.near(date.fromisoformat(invoice["due_date"]))
    data = {"payment_id": payment_id, "amount": invoice["amount"], "currency": invoice["currency"]}
    data["value_date"] = value_date.isoformat()
    if not scene.often(4):
        data["currency"] = "EUR" if data["currency"] == "CNY" else "CNY"
    if scene.often(3):
        data["allocations"] = [{"invoice_id": invoice["invoice_id"], "amount": invoice["amount"]}]
    return scene.event(value_date, "payment.received", data)


def payment_received(scene: Scene, amounts: tuple[str, ...] = PAID_AMOUNTS) -> Document:
    value_date = scene.day()
    amount = scene.pick(*amounts)
    data: Document = {
        "payment_id": scene.pick("P", "Q", "R", "S"),
        "amount": amount,
        "currency": scene.currency(),
        "value_date": value_date.isoformat(),
    }
    booked = scene.pick(0, 1, 2)
    if booked == 1:
        data["allocations"] = [{"invoice_id": scene.invoice_id(), "amount": amount}]
    elif booked == 2 and amount in ("20.00", "30.00", "50.00", "100.00"):
        data["allocations"] = [{"invoice_id": scene.invoice_id(), "amount": "10.00"} for _ in range(scene.pick(1, 2))]
    return scene.event(value_date, "payment.received", data)


def receipts_monthly(scene: Scene) -> list[Document]:
    """Large money in several months running, some of it foreign: what makes a customer important, or perhaps."""
    first = scene.day()
    documents = []
    for number in range(scene.pick(2, 3, 4)):
        day = first + timedelta(days=30 * number)
        data: Document = {"payment_id": "PQRS"[number], "value_date": day.isoformat()}
        data |= {"amount": scene.pick(*LARGE_AMOUNTS), "currency": scene.pick("CNY", "CNY", "EUR")}
        documents.append(scene.event(day, "payment.received", data))
    return documents


def payment_reversed(scene: Scene) -> Document:
    return scene.event(scene.day(), "payment.reversed", {"payment_id": scene.pick("P", "Q", "R", "S")})


def accounts(scene: Scene) -> list[Document]:
    """Two invoices of even parts and a little money, booked or not: which part does it cover?"""
    documents = []
    for invoice_id in "AB":
        issued = scene.day()
        dues = [issued + timedelta(days=scene.pick(5, 20, 45, 70)) for _ in range(scene.pick(1, 2))]
        parts = [{"due_date": due.isoformat(), "amount": "10.00"} for due in dues]
        data: Document = {"invoice_id": invoice_id, "amount": f"{10 * len(dues)}.00", "currency": "CNY"}
        data |= {"issue_date": issued.isoformat(), "instalments": parts}
        documents.append(scene.event(issued, "invoice.issued", data))
    for payment_id in "PQ":
        value_date = scene.near(scene.day())
        data = {"payment_id": payment_id, "amount": "10.00", "currency": "CNY", "value_date": value_date.isoformat()}
        if not scene.often(2):
            data["allocations"] = [{"invoice_id": scene.pick("A", "B"), "amount": "10.00"}]
        documents.append(scene.event(value_date, "payment.received", data))
    return documents


def quarrel(scene: Scene) -> list[Document]:
    """An invoice that is contested and settled more than once, much of it at one instant."""
    documents = invoices_monthly(scene)
    when = [scene.instant(day) for day in scene.favourites[:2]]
    for _ in range(scene.pick(2, 3, 4)):
        word = scene.pick(*QUARRELS)(scene)
        word["data"].update({"invoice_id": "A", "at": scene.pick(*when)})
        documents.append({**word, "time": scene.pick(*when)})
    return documents


def fairs(scene: Scene) -> list[Document]:
    """Days at trade fairs that are about as far apart as the rule's window, or hours."""
    first = scene.day()
    days = [first, *(first + timedelta(days=scene.pick(0, 0, 1, 29, 30, 89, 90)) for _ in range(scene.pick(1, 2)))]
    data = {"competitor_id": "x", "kind": "trade_show"}
    return [scene.event(day, "competitor.activity", {**data, "occurred_at": scene.instant(day)}) for day in days]


def invoice_credited(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "credit_id": scene.pick("K", "L"), "amount": scene.amount()}
    data |= {"currency": scene.currency(), "credit_date": day.isoformat()}
    return scene.event(day, "invoice.credited", data)


def invoice_disputed(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "at": scene.maybe_instant(day)}
    return scene.event(day, "invoice.disputed", data)


def dispute_settled(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "outcome": scene.pick("rejected", "upheld")}
    return scene.event(day, "dispute.settled", data | {"at": scene.maybe_instant(day)})


def contact_changed(scene: Scene) -> Document:
    day = scene.day()
    data = {
        "contact_id": scene.pick("k1", "k2"),
        "change": scene.pick("left", "replaced", "role_changed", "joined", "details"),
        "decision_role": scene.pick("procurement", "technical", "finance", "executive", "user", None),
        "certainty": "announced" if scene.often(4) else "rumoured",
        "effective_at": scene.maybe_instant(day),
    }
    return scene.event(day, "contact.changed", data)


def competitor_activity(scene: Scene) -> Document:
    day = scene.day()
    data = {"competitor_id": scene.pick("x", "y"), "kind": "trade_show" if scene.often(5) else "visit"}
    return scene.event(day, "competitor.activity", data | {"occurred_at": scene.maybe_instant(day)})


def contract_signed(scene: Scene) -> Document:
    day = scene.day()
    data = {"contract_id": scene.pick("V", "W"), "signed_at": scene.instant(scene.pick(day, scene.first_day))}
    return scene.event(day, "contract.signed", data)


def activity_logged(scene: Scene) -> Document:
    day = scene.day()
    data = {
        "kind": scene.pick("call", "needs_confirmation"),
        "channel": scene.pick("phone", "email"),
        "automated": not scene.often(5),
        "outcome": "reached" if scene.often(5) else scene.pick("unreached", "voicemail"),
        "at": scene.instant(scene.pick(day, scene.first_day + timedelta(days=scene.pick(1, 2, 3, 4)))),
    }
    if not scene.often(3):
        del data["at"]
    return scene.event(day, "activity.logged", data)


def profile_updated(scene: Scene) -> Document:
    day = scene.day()
    fields = {"important": scene.pick(*IMPORTANT_WORDS)} if scene.often(4) else {"size": 3}
    data = {"section": "basic", "fields": fields, "at": scene.maybe_instant(day)}
    return scene.event(day, "profile.updated", data)


def owner_changed(scene: Scene) -> Document:
    day = scene.day()
    return scene.event(day, "customer.owner_changed", {"new": "w", "at": scene.maybe_instant(day)})


def large_payment(scene: Scene) -> Document:
    return payment_received(scene, LARGE_AMOUNTS)


QUARRELS = (invoice_disputed, dispute_settled)
