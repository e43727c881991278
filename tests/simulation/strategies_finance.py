"""Orders, explained invoices, large receipts in several currencies: what customers are worth, and how they pay."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from tests.simulation.strategies_scene import DAY, Document, Scene

PRICES = ("1000000", "5000000", "4999999.99", "500000", "200000", "3000000", "999999.99", "250000")
INVOICES = ("A", "B", "C", "D")


def order(scene: Scene, at: datetime, order_id: str | None = None, price: str | None = None) -> Document:
    """An order of a line or two; some costs are not known, some of the money is foreign."""
    first: Document = {"product_id": "p1", "quantity": scene.pick("1", "2"), "unit_price": price or scene.pick(*PRICES)}
    lines = [first]
    if not scene.often(3):
        lines.append(
            {"product_id": scene.pick("p1", "p2"), "quantity": "3", "unit_price": scene.pick("100.5", *PRICES)}
        )
    for line in lines:
        if scene.often(4):
            line["unit_cost"] = scene.pick("100", "100.00", line["unit_price"])
        if scene.often(2):
            line["product_line"] = scene.pick("valves", "pumps")
    data = {
        "order_id": order_id or scene.pick("O1", "O2", "O3", "O4"),
        "currency": "CNY" if scene.often(5) else scene.pick("EUR", "USD"),
        "lines": lines,
        "campaign": None if scene.often(3) else "spring",
    }
    return scene.tell("order.placed", at, data)


def order_placed(scene: Scene) -> Document:
    return order(scene, scene.moment())


def order_cancelled(scene: Scene) -> Document:
    lines = [{"product_id": scene.pick("p1", "p2"), "quantity": scene.pick("1", "2", "5")}]
    data = {"order_id": scene.pick("O1", "O2", "O3", "O4"), "lines": lines if scene.often(2) else None}
    return scene.tell("order.cancelled", scene.moment(), data)


def delay_explained(scene: Scene) -> Document:
    data = {"invoice_id": scene.pick(*INVOICES), "reason": "x", "fault": scene.pick("ours", "customer", "third_party")}
    return scene.tell("invoice.delay_explained", scene.moment(), data, None)


def contract(scene: Scene, at: datetime | None = None) -> Document:
    """A contract that makes a customer; now and then one of long ago."""
    signed = at or scene.moment()
    if not scene.often(3):
        signed = signed - scene.pick(365, 366, 730, 1095, 1096, 1826) * DAY
    return scene.tell("contract.signed", signed, {"contract_id": scene.pick("V", "W")}, "signed_at")


def _invoice(scene: Scene, name: str, due: date, amount: str, paid: date | None) -> list[Document]:
    issued = due - 20 * DAY
    data: dict[str, Any] = {"invoice_id": name, "amount": amount, "currency": "CNY"}
    data |= {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
    told = [scene.event(issued, "invoice.issued", data)]
    if paid is not None:
        money: Document = {"payment_id": f"P{name}", "amount": amount, "currency": "CNY" if scene.often(9) else "EUR"}
        money |= {"value_date": paid.isoformat(), "allocations": [{"invoice_id": name, "amount": amount}]}
        told.append(scene.event(paid, "payment.received", money))
    return told


def late_payments(scene: Scene) -> list[Document]:
    """Three or four invoices within about half a year, most of them paid late or not at all."""
    first, told = scene.day(), []
    for number in range(scene.pick(3, 3, 4)):
        due = first + timedelta(days=scene.pick(30, 45, 58, 60, 61) * number)
        paid = due + timedelta(days=scene.pick(1, 20, 60, 61, 75)) if scene.often(4) else due
        told += _invoice(scene, INVOICES[number], due, "100.00", paid if scene.often(4) else None)
    return told


def large_orders(scene: Scene) -> list[Document]:
    """Orders that add up to a class of value, or nearly, and leave the year one after the other."""
    first = scene.moment()
    return [
        order(scene, first + scene.pick(0, 1, 30, 200, 364, 365, 366) * DAY, f"O{number + 1}")
        for number in range(scene.pick(1, 2, 3))
    ]


def watched_customer(scene: Scene) -> list[Document]:
    """Much ordered, and three invoices late: the story of R10b."""
    at = scene.moment()
    return [order(scene, scene.beside(at), "O1", "5000000"), *late_payments(scene)]


def good_payer(scene: Scene) -> list[Document]:
    """Invoices of which one in many is late: what R15 grades."""
    first, told = scene.day(), []
    for number in range(scene.pick(1, 1, 3, 4)):
        due = first + timedelta(days=15 * number)
        paid = due if scene.often(6) else due + timedelta(days=scene.pick(1, 61))
        told += _invoice(scene, INVOICES[number], due, scene.pick("100.00", "5.00", "400.00"), paid)
    return [*told, order(scene, scene.moment(first), "O1")]


def order_rhythm(scene: Scene) -> list[Document]:
    """Orders at more or less even distances, which then stop: what R23a watches."""
    first, gap = scene.moment(), scene.pick(0, 1, 10, 29, 30, 31, 45, 60) * DAY
    return [
        order(scene, scene.beside(first, number * gap), f"O{number + 1}", scene.pick("1000", "100"))
        for number in range(scene.pick(1, 2, 3, 4))
    ]


def year_against_year(scene: Scene) -> list[Document]:
    """Orders of some months and of the same months a year later: the trend of R23a."""
    first = scene.moment()
    told = [
        order(scene, first, "O1", "1000"),
        order(scene, first + 365 * DAY, "O2", scene.pick("500", "499.99", "1000")),
    ]
    return [*told, order(scene, first + scene.pick(300, 330, 364, 390) * DAY, "O3", scene.pick("1", "500"))]


def receipts(scene: Scene) -> list[Document]:
    """Money that reaches the tier in one month or another, some of it foreign."""
    first, told = scene.day(), []
    for number in range(scene.pick(1, 2, 3)):
        day = first + timedelta(days=30 * number)
        currency = "CNY" if scene.often(4) else scene.pick("EUR", "USD")
        amount = (
            scene.pick("250000.00", "500000.00", "500000.00") if currency == "CNY" else scene.pick("62500", "100000")
        )
        data = {"payment_id": f"T{number}", "value_date": day.isoformat(), "amount": amount, "currency": currency}
        told.append(scene.event(day, "payment.received", data))
    return told


STORIES = (late_payments, large_orders, watched_customer, good_payer, good_payer, order_rhythm, year_against_year)
EVENTS = (order_placed, order_placed, order_cancelled, delay_explained, contract)
