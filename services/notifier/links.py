"""PURE: links in pages by which their reader acts without signing in: signed, expiring, bound to one page.

A token is base64url of what it says and of an HMAC-SHA-256 over that, cut to 128 bits. Whoever has the link can do the
one thing that it says, once, as the person it was made for; so it says nothing else, and stops working by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from urllib.parse import quote

import orjson

LinkAction = Literal["acknowledge", "open_review", "finish_task"]
ACTIONS: tuple[LinkAction, ...] = get_args(LinkAction)

VALID = timedelta(days=7)
FORM_VALID = timedelta(hours=2)
"""For so long a form that was opened may be sent."""

PATH = "/act"
MIN_SECRET = 32
"""Bytes of a secret."""

MAX_TOKEN = 1200
"""Characters. Most have 150; two ids of a hundred characters, all of them rare, make 1,150."""

_MAC_BYTES = 16
_PAGE_BYTES = 12
_VERSION = 1


class BadLink(Exception):
    """A token that nothing may be done with."""


class Forged(BadLink):
    """None of ours: it was not signed by a secret that counts, or not with these words."""


class Expired(BadLink):
    """It was ours, and is too old. `link` is what it said."""

    def __init__(self, link: Link) -> None:
        super().__init__("the link has expired")
        self.link = link


@dataclass(frozen=True)
class Link:
    """`person` may do `action` with `subject`, a case's id or a task's, because of the page that `page` is the mark
    of."""

    action: LinkAction
    subject: str
    person: str
    page: str
    expires_at: datetime

    @property
    def use(self) -> str:
        """The same for every token of this page and action: it is used once, however often it was signed."""
        said = f"{self.action}\n{self.subject}\n{self.person}\n{self.page}"
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True)
class LinkMaker:
    """Makes links to `console_url`, which has no slash at its end. The first of `secrets` signs, each of them counts: a
    new one is put in front, and the old one goes when its last link has expired."""

    console_url: str
    secrets: Sequence[bytes]
    valid: timedelta = VALID

    def link_for(self, action: LinkAction, subject: str, person: str, page_key: str, at: datetime) -> str:
        """The address. `page_key` is the page's key in the outbox and `at` when it was written down: the same page has
        the same link, however often it is sent."""
        link = Link(action, subject, person, page_mark(page_key), _whole_second(at + self.valid))
        return f"{self.console_url}{PATH}/{quote(token_of(link, self.secrets[0]), safe='')}"


def page_mark(page_key: str) -> str:
    """What stands for a page in its links."""
    return _text(hashlib.sha256(page_key.encode()).digest()[:_PAGE_BYTES])


def token_of(link: Link, secret: bytes) -> str:
    """The signed token of a link."""
    said = [_VERSION, ACTIONS.index(link.action), link.subject, link.person, link.page, _seconds(link.expires_at)]
    payload = orjson.dumps(said)
    return f"{_text(payload)}.{_text(_mac(secret, b'link', payload))}"


def read_token(token: str, secrets: Sequence[bytes], now: datetime) -> Link:
    """What a token says. Raises Forged, and Expired for one that was good until now."""
    payload, mac = _parts(token)
    if not _is_signed(secrets, b"link", payload, mac):
        raise Forged("it is signed by none of the secrets")
    link = _said(payload)
    if now >= link.expires_at:
        raise Expired(link)
    return link


def form_token(token: str, secret: bytes, now: datetime) -> str:
    """What the page of a link puts into its form: only who has seen the page can send it, and not for long."""
    until = str(_seconds(now + FORM_VALID))
    return f"{until}.{_text(_mac(secret, b'form', f'{until}.{token}'.encode()))}"


def form_holds(given: str, token: str, secrets: Sequence[bytes], now: datetime) -> bool:
    """Whether the form comes from the page of this very link."""
    until, _, mac = given.partition(".")
    if not until.isascii() or not until.isdigit() or len(until) > 12:
        return False
    try:
        raw = _bytes(mac)
    except ValueError:
        return False
    said = f"{until}.{token}".encode()
    return _is_signed(secrets, b"form", said, raw) and _seconds(now) < int(until)


def _parts(token: str) -> tuple[bytes, bytes]:
    if len(token) > MAX_TOKEN or token.count(".") != 1:
        raise Forged("it has not the form of a token")
    try:
        payload, mac = (_bytes(part) for part in token.split("."))
    except ValueError:
        raise Forged("it has not the form of a token") from None
    return payload, mac


def _said(payload: bytes) -> Link:
    """Signed by us, so it is well formed, unless another version of us has made it."""
    try:
        version, action, subject, person, page, until = orjson.loads(payload)
        if version != _VERSION:
            raise Forged("another version of the service has made it")
        return Link(ACTIONS[action], subject, person, page, datetime.fromtimestamp(until, UTC))
    except (ValueError, TypeError, IndexError, OverflowError):
        raise Forged("another version of the service has made it") from None


def _is_signed(secrets: Sequence[bytes], purpose: bytes, said: bytes, mac: bytes) -> bool:
    # Every secret is asked, and each in the same time: how long it takes tells nothing.
    return sum(hmac.compare_digest(_mac(secret, purpose, said), mac) for secret in secrets) > 0


def _mac(secret: bytes, purpose: bytes, said: bytes) -> bytes:
    """`purpose` keeps the two kinds of token apart: none passes for the other."""
    return hmac.new(secret, purpose + b"\n" + said, hashlib.sha256).digest()[:_MAC_BYTES]


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _whole_second(at: datetime) -> datetime:
    return datetime.fromtimestamp(_seconds(at), UTC)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """The one spelling that _text gives: raises ValueError for every other, so that no token has two."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not as it is spelled")
    return raw
