"""PURE: whether a customer is greeted by e-mail, in whose name, and what the greeting says.

A card that a machine sends has no warmth, so the owner's own greeting goes first: this is only for whom the house has
decided to write to, who has agreed to it, in the name of somebody who has agreed to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from html import escape
from typing import Literal

from services.notifier.people import Language

Kind = Literal["birthday", "cooperation"]
COOPERATION = "cooperation"


class Verdict(StrEnum):
    """What becomes of an occasion, and why."""

    SEND = "send"
    NOT_YET = "not_yet"
    PASSED = "passed"
    WITHDRAWN = "withdrawn"
    BY_HAND = "by_hand"
    NO_CONTACT = "no_contact"
    NOT_WELCOME = "not_welcome"
    MOURNING = "mourning"
    NOBODY_SIGNS = "nobody_signs"


@dataclass(frozen=True)
class Occasion:
    """What one of R29's tasks is about. `subject` is the contact's id, or "cooperation". `done`: somebody has ticked
    the task off, so there was a greeting by hand. `withdrawn`: there is nothing to greet for."""

    warning_id: str
    customer_id: str
    subject: str
    day: date
    done: bool = False
    withdrawn: bool = False

    @property
    def kind(self) -> Kind:
        """Whose day it is."""
        return "cooperation" if self.subject == COOPERATION else "birthday"


@dataclass(frozen=True)
class Contact:
    """Somebody at a customer. `welcome`: they have agreed to be written to. `main`: who is greeted for the customer."""

    customer: str
    id: str
    name: str
    email: str
    language: Language = "zh"
    welcome: bool = False
    main: bool = False


@dataclass(frozen=True)
class Signer:
    """An account owner who has said yes to greetings in their name."""

    id: str
    name: str
    email: str | None = None


@dataclass(frozen=True)
class House:
    """What the company has decided. `company` is its name at the head of each greeting; `company_signs`: it signs where
    the owner has not said yes, else nothing is sent. `sends_at` is by the company's clock. For `quiet_days` after a
    bereavement nobody is greeted, and on no day of `mourning`, which is the country's."""

    company: str
    company_signs: bool = False
    sends_at: time = time(9)
    quiet_days: int = 7
    mourning: frozenset[date] = frozenset()
    texts: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


def decide(
    occasion: Occasion,
    contact: Contact | None,
    house: House,
    bereaved: Iterable[date],
    signer: Signer | None,
    now: datetime,
) -> Verdict:
    """`now` is local, by the company's clock; `bereaved` the customer's days of mourning."""
    if occasion.withdrawn:
        return Verdict.WITHDRAWN
    if now.date() > occasion.day:
        return Verdict.PASSED
    if occasion.done:
        return Verdict.BY_HAND
    # What is agreed or learned until then counts.
    if now.date() < occasion.day or now.time() < house.sends_at:
        return Verdict.NOT_YET
    if in_mourning(occasion.day, bereaved, house):
        return Verdict.MOURNING
    return _between(contact, house, signer)


def _between(contact: Contact | None, house: House, signer: Signer | None) -> Verdict:
    """Whether there is somebody who wants it, and somebody to sign it."""
    if contact is None:
        return Verdict.NO_CONTACT
    if not contact.welcome:
        return Verdict.NOT_WELCOME
    return Verdict.SEND if signer is not None or house.company_signs else Verdict.NOBODY_SIGNS


def in_mourning(day: date, bereaved: Iterable[date], house: House) -> bool:
    """Whether the day is the country's, or the customer's own or within the quiet days after it."""
    quiet = timedelta(days=house.quiet_days)
    return day in house.mourning or any(lost <= day <= lost + quiet for lost in bereaved)


def whom(occasion: Occasion, contacts: Sequence[Contact]) -> Contact | None:
    """The contact whose birthday it is, or the one who is greeted for the customer."""
    theirs = [contact for contact in contacts if contact.customer == occasion.customer_id]
    if occasion.kind == "cooperation":
        return next((contact for contact in theirs if contact.main), None)
    return next((contact for contact in theirs if contact.id == occasion.subject), None)


_TEXTS: dict[str, dict[str, dict[str, str]]] = {
    "birthday": {
        "zh": {
            "subject": "{name}，生日快乐",
            "text": "{name}：\n\n您好！今天是您的生日，祝您生日快乐，身体健康，一切顺利。\n\n{signature}",
        },
        "en": {
            "subject": "Happy birthday, {name}",
            "text": "Dear {name},\n\nhappy birthday! We wish you good health and a good year.\n\n{signature}",
        },
    },
    "cooperation": {
        "zh": {
            "subject": "{name}，感谢您与我们同行",
            "text": "{name}：\n\n您好！今天是我们合作的周年纪念日。感谢您一直以来的信任，期待继续同行。\n\n{signature}",
        },
        "en": {
            "subject": "Thank you for working with us, {name}",
            "text": "Dear {name},\n\ntoday is the anniversary of our working together. Thank you for your trust.\n\n"
            "{signature}",
        },
    },
}

NAMES = frozenset({"name", "company", "signature"})
"""What a text may name in braces."""


@dataclass(frozen=True)
class Greeting:
    """What is sent."""

    subject: str
    text: str
    html: str


def write(occasion: Occasion, contact: Contact, house: House, signer: Signer | None) -> Greeting:
    """The greeting, signed by the person who said yes, or by the company."""
    said = house.texts.get(occasion.kind, {}).get(contact.language) or _TEXTS[occasion.kind][contact.language]
    signature = f"{signer.name}\n{house.company}" if signer is not None else house.company
    words = {"name": contact.name, "company": house.company, "signature": signature}
    subject, text = fill(said["subject"], words), fill(said["text"], words)
    html = f"<p>{'<br>'.join(map(escape, text.splitlines()))}</p>"
    return Greeting(" ".join(subject.split()), text + "\n", html)


def fill(text: str, words: Mapping[str, str]) -> str:
    """Every {word} that is known is put in once; what a name brings with it stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)
