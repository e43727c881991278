"""Channels whose provider is asked by HTTP: they post what the provider's description says, and let it judge."""

from __future__ import annotations

import threading

from services.common.clock import Now
from services.notifier.channels.base import Accepted, FateUnknown, Message, NotSent, TryLater
from services.notifier.channels.courier import Courier
from services.notifier.channels.limits import Limits
from services.notifier.channels.provider import Provider, Request
from services.notifier.channels.tokens import Token, TokenExpired, TokenProvider
from services.notifier.people import Person


class Posting:
    """`name` is what the settings call this one; there may be several of a kind."""

    def __init__(self, name: str, provider: Provider, courier: Courier, now: Now) -> None:
        self.name = name
        self._provider = provider
        self._courier = courier
        self._now = now

    @property
    def kind(self) -> str:
        """The provider's."""
        return self._provider.kind

    @property
    def limits(self) -> Limits:
        """The provider's."""
        return self._provider.limits

    def scope(self, message: Message) -> str:
        """The provider's."""
        return self._provider.scope(message)

    def cost(self, message: Message) -> int:
        """One for each request; one for what will be refused before any."""
        try:
            return len(self._provider.requests(message, self._now()))
        except NotSent:
            return 1

    def reaches(self, person: Person) -> bool:
        """The provider's."""
        return self._provider.reaches(person)

    def has_sent(self, key: str) -> bool | None:
        """Nobody can be asked."""
        return None

    def send(self, message: Message) -> Accepted:
        """Every part in turn. What goes wrong after the first leaves the fate unknown: some of it has arrived."""
        return self._send(self._provider, message)

    def close(self) -> None:
        """Ends what is kept open."""
        self._courier.close()

    def _send(self, provider: Provider, message: Message) -> Accepted:
        sent: list[str] = []
        for request in provider.requests(message, self._now()):
            try:
                sent.append(self._post(provider, request))
            except NotSent as reason:
                if not sent or provider.repeatable:
                    raise
                said = f"只送出了 {len(sent)} 段 / only {len(sent)} parts were sent: {reason}"
                raise FateUnknown(said, code=reason.code) from None
        return Accepted(" ".join(filter(None, sent)) or message.key)

    def _post(self, provider: Provider, request: Request) -> str:
        try:
            answer = self._courier.carry(request)
        except FateUnknown as lost:
            if provider.repeatable:
                # The provider takes a repeated request for one, so there is no doubt to tell of.
                raise TryLater(str(lost), code=lost.code) from None
            raise
        return provider.judge(answer, self._now()).provider_id


class PostingWithToken(Posting):
    """Fetches a token when it has none that is good, and once more when the provider does not know it."""

    def __init__(self, name: str, provider: TokenProvider, courier: Courier, now: Now) -> None:
        super().__init__(name, provider.bearing(""), courier, now)
        self._tokens = provider
        self._token: Token | None = None
        self._fetching = threading.Lock()

    def send(self, message: Message) -> Accepted:
        """As other channels do; what the provider refuses for its token was not sent, so it is sent again at once."""
        # Before a token is asked for: who cannot be reached is refused without a request.
        self._provider.requests(message, self._now())
        token = self._good(None)
        try:
            return self._send(self._tokens.bearing(token.value), message)
        except TokenExpired:
            return self._send(self._tokens.bearing(self._good(token).value), message)

    def _good(self, refused: Token | None) -> Token:
        with self._fetching:
            if self._token is None or self._token is refused or not self._token.good(self._now()):
                self._token = self._fetched()
            return self._token

    def _fetched(self) -> Token:
        try:
            answer = self._courier.carry(self._tokens.token_request())
        except FateUnknown as lost:
            # A token that was made and lost does no harm.
            raise TryLater(str(lost), everyone=True, code=lost.code) from None
        return self._tokens.judge_token(answer, self._now())
