"""Any other provider, by the library apprise (an optional part of the installation): accepted, unverified.

The library says only that nothing went wrong: it tells no message id, for several providers not the provider's own
verdict, and nothing of what to do next.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any

from services.common.errors import UserError
from services.notifier.channels.base import Accepted, FateUnknown, Message, TryLater
from services.notifier.channels.fitting import fit
from services.notifier.channels.limits import UNLIMITED, Limits
from services.notifier.channels.saying import subject_of, text_of
from services.notifier.channels.wecom_bot import fingerprint
from services.notifier.people import Person

_UNLIMITED_TEXT = 1_000_000
_LOGGERS = ("apprise", "urllib3")

Notify = Callable[[str, str], bool]
"""Sends a title and a body; False when anything went wrong."""


class AppriseMissing(UserError):
    """The library is not installed."""


class AppriseUrlInvalid(UserError):
    """The library does not know what the address means. The message does not repeat it."""


class AnyOther:
    """`longest` is the library's idea of how many characters the provider takes."""

    kind = "apprise"
    limits: Limits = UNLIMITED

    def __init__(self, name: str, notify: Notify, longest: int, identity: str, *, contacts: bool = False) -> None:
        self.name = name
        self._notify = notify
        self._longest = longest
        self._identity = identity
        self._contacts = contacts

    def scope(self, message: Message) -> str:
        """The address."""
        return f"{self.kind}:{self._identity}"

    def cost(self, message: Message) -> int:
        """One for each part."""
        return len(self._parts(message))

    def reaches(self, person: Person) -> bool:
        """Everybody: the address says who reads it."""
        return True

    def has_sent(self, key: str) -> bool | None:
        """Nobody can be asked."""
        return None

    def send(self, message: Message) -> Accepted:
        """Accepted as far as the library can tell. What went wrong it does not tell, so all of it is for later."""
        subject = subject_of(message, contacts=self._contacts)
        for sent, part in enumerate(self._parts(message)):
            if not self._notify(subject, part):
                if sent:
                    raise FateUnknown(f"只送出了 {sent} 段 / only {sent} parts were sent", code="apprise")
                raise TryLater("apprise 未能送出 / apprise could not send it", code="apprise")
        return Accepted(message.key, verified=False)

    def _parts(self, message: Message) -> list[str]:
        text = text_of(message, contacts=self._contacts)
        return fit(text, self._longest, message.link, message.to.language, len)


def open_apprise(name: str, url: str, *, contacts: bool = False) -> AnyOther:
    """The channel to an address of apprise's. Raises AppriseMissing, AppriseUrlInvalid."""
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError:
        raise AppriseMissing("the library apprise is not installed: pip install 'bellwether[apprise]'") from None
    for logger in _LOGGERS:
        # They show addresses, and with them the secrets that stand there.
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise AppriseUrlInvalid("apprise does not know what to do with this address")

    def notify(title: str, body: str) -> bool:
        return bool(service.notify(body=body, title=title, notify_type=apprise.NotifyType.WARNING))

    longest = int(getattr(service, "body_maxlen", 0)) or _UNLIMITED_TEXT
    return AnyOther(name, notify, longest, fingerprint(url), contacts=contacts)
