"""E-mail against a real SMTP server, with and without TLS."""

from __future__ import annotations

import email
import email.policy
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.ports import free_port
from services.notifier.channels.base import Accepted, FateUnknown, Message, NotSent, Refused, TryLater
from services.notifier.channels.email import BadSmtpUrl, EmailChannel, SmtpServer, parse_smtp_url
from services.notifier.people import Person
from tests.unit.notifier.making import NOON

WANG = Person("wang", "王强", "sales", "zh", None, "wang@example.com")
MESSAGE = Message("case-1/raised/wang/email", WANG, "【预警】江南", "正文\n", "<p>正文</p>", "case-1")


class Mailbox:
    """What the server took, and what it answers to each step."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipient_answer = "250 OK"
        self.data_answer = "250 taken"
        self.hang_up = False
        self.users: list[str] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        if self.hang_up and server.transport is not None:
            server.transport.close()
        return self.data_answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == b"right"
        if isinstance(data, LoginPassword):
            self.users.append(data.login.decode())
        return AuthResult(success=good, handled=good)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


Started = Callable[..., SmtpServer]


@pytest.fixture
def start(mailbox: Mailbox) -> Iterator[Started]:
    """start(**Controller options): a server of our own on the loopback interface."""
    running: list[Controller] = []

    def begin(**options: Any) -> SmtpServer:
        port = free_port()
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        return SmtpServer("127.0.0.1", port, "none", "bellwether@example.com")

    yield begin
    for controller in running:
        controller.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", str(file), "-out", str(file)], check=True, capture_output=True)
    return file


def send(server: SmtpServer, message: Message = MESSAGE, trust: Path | None = None) -> Accepted:
    context = ssl.create_default_context(cafile=str(trust)) if trust else None
    return EmailChannel(server, lambda: NOON, context).send(message)


def test_a_page_arrives_as_text_and_html_under_its_own_message_id(start: Started, mailbox: Mailbox) -> None:
    accepted = send(start())
    (mail,) = mailbox.mails
    assert mail["Message-ID"] == accepted.provider_id
    assert mail["Subject"] == "【预警】江南"
    assert "wang@example.com" in mail["To"]
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "正文"


def test_the_mails_of_a_case_are_one_thread_and_those_of_another_are_not(start: Started, mailbox: Mailbox) -> None:
    server = start()
    for key, case_id in (("a", "case-1"), ("b", "case-1"), ("c", "case-2"), ("d", None)):
        send(server, replace(MESSAGE, key=key, case_id=case_id))
    first, second, other, alone = (mail["References"] for mail in mailbox.mails)
    assert first == second
    assert first != other
    assert alone is None
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 4


def test_nobody_adds_a_header_through_a_subject_or_a_name(start: Started, mailbox: Mailbox) -> None:
    evil = replace(WANG, name="Wang\r\nBcc: thief@example.com")
    send(start(), replace(MESSAGE, to=evil, subject="Hello\r\nBcc: thief@example.com\x00\u2028X: y"))
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert mail["X"] is None
    assert mail["Subject"] == "Hello Bcc: thief@example.com X: y"


@pytest.mark.parametrize("address", [None, "", "no address", "a@b\r\nBcc: c@d", "wang@", "名@example.com"])
def test_a_person_without_a_usable_address_is_refused_before_any_connection(address: str | None) -> None:
    nowhere = SmtpServer("127.0.0.1", 1, "none", "bellwether@example.com")
    with pytest.raises(Refused, match="address"):
        send(nowhere, replace(MESSAGE, to=replace(WANG, email=address, methods=())))


@pytest.mark.parametrize(
    ("recipient", "data", "outcome"),
    [
        ("450 mailbox busy", "250 taken", TryLater),
        ("550 no such user", "250 taken", Refused),
        ("250 OK", "451 try again", TryLater),
        ("250 OK", "554 looks like spam", Refused),
    ],
)
def test_the_servers_code_decides(
    start: Started, mailbox: Mailbox, recipient: str, data: str, outcome: type[NotSent]
) -> None:
    mailbox.recipient_answer, mailbox.data_answer = recipient, data
    with pytest.raises(outcome, match=recipient[:3] if recipient[0] != "2" else data[:3]):
        send(start())


def test_a_connection_lost_during_the_mail_leaves_its_fate_unknown(start: Started, mailbox: Mailbox) -> None:
    mailbox.hang_up = True
    with pytest.raises(FateUnknown):
        send(start())
    assert len(mailbox.mails) == 1


def test_a_server_that_is_away_is_for_later_and_for_everyone() -> None:
    with pytest.raises(TryLater) as caught:
        send(SmtpServer("127.0.0.1", free_port(), "none", "bellwether@example.com"))
    assert caught.value.everyone


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_starttls_with_a_password(start: Started, mailbox: Mailbox, tls: ssl.SSLContext, certificate: Path) -> None:
    server = start(tls_context=tls, require_starttls=True, authenticator=mailbox.authenticate, auth_required=True)
    send(replace(server, tls="starttls", user="us", password="right"), trust=certificate)
    assert (mailbox.users, len(mailbox.mails)) == (["us"], 1)


def test_a_wrong_password_is_said_and_tried_later(
    start: Started, mailbox: Mailbox, tls: ssl.SSLContext, certificate: Path
) -> None:
    server = start(tls_context=tls, authenticator=mailbox.authenticate, auth_required=True)
    with pytest.raises(TryLater, match="password") as caught:
        send(replace(server, tls="starttls", user="us", password="wrong"), trust=certificate)
    assert "wrong" not in str(caught.value)


def test_tls_from_the_start(start: Started, mailbox: Mailbox, tls: ssl.SSLContext, certificate: Path) -> None:
    send(replace(start(ssl_context=tls), tls="implicit"), trust=certificate)
    assert len(mailbox.mails) == 1


def test_nothing_is_sent_to_a_server_that_offers_no_tls_or_a_certificate_nobody_trusts(
    start: Started, mailbox: Mailbox, tls: ssl.SSLContext
) -> None:
    for server in (start(), start(tls_context=tls)):
        with pytest.raises(TryLater):
            send(replace(server, tls="starttls"))
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com?from=a@b.cn", SmtpServer("mail.example.com", 587, "starttls", "a@b.cn")),
        ("smtps://mail.example.com?from=a@b.cn", SmtpServer("mail.example.com", 465, "implicit", "a@b.cn")),
        (
            "smtp://u%40x:p%3Aq@localhost:25?from=a@b.cn&tls=none",
            SmtpServer("localhost", 25, "none", "a@b.cn", "u@x", "p:q"),
        ),
    ],
)
def test_the_url_tells_everything(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "http://x?from=a@b.cn",
        "smtp://?from=a@b.cn",
        "smtp://u:geheim@x",
        "smtp://x:y?from=a@b.cn",
        "smtp://x?from=a@b.cn&tls=maybe",
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_its_password(url: str) -> None:
    with pytest.raises(BadSmtpUrl, match="BELLWETHER_SMTP_URL") as caught:
        parse_smtp_url(url)
    assert "geheim" not in str(caught.value)
