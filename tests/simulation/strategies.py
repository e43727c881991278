"""Invented histories of a customer or two: late, doubled, out of order, corrected, in several currencies.

Few ids, few amounts and few days, so that everything collides with everything. The times are those at which calendars
go wrong: last days of months, the leap day, the turn of the year, the days on which clocks change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import strategies as st

from schemas.codec import parse
from schemas.events import Event
from tests.simulation.worlds import WORLDS, World

Document = dict[str, Any]

SOURCES = ("erp", "crm")
CUSTOMERS = ("c1", "c2")
ROUND_AMOUNTS = ("10.00", "20.00")
AMOUNTS = ("10.00", "20.00", "30.00", "50.00", "0.01", "10.01", "0.005")
IMPORTANT_WORDS = (True, True, False, "true", None)
PAID_AMOUNTS = (*AMOUNTS, "100.00", "100.00")
LARGE_AMOUNTS = ("250000.00", "499999.99", "500000.00", "0.01")
FIRST_DAYS = (date(2023, 11, 1), date(2024, 1, 1), date(2024, 10, 1), date(2025, 2, 1))
SPAN_DAYS = 430
CLOCK_TIMES = (time(0), time(9), time(12), time(23, 59, 59, 999999))


@dataclass(frozen=True)
class History:
    """Documents of events in the order in which they arrive, the company they happen to, and how far time comes."""

    world: World
    documents: tuple[Document, ...]
    until: datetime

    def events(self) -> list[Event]:
        """The documents as the codec reads them."""
        return [parse(document) for document in self.documents]

    def told(self, documents: Iterable[Document]) -> History:
        """The same company and time, with other events or these in another order."""
        return replace(self, documents=tuple(documents))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """One event a line: what Hypothesis shows of a failing history can be read, and fed to the core again."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        lines = "\n".join(orjson.dumps(document).decode() for document in self.documents)
        return f"History in {self.world.name} until {self.until.isoformat()}:\n{lines}\n"


@dataclass(frozen=True)
class Scene:
    """Where and when one history plays; draws the things that its events are made of."""

    draw: st.DrawFn
    zone: ZoneInfo
    first_day: date
    favourites: tuple[date, ...]
    narrow: bool
    """Two invoices, one currency and round amounts only: every event touches what the others touch."""

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def often(self, out_of: int) -> bool:
        """True in all but one of `out_of` cases; shrinks to True."""
        return self.draw(st.integers(0, out_of - 1)) < out_of - 1

    def invoice_id(self) -> str:
        return str(self.pick(*("AB" if self.narrow else "ABCDE")))

    def currency(self) -> str:
        return "CNY" if self.narrow or self.often(4) else "EUR"

    def amount(self) -> str:
        return str(self.pick(*(ROUND_AMOUNTS if self.narrow else AMOUNTS)))

    def day(self) -> date:
        """Any day of the span; most are one of the scene's favourites, or the first, middle or last of a month."""
        if self.draw(st.integers(0, 9)) < 6:
            return self.draw(st.sampled_from(self.favourites))
        day = self.first_day + timedelta(days=self.draw(st.integers(0, SPAN_DAYS)))
        turn = self.draw(st.integers(0, 5))
        if turn == 0:
            return day.replace(day=1)
        if turn == 1:
            return day.replace(day=1) - timedelta(days=1)
        return day.replace(day=15) if turn == 2 else day

    def near(self, day: date) -> date:
        """The day itself or one around it: within the grace, a month away, before."""
        return day + timedelta(days=self.pick(0, 1, 5, 6, 20, 31, 45, 70, -1, -10, -40))

    def instant(self, day: date | None = None) -> str:
        """An instant on the day, by the company's clock; some are written with another offset."""
        at = time(9) if self.often(2) else self.pick(*CLOCK_TIMES)
        local = datetime.combine(day or self.day(), at, tzinfo=self.zone)
        return (local if self.often(3) else local.astimezone(UTC)).isoformat()

    def maybe_instant(self, day: date) -> str | None:
        return None if self.often(3) else self.instant(self.near(day) if self.often(2) else self.day())


def invoice_issued(scene: Scene) -> Document:
    issued = scene.day()
    due = scene.near(issued)
    data: Document = {
        "invoice_id": scene.invoice_id(),
        "currency": scene.currency(),
        "issue_date": issued.isoformat(),
    }
    if scene.often(3 if scene.narrow else 4):
        return _event(scene, issued, "invoice.issued", data | {"amount": scene.amount(), "due_date": due.isoformat()})
    dues = [due, scene.day(), due + timedelta(days=31)][: scene.pick(1, 2, 3)]
    parts = [{"due_date": day.isoformat(), "amount": scene.pick("10.00", "20.00")} for day in dues]
    total = sum(int(part["amount"][:2]) for part in parts)
    return _event(scene, issued, "invoice.issued", data | {"amount": f"{total}.00", "instalments": parts})


def invoices_monthly(scene: Scene) -> list[Document]:
    """Invoices of several months running, some paid around the day they were due: what R1 is about."""
    first, currency = scene.day(), scene.currency()
    documents = []
    for number in range(scene.pick(2, 3, 4)):
        due = first + timedelta(days=30 * number)
        issued = due - timedelta(days=20)
        data: Document = {"invoice_id": "ABCD"[number], "amount": scene.amount(), "currency": currency}
        data |= {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
        documents.append(_event(scene, issued, "invoice.issued", data))
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
    return _event(scene, value_date, "payment.received", data)


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
    return _event(scene, value_date, "payment.received", data)


def receipts_monthly(scene: Scene) -> list[Document]:
    """Large money in several months running, some of it foreign: what makes a customer important, or perhaps."""
    first = scene.day()
    documents = []
    for number in range(scene.pick(2, 3, 4)):
        day = first + timedelta(days=30 * number)
        data: Document = {"payment_id": "PQRS"[number], "value_date": day.isoformat()}
        data |= {"amount": scene.pick(*LARGE_AMOUNTS), "currency": scene.pick("CNY", "CNY", "EUR")}
        documents.append(_event(scene, day, "payment.received", data))
    return documents


def payment_reversed(scene: Scene) -> Document:
    return _event(scene, scene.day(), "payment.reversed", {"payment_id": scene.pick("P", "Q", "R", "S")})


def accounts(scene: Scene) -> list[Document]:
    """Two invoices of even parts and a little money, booked or not: which part does it cover?"""
    documents = []
    for invoice_id in "AB":
        issued = scene.day()
        dues = [issued + timedelta(days=scene.pick(5, 20, 45, 70)) for _ in range(scene.pick(1, 2))]
        parts = [{"due_date": due.isoformat(), "amount": "10.00"} for due in dues]
        data: Document = {"invoice_id": invoice_id, "amount": f"{10 * len(dues)}.00", "currency": "CNY"}
        data |= {"issue_date": issued.isoformat(), "instalments": parts}
        documents.append(_event(scene, issued, "invoice.issued", data))
    for payment_id in "PQ":
        value_date = scene.near(scene.day())
        data = {"payment_id": payment_id, "amount": "10.00", "currency": "CNY", "value_date": value_date.isoformat()}
        if not scene.often(2):
            data["allocations"] = [{"invoice_id": scene.pick("A", "B"), "amount": "10.00"}]
        documents.append(_event(scene, value_date, "payment.received", data))
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
    return [_event(scene, day, "competitor.activity", {**data, "occurred_at": scene.instant(day)}) for day in days]


def invoice_credited(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "credit_id": scene.pick("K", "L"), "amount": scene.amount()}
    data |= {"currency": scene.currency(), "credit_date": day.isoformat()}
    return _event(scene, day, "invoice.credited", data)


def invoice_disputed(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "at": scene.maybe_instant(day)}
    return _event(scene, day, "invoice.disputed", data)


def dispute_settled(scene: Scene) -> Document:
    day = scene.day()
    data = {"invoice_id": scene.invoice_id(), "outcome": scene.pick("rejected", "upheld")}
    return _event(scene, day, "dispute.settled", data | {"at": scene.maybe_instant(day)})


def contact_changed(scene: Scene) -> Document:
    day = scene.day()
    data = {
        "contact_id": scene.pick("k1", "k2"),
        "change": scene.pick("left", "replaced", "role_changed", "joined", "details"),
        "decision_role": scene.pick("procurement", "technical", "finance", "executive", "user", None),
        "certainty": "announced" if scene.often(4) else "rumoured",
        "effective_at": scene.maybe_instant(day),
    }
    return _event(scene, day, "contact.changed", data)


def competitor_activity(scene: Scene) -> Document:
    day = scene.day()
    data = {"competitor_id": scene.pick("x", "y"), "kind": "trade_show" if scene.often(5) else "visit"}
    return _event(scene, day, "competitor.activity", data | {"occurred_at": scene.maybe_instant(day)})


def contract_signed(scene: Scene) -> Document:
    day = scene.day()
    data = {"contract_id": scene.pick("V", "W"), "signed_at": scene.instant(scene.pick(day, scene.first_day))}
    return _event(scene, day, "contract.signed", data)


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
    return _event(scene, day, "activity.logged", data)


def profile_updated(scene: Scene) -> Document:
    day = scene.day()
    fields = {"important": scene.pick(*IMPORTANT_WORDS)} if scene.often(4) else {"size": 3}
    data = {"section": "basic", "fields": fields, "at": scene.maybe_instant(day)}
    return _event(scene, day, "profile.updated", data)


def owner_changed(scene: Scene) -> Document:
    day = scene.day()
    return _event(scene, day, "customer.owner_changed", {"new": "w", "at": scene.maybe_instant(day)})


def large_payment(scene: Scene) -> Document:
    return payment_received(scene, LARGE_AMOUNTS)


def _event(scene: Scene, day: date, kind: str, data: Document) -> Document:
    """The document without its name; mostly sent on the day itself, sometimes before or long after."""
    return {
        "type": f"bellwether.{kind}",
        "time": scene.instant(day if scene.often(4) else scene.near(day)),
        "data": {name: value for name, value in data.items() if value is not None},
    }


MONEY = (invoice_issued, invoice_issued, payment_received, payment_received, payment_received, payment_reversed)
DISPUTES = (invoice_issued, invoice_credited, invoice_disputed, dispute_settled, payment_received)
PEOPLE = (contact_changed, competitor_activity, competitor_activity, contract_signed, activity_logged)
CARE = (activity_logged, profile_updated, profile_updated, owner_changed, large_payment, large_payment)
Theme = tuple[Callable[[Scene], Document], ...]
QUARRELS = (invoice_disputed, dispute_settled)
PAYING = (payment_received, invoice_issued)
THEMES: tuple[Theme, ...] = (MONEY, MONEY + DISPUTES, QUARRELS, PAYING, PEOPLE, CARE, MONEY + PEOPLE + CARE)
BEGINNINGS = {MONEY: invoices_monthly, MONEY + DISPUTES: invoices_monthly, QUARRELS: quarrel}
BEGINNINGS |= {PAYING: accounts, CARE: receipts_monthly, PEOPLE: fairs}
"""What a theme's histories mostly begin with, so that something is going on."""
NAMES = ("m", "a", "z", "e9", "e10", "b", "y", "k", "c", "x", "d", "w", "o", "f", "v", "g", "u", "h", "t", "i")
CORRECTIONS = ("n", "zz", "b2", "aa")


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A whole history, in an order that is that of time or any other, some events more than once."""
    world = draw(st.sampled_from(WORLDS))
    first_day = draw(st.sampled_from(FIRST_DAYS))
    offsets = draw(st.lists(st.integers(0, SPAN_DAYS // 2), min_size=3, max_size=5))
    favourites = tuple(first_day + timedelta(days=offset) for offset in offsets)
    scene = Scene(draw, world.zone, first_day, favourites, narrow=draw(st.booleans()))
    theme = scene.pick(*THEMES)
    documents = BEGINNINGS[theme](scene) if theme in BEGINNINGS and scene.often(4) else []
    documents += [scene.pick(*theme)(scene) for _ in range(draw(st.integers(0 if documents else 1, 10)))]
    named = [_named(scene, document, name) for document, name in zip(documents, NAMES, strict=False)]
    for number in range(scene.pick(0, 0, 1, 2, 4)):
        named.append(_correction(scene, named, CORRECTIONS[number], theme))
    named.sort(key=lambda document: datetime.fromisoformat(document["time"]))
    order = named if scene.often(2) else draw(st.permutations(named))
    twice = draw(st.lists(st.sampled_from(named), max_size=3))
    until = datetime.fromisoformat(scene.instant(scene.first_day + timedelta(days=scene.pick(90, 300, SPAN_DAYS))))
    return History(world, (*order, *twice), until)


def _named(scene: Scene, document: Document, name: str) -> Document:
    customer = CUSTOMERS[0] if scene.often(6) else CUSTOMERS[1]
    source = SOURCES[0] if scene.often(4) else SOURCES[1]
    named = {"specversion": "1.0", "id": name, "source": source, "subject": customer, **document}
    # Now and then two events correct each other: nothing stands at the beginning of such a ring.
    return named if scene.often(40) else {**named, "supersedes": scene.pick(*CORRECTIONS)}


def _correction(scene: Scene, named: list[Document], name: str, theme: Theme) -> Document:
    """Corrects one of them (perhaps a correction itself), takes it back, or corrects one that is never seen."""
    corrected = scene.pick(*named) if scene.often(2) else scene.pick(*named[-3:])
    how = scene.pick("changed", "changed", "replaced", "taken back")
    if how == "changed" and "data" in corrected:
        words = {"type": corrected["type"], "time": scene.instant(), "data": _changed(scene, corrected["data"])}
    elif how == "taken back":
        words = {"type": corrected["type"], "time": scene.instant(), "retracted": True}
    else:
        words = scene.pick(*theme)(scene)
    if not scene.often(3):
        words["time"] = corrected["time"]  # so that corrections compete at one instant
    envelope = {attribute: corrected[attribute] for attribute in ("specversion", "source", "subject")}
    supersedes = corrected["id"] if scene.often(8) else "never-seen"
    return {**envelope, **words, "id": name, "supersedes": supersedes}


def _changed(scene: Scene, data: Document) -> Document:
    """The same, with its day put right, or what was booked."""
    changed = dict(data)
    for field in ("value_date", "due_date"):
        if field in changed:
            changed[field] = scene.near(date.fromisoformat(changed[field])).isoformat()
    if "signed_at" in changed:
        changed["signed_at"] = scene.instant()
    if not scene.often(2):
        changed.pop("allocations", None)
    return changed
