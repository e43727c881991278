"""A real SMTP server that answers as the test wants, with the face of the other providers."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.ports import free_port
from tests.support.providers.server import Counter, Now


class MailServer:
    """`accepted` are the mails. One user, "us"."""

    def __init__(self, now: Now) -> None:
        self.now = now
        self.cut: str | None = None
        self.accepted: list[EmailMessage] = []
        self.broken_limits = 0
        self.password = b"right"
        self.answer: str | None = None
        self.counter = Counter(1000, 60)
        self.port = free_port()
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self.authenticate,
            auth_required=True,
            auth_require_tls=False,
            data_size_limit=1_000_000,
        )
        self._controller.start()

    def take_no_more_than(self, size: int) -> None:
        """Bytes of a mail."""
        self._controller.SMTP_kwargs["data_size_limit"] = size

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer is not None:
            return self.answer
        if not self.counter.takes(self.now()):
            self.broken_limits += 1
            return "450 4.7.1 Error: too much mail"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        mail: Any = email.message_from_bytes(content, policy=email.policy.default)
        self.accepted.append(mail)
        if self.cut == "after" and server.transport is not None:
            server.transport.close()
        return "250 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == self.password
        return AuthResult(success=good, handled=good)

    def unplug(self) -> None:
        self._controller.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._controller.server is not None:
            self.unplug()
