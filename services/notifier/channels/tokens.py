"""PURE: a provider that wants a token first, which it hands out for some hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.notifier.channels.base import TryLater
from services.notifier.channels.limits import Limits
from services.notifier.channels.provider import Answer, Provider, Request

EARLY = timedelta(minutes=5)
"""Before its end a token is fetched anew, so that none expires on the way."""


@dataclass(frozen=True)
class Token:
    """A provider's word that we are who we are, good until `until`."""

    value: str = field(repr=False)
    until: datetime

    def good(self, at: datetime) -> bool:
        """Whether to use it still."""
        return at < self.until - EARLY


class TokenExpired(TryLater):
    """The provider does not know the token any more, whatever it said of its end: nothing was sent."""


class TokenProvider(Protocol):
    """What a provider with tokens is asked."""

    @property
    def title(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    def token_request(self) -> Request:
        """What fetches a token."""
        ...

    def judge_token(self, answer: Answer, at: datetime) -> Token:
        """The token, or raises what is under NotSent."""
        ...

    def bearing(self, token: str) -> Provider:
        """The provider as it is with a token."""
        ...
