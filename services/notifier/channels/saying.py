"""PURE: what chat channels say: subject and text as one, without what a reader's program would obey."""

from __future__ import annotations

import re

from services.notifier.channels.base import Message
from services.notifier.escaping import BREAK

_CONTACTS = re.compile(
    r"[\w.+\u200b-]+@\u200b?[\w-]+(?:\.\u200b?[\w-]+)+"  # e-mail, also one that escaping.py has taken apart
    r"|(?<![\d./:-])(?:\+\d{1,3}[ -]?)(?:\(?\d{1,4}\)?[ -]?){2,4}\d{2,4}(?![\d./:-])"  # with a country's code
    r"|(?<![\w./:-])1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\w./:-])"  # a Chinese mobile
    r"|(?<![\w./:-])0\d{2,3}[ -]\d{7,8}(?![\w./:-])"  # a Chinese landline
)
_REMOVED = {"zh": "［联系方式见案件］", "en": "[contact: see the case]"}


def one_line(text: str) -> str:
    """Without line ends and other control characters: nobody adds a header or a line through a name."""
    return " ".join("".join(char if _stays(char) else " " for char in text).split())


def lines(text: str) -> str:
    """Lines stay lines; every other control character becomes a space."""
    return "".join(char if _stays(char) or char == "\n" else " " for char in text).strip()


def _stays(char: str) -> bool:
    # Where escaping.py has put a space of no width, one that is seen would read like a mistake.
    return char.isprintable() or char == BREAK


def subject_of(message: Message, *, contacts: bool = True) -> str:
    """In one line."""
    found = one_line(message.subject)
    return found if contacts else without_contacts(found, message)


def text_of(message: Message, *, contacts: bool = True) -> str:
    """`contacts`: whether telephone numbers and e-mail addresses may be told to this channel's readers."""
    found = lines(message.text)
    return found if contacts else without_contacts(found, message)


def whole(message: Message, *, contacts: bool = True) -> str:
    """The subject, an empty line, the text."""
    return f"{subject_of(message, contacts=contacts)}\n\n{text_of(message, contacts=contacts)}"


def mentionable(message: Message, kind: str) -> str | None:
    """Who is mentioned on a channel of that kind: one person, whatever somebody has written into the directory."""
    user = message.to.reached_by(kind)
    # An id or a telephone number: nothing that a program would read as more than one name.
    named = user is not None and re.fullmatch(r"\+?\w[\w.@-]{0,63}", user, re.ASCII) and user.lower() != "all"
    return user if named else None


def without_contacts(text: str, message: Message) -> str:
    """With a note to the reader in the place of each."""
    return _CONTACTS.sub(_REMOVED[message.to.language], text)
